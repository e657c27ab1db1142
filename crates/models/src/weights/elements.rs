//! Numbers as they lie in weight files.

use candle_core::{Device, Tensor};
use half::{bf16, f16};

/// A floating-point element type of a weight file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    BF16,
    F32,
    F64,
}

impl Element {
    /// The element type of a `PyTorch` storage class; `None` if it does not hold weights.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        match class.rsplit('.').next()? {
            "HalfStorage" => Some(Self::F16),
            "BFloat16Storage" => Some(Self::BF16),
            "FloatStorage" => Some(Self::F32),
            "DoubleStorage" => Some(Self::F64),
            _ => None,
        }
    }

    pub(super) fn n_bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A tensor from little-endian elements: f64 stays f64, everything else becomes f32.
pub(super) fn tensor(element: Element, shape: &[usize], bytes: &[u8]) -> Result<Tensor, String> {
    let tensor = match element {
        Element::F16 => {
            let values = decode(bytes, |b| f16::from_le_bytes(b).to_f32());
            Tensor::from_vec(values, shape, &Device::Cpu)
        }
        Element::BF16 => {
            let values = decode(bytes, |b| bf16::from_le_bytes(b).to_f32());
            Tensor::from_vec(values, shape, &Device::Cpu)
        }
        Element::F32 => Tensor::from_vec(decode(bytes, f32::from_le_bytes), shape, &Device::Cpu),
        Element::F64 => Tensor::from_vec(decode(bytes, f64::from_le_bytes), shape, &Device::Cpu),
    };
    tensor.map_err(|error| error.to_string())
}

fn decode<const N: usize, T>(bytes: &[u8], element: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| element(*chunk)).collect()
}
