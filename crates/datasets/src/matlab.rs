//! Just enough of MATLAB's level 5 MAT-files to read a struct array of numbers and texts.
//!
//! A file is a header of 128 bytes and a list of elements; an element is a tag (type, size) and
//! data, padded to 8 bytes. An element of type `miCOMPRESSED` is another element under zlib; one of
//! type `miMATRIX` is an array, itself a list of elements. ("MAT-File Format", MathWorks.)

use std::{collections::HashMap, io::Read as _};

use flate2::read::ZlibDecoder;

/// No devkit is larger; a forgery may be.
const MAX_BYTES: u64 = 64 << 20;

const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;

const MX_STRUCT: u8 = 2;
const MX_CHAR: u8 = 4;

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Real numbers, in the order of the file.
    Numbers(Vec<f64>),
    Text(String),
    /// Anything else.
    Other,
}

impl Value {
    /// The first number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Numbers(numbers) => numbers.first().copied(),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

type Struct = HashMap<String, Value>;

/// The elements of the struct array called `name`.
pub(crate) fn struct_array(file: &[u8], name: &str) -> Result<Vec<Struct>, String> {
    let header = file.get(..128).ok_or("is no MAT-file of MATLAB 5 or later: it is too short")?;
    if header[126..] != *b"IM" {
        return Err("is no little-endian MAT-file of MATLAB 5 or later".into());
    }
    let mut elements = Elements(&file[128..]);
    while let Some(element) = elements.next()? {
        let mut unpacked = Vec::new();
        let element = if element.kind == MI_COMPRESSED {
            let decoder = ZlibDecoder::new(element.data).take(MAX_BYTES);
            { decoder }.read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
            Elements(&unpacked).next()?.ok_or("holds an empty element")?
        } else {
            element
        };
        if element.kind == MI_MATRIX {
            let array = Array::open(element.data)?;
            if array.name == name && array.class == MX_STRUCT {
                return array.structs();
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
        let dimensions = numbers(&rest.expect()?)?;
        let name = String::from_utf8_lossy(rest.expect()?.data).into_owned();
        let n_elements = dimensions.iter().product::<f64>() as usize;
        Ok(Self { class, name, n_elements, rest })
    }

    /// Length of the field names, the names, then field by field of element by element.
    fn structs(mut self) -> Result<Vec<Struct>, String> {
        let length = numbers(&self.rest.expect()?)?.first().map_or(0, |&length| length as usize);
        let names = self.rest.expect()?.data;
        let name = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let names: Vec<String> = names.chunks(length.max(1)).map(name).collect();
        if names.is_empty() {
            return Err("holds structs without fields".into());
        }
        let mut structs = Vec::new();
        for _ in 0..self.n_elements {
            let mut fields = HashMap::new();
            for name in &names {
                fields.insert(name.clone(), value(&self.rest.expect()?)?);
            }
            structs.push(fields);
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
            let codes = numbers(&array.rest.expect()?)?;
            let text = codes.iter().filter_map(|&code| char::from_u32(code as u32));
            Ok(Value::Text(text.collect()))
        }
        // The numeric classes; all may be stored as any smaller type.
        6..=15 => Ok(Value::Numbers(numbers(&array.rest.expect()?)?)),
        _ => Ok(Value::Other),
    }
}

/// The numbers of an element of a numeric type.
fn numbers(element: &Element<'_>) -> Result<Vec<f64>, String> {
    fn all<const N: usize>(data: &[u8], number: fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
    }
    let data = element.data;
    Ok(match element.kind {
        1 => all(data, |bytes| i8::from_le_bytes(bytes).into()),
        2 | 16 => all(data, |bytes| u8::from_le_bytes(bytes).into()),
        3 => all(data, |bytes| i16::from_le_bytes(bytes).into()),
        4 | 17 => all(data, |bytes| u16::from_le_bytes(bytes).into()),
        5 => all(data, |bytes| i32::from_le_bytes(bytes).into()),
        6 | 18 => all(data, |bytes| u32::from_le_bytes(bytes).into()),
        7 => all(data, |bytes| f32::from_le_bytes(bytes).into()),
        9 => all(data, f64::from_le_bytes),
        12 => all(data, |bytes| i64::from_le_bytes(bytes) as f64),
        13 => all(data, |bytes| u64::from_le_bytes(bytes) as f64),
        kind => return Err(format!("holds numbers of the unknown type {kind}")),
    })
}
