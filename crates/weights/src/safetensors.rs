//! `.safetensors` files.

use candle_core::DType;
use safetensors::tensor::Dtype;
use safetensors::{SafeTensorError, SafeTensors};

use crate::file::{Entry, Listing};

/// The floating-point tensors and the metadata of one file.
pub(crate) fn list(bytes: &[u8]) -> Result<Listing, String> {
    let (n_header, header) = SafeTensors::read_metadata(bytes).map_err(|e| explain(&e))?;
    let strings = header.metadata().iter().flatten();
    let metadata = strings.map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut infos: Vec<_> = header.tensors().into_iter().collect();
    // In the order in which they lie.
    infos.sort_unstable_by(|(a, x), (b, y)| (x.data_offsets, a).cmp(&(y.data_offsets, b)));
    let mut entries = Vec::new();
    for (name, info) in infos {
        let dtype = match info.dtype {
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            _ => continue, // counters and masks
        };
        let first = 8 + n_header;
        let (from, to) = info.data_offsets;
        entries.push(Entry {
            name,
            n_outer: 0,
            dtype,
            shape: info.shape.clone(),
            strides: None,
            part: 0,
            bytes: first + from..first + to,
        });
    }
    Ok(Listing { entries, metadata })
}

fn explain(error: &SafeTensorError) -> String {
    let error: String = error.to_string().chars().take(200).collect();
    format!("not a valid safetensors file ({error}); download or convert it again")
}
