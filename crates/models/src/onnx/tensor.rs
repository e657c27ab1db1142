//! Tensors that do not depend on the picture.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use rten_onnx::onnx::{DataLocation, DataType, StringStringEntryProto, TensorProto};

use super::external::External;

/// A tensor known when the file is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    /// Sizes along its axes; none for a number.
    pub(super) dims: Vec<usize>,
    /// Row by row.
    pub(super) data: Data,
}

/// Elements. Integers of all widths and truth values become `i64`, halves `f32`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    F32(Arc<[f32]>),
    F64(Arc<[f64]>),
    Integer(Arc<[i64]>),
}

impl Constant {
    pub(super) fn floats(dims: Vec<usize>, values: Vec<f64>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Self { dims, data: Data::F64(values.into()) }
    }

    pub(super) fn integers(dims: Vec<usize>, values: Vec<i64>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Self { dims, data: Data::Integer(values.into()) }
    }

    /// A vector of integers: sizes, axes, indices.
    pub(super) fn vector(values: Vec<i64>) -> Self {
        Self::integers(vec![values.len()], values)
    }

    pub(super) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub(super) fn is_float(&self) -> bool {
        !matches!(self.data, Data::Integer(_))
    }

    pub(super) fn to_floats(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(values) => values.iter().copied().map(f64::from).collect(),
            Data::F64(values) => values.to_vec(),
            Data::Integer(values) => values.iter().map(|&value| value as f64).collect(),
        }
    }

    pub(super) fn to_integers(&self) -> Vec<i64> {
        match &self.data {
            Data::F32(values) => values.iter().map(|&value| value as i64).collect(),
            Data::F64(values) => values.iter().map(|&value| value as i64).collect(),
            Data::Integer(values) => values.to_vec(),
        }
    }

    /// The element at a position.
    pub(super) fn float_at(&self, at: usize) -> f64 {
        match &self.data {
            Data::F32(values) => values[at].into(),
            Data::F64(values) => values[at],
            Data::Integer(values) => values[at] as f64,
        }
    }

    /// The element at a position.
    pub(super) fn integer_at(&self, at: usize) -> i64 {
        match &self.data {
            Data::F32(values) => values[at] as i64,
            Data::F64(values) => values[at] as i64,
            Data::Integer(values) => values[at],
        }
    }

    /// Its number, if it holds one.
    pub(super) fn number(&self) -> Option<f64> {
        (self.len() == 1).then(|| self.float_at(0))
    }

    /// Whether both have their elements in the same place.
    pub(super) fn shares(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Data::F32(a), Data::F32(b)) => Arc::ptr_eq(a, b),
            (Data::F64(a), Data::F64(b)) => Arc::ptr_eq(a, b),
            (Data::Integer(a), Data::Integer(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The elements at these positions, as many as the sizes say.
    pub(super) fn pick(&self, dims: Vec<usize>, positions: impl Iterator<Item = usize>) -> Self {
        /// In a list that is not made larger again and again.
        fn picked<T: Copy>(values: &[T], n: usize, at: impl Iterator<Item = usize>) -> Arc<[T]> {
            let mut picked = Vec::with_capacity(n);
            picked.extend(at.map(|at| values[at]));
            picked.into()
        }
        let n = dims.iter().product();
        let data = match &self.data {
            Data::F32(values) => Data::F32(picked(values, n, positions)),
            Data::F64(values) => Data::F64(picked(values, n, positions)),
            Data::Integer(values) => Data::Integer(picked(values, n, positions)),
        };
        Self { dims, data }
    }

    /// The same elements under other sizes.
    pub(super) fn reshaped(&self, dims: Vec<usize>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        Self { dims, data: self.data.clone() }
    }

    /// The axes in another order: axis k of the result is axis `order[k]`.
    pub(super) fn permuted(&self, order: &[usize]) -> Self {
        let strides = strides(&self.dims);
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        self.pick(dims.clone(), offsets(dims, strides))
    }

    /// As weights of a network.
    pub(super) fn to_tensor(&self) -> Result<Tensor, String> {
        let dims = self.dims.as_slice();
        let tensor = match &self.data {
            Data::F32(values) => Tensor::from_slice(values, dims, &Device::Cpu),
            Data::F64(values) => Tensor::from_slice(values, dims, &Device::Cpu),
            Data::Integer(_) => Tensor::from_vec(self.to_floats(), dims, &Device::Cpu),
        };
        tensor.map_err(|error| error.to_string())
    }

    /// From a file; what lies beside it is read from `external`.
    pub(super) fn read(tensor: &TensorProto, external: &mut External) -> Result<Self, String> {
        few_axes(tensor.dims.len())?;
        let kind = tensor.data_type.unwrap_or(DataType::FLOAT);
        let size = |&size: &i64| usize::try_from(size).map_err(|_| format!("has a size of {size}"));
        let dims: Vec<usize> = tensor.dims.iter().map(size).collect::<Result<_, _>>()?;
        let n = dims.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let n = n.filter(|&n| n < isize::MAX as usize / 8);
        let n = n.ok_or_else(|| format!("declares sizes {dims:?}, more than any memory holds"))?;
        let data = if tensor.data_location == Some(DataLocation::EXTERNAL) {
            let place = |key: &str| value_of(&tensor.external_data, key);
            let bytes = external.bytes(place("location"), place("offset"), place("length"))?;
            decode(kind, n, bytes)?
        } else if let Some(raw) = &tensor.raw_data {
            decode(kind, n, &raw.borrow())?
        } else {
            listed(kind, tensor)?
        };
        let found = match &data {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::Integer(values) => values.len(),
        };
        if found != n {
            return Err(format!("has {found} elements, but sizes {dims:?}"));
        }
        Ok(Self { dims, data })
    }
}

fn value_of<'a>(entries: &'a [StringStringEntryProto], key: &str) -> Option<&'a str> {
    let entry = entries.iter().find(|entry| entry.key.as_deref() == Some(key))?;
    entry.value.as_deref()
}

fn decode(kind: DataType, n: usize, bytes: &[u8]) -> Result<Data, String> {
    let size = match kind {
        DataType::UINT8 | DataType::INT8 | DataType::BOOL => 1,
        DataType::UINT16 | DataType::INT16 | DataType::FLOAT16 | DataType::BFLOAT16 => 2,
        DataType::FLOAT | DataType::INT32 | DataType::UINT32 => 4,
        DataType::DOUBLE | DataType::INT64 | DataType::UINT64 => 8,
        other => return Err(unknown(other)),
    };
    if n * size != bytes.len() {
        return Err(format!("holds {} bytes, but its sizes want {}", bytes.len(), n * size));
    }
    Ok(match kind {
        DataType::FLOAT => Data::F32(each(bytes, f32::from_le_bytes)),
        DataType::DOUBLE => Data::F64(each(bytes, f64::from_le_bytes)),
        DataType::FLOAT16 => Data::F32(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        DataType::BFLOAT16 => Data::F32(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
        DataType::INT8 => Data::Integer(each(bytes, |b| i8::from_le_bytes(b).into())),
        DataType::UINT8 | DataType::BOOL => Data::Integer(each(bytes, |[b]| b.into())),
        DataType::INT16 => Data::Integer(each(bytes, |b| i16::from_le_bytes(b).into())),
        DataType::UINT16 => Data::Integer(each(bytes, |b| u16::from_le_bytes(b).into())),
        DataType::INT32 => Data::Integer(each(bytes, |b| i32::from_le_bytes(b).into())),
        DataType::UINT32 => Data::Integer(each(bytes, |b| u32::from_le_bytes(b).into())),
        _ => Data::Integer(each(bytes, i64::from_le_bytes)),
    })
}

/// All chunks of N bytes as what they stand for.
fn each<const N: usize, T, U: FromIterator<T>>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> U {
    bytes.as_chunks::<N>().0.iter().map(|chunk| of(*chunk)).collect()
}

/// Elements that are listed one by one instead of as bytes.
fn listed(kind: DataType, tensor: &TensorProto) -> Result<Data, String> {
    let halves =
        |to: fn(u16) -> f32| tensor.int32_data.iter().map(|&bits| to(bits as u16)).collect();
    Ok(match kind {
        DataType::FLOAT => Data::F32(tensor.float_data.as_slice().into()),
        DataType::DOUBLE => Data::F64(tensor.double_data.as_slice().into()),
        DataType::FLOAT16 => Data::F32(halves(|bits| f16::from_bits(bits).to_f32())),
        DataType::BFLOAT16 => Data::F32(halves(|bits| bf16::from_bits(bits).to_f32())),
        DataType::INT64 => Data::Integer(tensor.int64_data.as_slice().into()),
        DataType::UINT8
        | DataType::INT8
        | DataType::BOOL
        | DataType::UINT16
        | DataType::INT16
        | DataType::INT32 => Data::Integer(tensor.int32_data.iter().map(|&v| v.into()).collect()),
        other => return Err(unknown(other)),
    })
}

fn unknown(kind: DataType) -> String {
    format!("has elements of type {kind}, which is not read: export the network in float32")
}

/// Fails on more axes than any network's tensors have: some work is done for each pair of them.
pub(super) fn few_axes(rank: usize) -> Result<(), String> {
    const MOST: usize = 64;
    if rank > MOST { Err(format!("has {rank} axes, more than {MOST}")) } else { Ok(()) }
}

/// Distance of neighbours along each axis, row by row.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// Offsets of all elements of a tensor of these sizes, row by row, with these distances.
pub(super) fn offsets(dims: Vec<usize>, strides: Vec<usize>) -> impl Iterator<Item = usize> {
    let n: usize = dims.iter().product();
    let mut index = vec![0; dims.len()];
    let mut at = 0;
    (0..n).map(move |_| {
        let here = at;
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            at -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
        here
    })
}
