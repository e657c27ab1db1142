//! Just enough of MATLAB's level 5 MAT-files to read a struct array of numbers and texts.
//!
//! A file is a header of 128 bytes and a list of elements; an element is a tag (type, size) and
//! data, padded to 8 bytes. An element of type `miCOMPRESSED` is another element under zlib; one of
//! type `miMATRIX` is an array, itself a list of elements. ("MAT-File Format", MathWorks.)

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// What an element may unpack to: the devkit's is a tenth of it, a forgery may be larger.
const MAX_BYTES: u64 = 16 << 20;
/// Most structs of an array: the devkit has 1,860.
const MAX_STRUCTS: usize = 100_000;
/// Longest text of a field.
const MAX_TEXT: usize = 4096;

const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;

const MX_STRUCT: u8 = 2;
const MX_CHAR: u8 = 4;

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// The first of real numbers.
    Number(f64),
    Text(String),
    /// Anything else, or nothing.
    Other,
}

/// These fields of the elements of the struct array called `name`.
pub(crate) fn struct_array<const N: usize>(
    file: &[u8],
    name: &str,
    fields: [&str; N],
) -> Result<Vec<[Value; N]>, String> {
    let header = file.get(..128).ok_or("is no MAT-file of MATLAB 5 or later: it is too short")?;
    if header[126..] != *b"IM" {
        return Err("is no little-endian MAT-file of MATLAB 5 or later".into());
    }
    let mut elements = Elements(&file[128..]);
    while let Some(element) = elements.next()? {
        let mut unpacked = Vec::new();
        let element = if element.kind == MI_COMPRESSED {
            let decoder = ZlibDecoder::new(element.data).take(MAX_BYTES + 1);
            { decoder }.read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
            if unpacked.len() as u64 > MAX_BYTES {
                return Err(format!("holds an element of more than {} MiB", MAX_BYTES >> 20));
            }
            Elements(&unpacked).next()?.ok_or("holds an empty element")?
        } else {
            element
        };
        if element.kind == MI_MATRIX {
            let array = Array::open(element.data)?;
            if array.name == name && array.class == MX_STRUCT {
                return array.structs(fields);
            }
        }
    }
    Err(format!("holds no struct array '{name}'"))
}

/// A tag with its data.
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
}

/// What is left of a list of elements.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn next(&mut self) -> Result<Option<Element<'a>>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let word = self.word(0)?;
        // Up to four bytes fit into the tag itself; its upper half is their number then.
        let (kind, start, length, end) = match word >> 16 {
            0 => {
                let length = self.word(4)? as usize;
                let padded =
                    if word == MI_COMPRESSED { length } else { length.next_multiple_of(8) };
                (word, 8, length, 8 + padded)
            }
            length => (word & 0xffff, 4, length as usize, 8),
        };
        let data = self.0.get(start..start + length).ok_or(CUT)?;
        // The last element of a file may lack its padding.
        self.0 = self.0.get(end..).unwrap_or_default();
        Ok(Some(Element { kind, data }))
    }

    fn expect(&mut self) -> Result<Element<'a>, String> {
        self.next()?.ok_or_else(|| CUT.into())
    }

    fn word(&self, at: usize) -> Result<u32, String> {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or_else(|| CUT.into())
    }
}

const CUT: &str = "is cut off";

/// An array: what all classes begin with, and the rest.
struct Array<'a> {
    class: u8,
    name: String,
    n_elements: usize,
    rest: Elements<'a>,
}

impl<'a> Array<'a> {
    fn open(data: &'a [u8]) -> Result<Self, String> {
        let mut rest = Elements(data);
        let flags = rest.expect()?;
        let class = *flags.data.first().ok_or(CUT)?;
        // MATLAB has no array of more dimensions than this.
        let dimensions = numbers(&rest.expect()?, 32)?;
        let name = String::from_utf8_lossy(rest.expect()?.data).into_owned();
        let n_elements = dimensions.iter().product::<f64>() as usize;
        Ok(Self { class, name, n_elements, rest })
    }

    /// Length of the field names, the names, then field by field of element by element.
    fn structs<const N: usize>(mut self, fields: [&str; N]) -> Result<Vec<[Value; N]>, String> {
        let length = first_number(&self.rest.expect()?)?.map_or(0, |length| length as usize);
        let names = self.rest.expect()?.data;
        let is_name = |bytes: &[u8], name: &str| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            bytes[..end] == *name.as_bytes()
        };
        let length = length.max(1);
        let n_fields = names.len().div_ceil(length);
        if n_fields == 0 {
            return Err("holds structs without fields".into());
        }
        let places = fields.map(|field| names.chunks(length).position(|name| is_name(name, field)));
        if self.n_elements > MAX_STRUCTS {
            return Err(format!("holds {} structs, more than {MAX_STRUCTS}", self.n_elements));
        }
        let mut structs = Vec::new();
        for _ in 0..self.n_elements {
            let mut found = [const { Value::Other }; N];
            for at in 0..n_fields {
                let element = self.rest.expect()?;
                if let Some(field) = places.iter().position(|place| *place == Some(at)) {
                    found[field] = value(&element)?;
                }
            }
            structs.push(found);
        }
        Ok(structs)
    }
}

fn value(element: &Element<'_>) -> Result<Value, String> {
    // An empty field may be an empty element.
    if element.kind != MI_MATRIX || element.data.is_empty() {
        return Ok(Value::Other);
    }
    let mut array = Array::open(element.data)?;
    match array.class {
        MX_CHAR => {
            let codes = array.rest.expect()?;
            if codes.data.len() > MAX_TEXT {
                return Ok(Value::Other);
            }
            let codes = numbers(&codes, MAX_TEXT)?;
            let text = codes.iter().filter_map(|&code| char::from_u32(code as u32));
            Ok(Value::Text(text.collect()))
        }
        // The numeric classes; all may be stored as any smaller type.
        6..=15 => Ok(first_number(&array.rest.expect()?)?.map_or(Value::Other, Value::Number)),
        _ => Ok(Value::Other),
    }
}

fn first_number(element: &Element<'_>) -> Result<Option<f64>, String> {
    Ok(numbers(element, 1)?.first().copied())
}

/// The first numbers of an element of a numeric type.
fn numbers(element: &Element<'_>, at_most: usize) -> Result<Vec<f64>, String> {
    let data = element.data;
    let all = Few { data, at_most };
    Ok(match element.kind {
        1 => all.of(|bytes| i8::from_le_bytes(bytes).into()),
        2 | 16 => all.of(|bytes| u8::from_le_bytes(bytes).into()),
        3 => all.of(|bytes| i16::from_le_bytes(bytes).into()),
        4 | 17 => all.of(|bytes| u16::from_le_bytes(bytes).into()),
        5 => all.of(|bytes| i32::from_le_bytes(bytes).into()),
        6 | 18 => all.of(|bytes| u32::from_le_bytes(bytes).into()),
        7 => all.of(|bytes| f32::from_le_bytes(bytes).into()),
        9 => all.of(f64::from_le_bytes),
        12 => all.of(|bytes| i64::from_le_bytes(bytes) as f64),
        13 => all.of(|bytes| u64::from_le_bytes(bytes) as f64),
        kind => return Err(format!("holds numbers of the unknown type {kind}")),
    })
}

/// Numbers of one width.
struct Few<'a> {
    data: &'a [u8],
    at_most: usize,
}

impl Few<'_> {
    fn of<const N: usize>(&self, number: fn([u8; N]) -> f64) -> Vec<f64> {
        let all = self.data.as_chunks::<N>().0.iter().take(self.at_most);
        all.map(|&bytes| number(bytes)).collect()
    }
}
