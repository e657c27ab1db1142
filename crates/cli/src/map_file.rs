//! Saliency maps from files of any program: `.npy` and `.safetensors`.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
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
        let size = std::fs::metadata(path)?.len();
        ensure!(size <= MAX_BYTES, "{size} bytes are too many for a map");
        let bytes = std::fs::read(path)?;
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
    let file = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
    let names = file.names();
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, names) if names.contains(&"map") => "map",
        (None, [only]) => only,
        (None, names) => bail!("holds several tensors: choose one of {names:?} with --tensor"),
    };
    let tensor = file.tensor(name).with_context(|| format!("no tensor '{name}' in {names:?}"))?;
    let values = match tensor.dtype() {
        Dtype::F32 => singles(tensor.data()),
        Dtype::F64 => doubles(tensor.data()),
        other => bail!("tensor '{name}' is {other:?}, not F32 or F64"),
    };
    Ok((tensor.shape().to_vec(), values))
}

fn singles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight) as f32).collect()
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
    ensure!(!header.contains("'fortran_order': True"), "in Fortran order: save it in C order");
    let dims = dims(&header).context("an .npy file without a shape")?;
    let values = match field(&header, "'descr':").map(str::trim) {
        Some(kind) if kind.starts_with("'<f4'") => singles(&rest[end..]),
        Some(kind) if kind.starts_with("'<f8'") => doubles(&rest[end..]),
        kind => bail!("elements {}: save it as float32 or float64", kind.unwrap_or("unknown")),
    };
    let expected = dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    ensure!(expected == Some(values.len()), "{} elements, not those of {dims:?}", values.len());
    Ok((dims, values))
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
    numbers.map(|number| number.parse().ok()).collect()
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
        assert!(message(&npy_of("<i4", "(1,)", &[0; 4])).contains("float32"));
        assert!(message(&npy_of("<f4", "(3,)", &[0; 4])).contains("1 elements"));
        assert!(message(b"\x93NUMPY\x01\x00\xff\xff").contains("header"));
        assert!(message(b"PK").contains("not an .npy"));
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
