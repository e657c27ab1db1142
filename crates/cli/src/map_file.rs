//! Saliency maps from files of any program: `.npy` and `.safetensors`, of any kind of real number.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use half::{bf16, f16};
use hsets_pipeline::core::{SaliencyMap, Shape};
use safetensors::{Dtype, SafeTensors};

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// The map \[H, W\] or \[C, H, W\] (or with leading ones) in a file, for images of `shape`. One value
/// per pixel is split evenly among the channels.
pub(crate) fn read_map(
    path: &Path,
    tensor: Option<&str>,
    shape: Shape,
) -> anyhow::Result<SaliencyMap> {
    let read = || {
        let size = hsets_files::regular(path)?.len();
        ensure!(size <= MAX_BYTES, "{size} bytes are too many for a map");
        let bytes = hsets_files::read(path)?;
        let is_npy =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        let (dims, values) = if is_npy { npy(&bytes)? } else { safetensor(&bytes, tensor)? };
        map(&dims, values, shape)
    };
    read().with_context(|| path.display().to_string())
}

fn map(dims: &[usize], values: Vec<f32>, shape: Shape) -> anyhow::Result<SaliencyMap> {
    let Shape { channels, height, width } = shape;
    let first = dims.iter().position(|&n| n != 1).unwrap_or(dims.len());
    let inner = &dims[first.min(dims.len().saturating_sub(2))..];
    let data = if inner == [height, width] {
        let share = values.iter().map(|value| value / channels as f32);
        let plane: Vec<f32> = share.collect();
        plane.repeat(channels)
    } else if inner == [channels, height, width] {
        values
    } else {
        bail!(
            "a map of shape {dims:?}, but the network sees [{channels}, {height}, {width}]: give \
             [{height}, {width}] or [{channels}, {height}, {width}]"
        );
    };
    Ok(SaliencyMap::new(shape, data)?)
}

fn safetensor(bytes: &[u8], name: Option<&str>) -> anyhow::Result<(Vec<usize>, Vec<f32>)> {
    let file =
        SafeTensors::deserialize(bytes).context("neither an .npy nor a .safetensors file")?;
    let names = file.names();
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, names) if names.contains(&"map") => "map",
        (None, [only]) => only,
        (None, names) => bail!("holds several tensors: choose one of {names:?} with --tensor"),
    };
    let tensor = file.tensor(name).with_context(|| format!("no tensor '{name}' in {names:?}"))?;
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F16 => each(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Dtype::F32 => each(data, f32::from_le_bytes),
        Dtype::F64 => each(data, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::BOOL | Dtype::U8 => each(data, |[byte]| f32::from(byte)),
        Dtype::I8 => each(data, |bytes| f32::from(i8::from_le_bytes(bytes))),
        Dtype::U16 => each(data, |bytes| f32::from(u16::from_le_bytes(bytes))),
        Dtype::I16 => each(data, |bytes| f32::from(i16::from_le_bytes(bytes))),
        Dtype::U32 => each(data, |bytes| u32::from_le_bytes(bytes) as f32),
        Dtype::I32 => each(data, |bytes| i32::from_le_bytes(bytes) as f32),
        Dtype::U64 => each(data, |bytes| u64::from_le_bytes(bytes) as f32),
        Dtype::I64 => each(data, |bytes| i64::from_le_bytes(bytes) as f32),
        other => bail!("tensor '{name}' is {other:?}: save it as F32"),
    };
    Ok((tensor.shape().to_vec(), values))
}

/// The numbers of elements of N bytes.
fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&element| number(element)).collect()
}

/// NumPy's format, versions 1 to 3: magic, version, length of the header, header, data.
fn npy(bytes: &[u8]) -> anyhow::Result<(Vec<usize>, Vec<f32>)> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").context("not an .npy file")?;
    let (length, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => bail!("an .npy file of unknown version"),
    };
    let end = start + length;
    ensure!(rest.len() >= end, "an .npy file that ends in its header");
    let header = String::from_utf8_lossy(&rest[start..end]).into_owned();
    let dims = dims(&header).context("an .npy file without a shape of at most 8 dimensions")?;
    let kind = field(&header, "'descr':").and_then(|kind| kind.trim().split('\'').nth(1));
    let kind = kind.context("an .npy file of structured elements: save it as float32")?;
    let values = elements(kind, &rest[end..])
        .with_context(|| format!("elements '{kind}': save it as float32 or float64"))?;
    let expected = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    ensure!(expected == Some(values.len()), "{} elements, not those of {dims:?}", values.len());
    let in_columns =
        field(&header, "'fortran_order':").is_some_and(|is| is.trim().starts_with("True"));
    let values = if in_columns { by_rows(&dims, &values) } else { values };
    Ok((dims, values))
}

/// Elements of a kind as NumPy writes it: order of bytes, letter, number of bytes.
fn elements(kind: &str, data: &[u8]) -> Option<Vec<f32>> {
    if let Some(rest) = kind.strip_prefix('>') {
        let width = rest.get(1..)?.parse::<usize>().ok().filter(|width| (1..=8).contains(width))?;
        let whole = data.chunks_exact(width);
        let turned: Vec<u8> = whole.flat_map(|element| element.iter().rev().copied()).collect();
        return elements(&format!("<{rest}"), &turned);
    }
    let kind = kind.trim_start_matches(['<', '|', '=']);
    Some(match kind {
        "f2" => each(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
        "f4" => each(data, f32::from_le_bytes),
        "f8" => each(data, |bytes| f64::from_le_bytes(bytes) as f32),
        "b1" | "u1" => each(data, |[byte]| f32::from(byte)),
        "i1" => each(data, |bytes| f32::from(i8::from_le_bytes(bytes))),
        "u2" => each(data, |bytes| f32::from(u16::from_le_bytes(bytes))),
        "i2" => each(data, |bytes| f32::from(i16::from_le_bytes(bytes))),
        "u4" => each(data, |bytes| u32::from_le_bytes(bytes) as f32),
        "i4" => each(data, |bytes| i32::from_le_bytes(bytes) as f32),
        "u8" => each(data, |bytes| u64::from_le_bytes(bytes) as f32),
        "i8" => each(data, |bytes| i64::from_le_bytes(bytes) as f32),
        _ => return None,
    })
}

/// Elements whose first index runs fastest, with the last running fastest.
fn by_rows(dims: &[usize], columns: &[f32]) -> Vec<f32> {
    // Where the next element along each dimension lies.
    let mut strides = vec![1; dims.len()];
    for axis in 1..dims.len() {
        strides[axis] = strides[axis - 1] * dims[axis - 1];
    }
    let place = |mut index: usize| {
        let mut at = 0;
        for (&n, stride) in dims.iter().zip(&strides).rev() {
            at += index % n * stride;
            index /= n;
        }
        columns[at]
    };
    (0..columns.len()).map(place).collect()
}

/// What follows `key` in the header, up to the next key.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = header.split_once(key)?;
    Some(after.split(", '").next().unwrap_or(after))
}

fn dims(header: &str) -> Option<Vec<usize>> {
    let (_, after) = header.split_once("'shape':")?;
    let (_, inside) = after.split_once('(')?;
    let (inside, _) = inside.split_once(')')?;
    let numbers = inside.split(',').map(str::trim).filter(|number| !number.is_empty());
    // Python 2 wrote 3L.
    let numbers = numbers.map(|number| number.trim_end_matches('L').parse().ok());
    let dims: Option<Vec<usize>> = numbers.take(9).collect();
    dims.filter(|dims| dims.len() <= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy_of(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn npy_of_both_widths() {
        let single: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        let double: Vec<u8> = [1.0f64, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        for (kind, data) in [("<f4", single), ("<f8", double)] {
            assert_eq!(npy(&npy_of(kind, "(1, 2)", &data)).unwrap(), (vec![1, 2], vec![1.0, -2.5]));
        }
        let message = |bytes: &[u8]| npy(bytes).unwrap_err().to_string();
        assert!(message(&npy_of("<c8", "(1,)", &[0; 8])).contains("float32"));
        assert!(message(&npy_of("<f4", "(3,)", &[0; 4])).contains("1 elements"));
        assert!(message(b"\x93NUMPY\x01\x00\xff\xff").contains("header"));
        assert!(message(b"PK").contains("not an .npy"));
    }

    #[test]
    fn npy_of_every_kind_and_order() {
        for (kind, data) in [
            ("<f2", &[0x00, 0x3c, 0x00, 0xc1][..]),
            (">f2", &[0x3c, 0x00, 0xc1, 0x00]),
            (">f4", &[0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0]),
        ] {
            assert_eq!(
                npy(&npy_of(kind, "(2L,)", data)).unwrap(),
                (vec![2], vec![1.0, -2.5]),
                "{kind}"
            );
        }
        for (kind, data) in [
            ("|i1", &[1, 0xfe][..]),
            ("<i2", &[1, 0, 0xfe, 0xff]),
            (">i2", &[0, 1, 0xff, 0xfe]),
            ("<i8", &[1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            assert_eq!(npy(&npy_of(kind, "(2,)", data)).unwrap().1, [1.0, -2.0], "{kind}");
        }
        assert_eq!(npy(&npy_of("|b1", "(2,)", &[1, 0])).unwrap().1, [1.0, 0.0]);
        // numpy.asfortranarray(numpy.arange(6).reshape(1, 2, 3))
        let columns = npy_of("|u1", "(1, 2, 3)", &[0, 3, 1, 4, 2, 5]);
        let text = String::from_utf8_lossy(&columns)
            .replace("'fortran_order': False", "'fortran_order': True ");
        let columns: Vec<u8> =
            text.chars().map(|c| if c == '\u{fffd}' { 0x93 } else { c as u8 }).collect();
        assert_eq!(npy(&columns).unwrap(), (vec![1, 2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        let many = format!("({})", "1, ".repeat(100_000));
        assert!(npy(&npy_of("<f4", &many, &[0; 4])).is_err());
    }

    #[test]
    fn planes_are_shared_among_channels() {
        let shape = Shape::new(2, 1, 2);
        assert_eq!(map(&[1, 2], vec![2.0, 4.0], shape).unwrap().data(), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(map(&[1, 1, 1, 2], vec![2.0, 4.0], shape).unwrap().data()[0], 1.0);
        let whole = vec![1.0, 2.0, 3.0, 4.0];
        assert_eq!(map(&[1, 2, 1, 2], whole.clone(), shape).unwrap().data(), whole);
        assert!(map(&[2, 2], whole, shape).unwrap_err().to_string().contains("[1, 2]"));
    }
}
