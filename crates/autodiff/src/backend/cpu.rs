//! The CPU: [`hsets_kernels`] on `[C, N, H, W]` buffers from a pool.

mod attention;
mod backend;
mod pool;
mod tensors;
mod training;
mod window;

use std::marker::PhantomData;
use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{self as kernels, Scalar};
use rayon::prelude::*;

use self::pool::{Buffer, Pool};
use crate::{Dims, Error};

/// The CPU in `f32` or `f64`, on rayon's current thread pool. Clones share their buffers.
#[derive(Debug, Default, Clone)]
pub struct Cpu<T> {
    pool: Arc<Pool<T>>,
    width: PhantomData<T>,
}

/// Elements `[d₀, N, d₁, …]`, images `[C, N, H, W]` among them. The buffer may be longer than they
/// are; tensors with the same elements under other sizes share it until one of them is written to.
#[derive(Debug, Clone)]
pub struct CpuTensor<T: Scalar> {
    buffer: Arc<Buffer<T>>,
    /// Where they begin in the buffer.
    start: usize,
    dims: Dims,
    batch: usize,
}

impl<T: Scalar> CpuTensor<T> {
    fn len(&self) -> usize {
        self.dims.n_elements() * self.batch
    }

    fn data(&self) -> &[T] {
        &self.buffer.values[self.start..][..self.len()]
    }

    fn data_mut(&mut self) -> &mut [T] {
        let (start, len) = (self.start, self.len());
        &mut Arc::make_mut(&mut self.buffer).values[start..][..len]
    }

    fn shape(&self) -> Shape {
        self.dims.image()
    }

    fn size(&self) -> [usize; 2] {
        let shape = self.shape();
        [shape.height, shape.width]
    }

    /// Elements behind one index of the first axis, for one batch element.
    fn plane(&self) -> usize {
        self.dims.plane()
    }
}

impl<T: Scalar> Cpu<T> {
    /// A CPU with an empty buffer pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A CPU that holds at most so many bytes in buffers that are not in use.
    pub fn with_idle_memory(bytes: usize) -> Self {
        Self { pool: Arc::new(Pool::limited(bytes / size_of::<T>())), width: PhantomData }
    }

    /// Frees the buffers that are not in use.
    pub fn release_memory(&self) {
        self.pool.clear();
    }

    /// A tensor with elements of any value, for kernels that write every one.
    fn uninit(&self, dims: impl Into<Dims>, batch: usize) -> CpuTensor<T> {
        let dims = dims.into();
        let values = self.pool.take(dims.n_elements() * batch);
        let buffer = Arc::new(Buffer { values, pool: Arc::clone(&self.pool) });
        CpuTensor { buffer, start: 0, dims, batch }
    }

    fn zeros(&self, dims: impl Into<Dims>, batch: usize) -> CpuTensor<T> {
        let mut tensor = self.uninit(dims, batch);
        tensor.data_mut().par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(T::ZERO));
        tensor
    }

    /// A tensor for the output of a convolution.
    fn conv2d_output(&self, conv: &kernels::Conv2d<T>, x: &CpuTensor<T>) -> CpuTensor<T> {
        let spec = conv.spec();
        if x.dims.rank() != 3 {
            // One pixel each: whatever the other axes are, they stay.
            return self.uninit(x.dims.with(0, spec.out_channels), x.batch);
        }
        let [height, width] = spec.output_size(x.size()).unwrap_or_default();
        self.uninit(Shape::new(spec.out_channels, height, width), x.batch)
    }

    /// A target for the adjoint of a convolution to `in_shape`.
    fn conv2d_target(
        &self,
        conv: &kernels::Conv2d<T>,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> (CpuTensor<T>, bool) {
        let dims = match grad.dims.rank() {
            3 => in_shape.into(),
            _ => grad.dims.with(0, conv.spec().in_channels),
        };
        self.target(into, dims, grad.batch)
    }

    /// The tensor itself where nobody else holds it, else a copy.
    fn own(&self, tensor: Arc<CpuTensor<T>>) -> CpuTensor<T> {
        let mut own = Arc::unwrap_or_clone(tensor);
        if Arc::get_mut(&mut own.buffer).is_none() {
            let mut copied = self.uninit(own.dims, own.batch);
            copy(own.data(), copied.data_mut(), false);
            return copied;
        }
        own
    }

    /// The gradient to add to, and whether there was one.
    fn target(
        &self,
        into: Option<CpuTensor<T>>,
        dims: impl Into<Dims>,
        batch: usize,
    ) -> (CpuTensor<T>, bool) {
        match into {
            Some(tensor) => (tensor, true),
            None => (self.uninit(dims, batch), false),
        }
    }

    /// A gradient to add to, zeros at first.
    fn sum_target(
        &self,
        into: Option<CpuTensor<T>>,
        dims: impl Into<Dims>,
        batch: usize,
    ) -> CpuTensor<T> {
        into.unwrap_or_else(|| self.zeros(dims, batch))
    }
}

/// Elements a task of an elementwise copy handles.
const CHUNK: usize = 1 << 15;

fn nothing_to_join() -> Error {
    Error::Unsupported("concatenation of nothing".into())
}

fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

/// Copies (or adds) in parallel.
fn copy<T: Scalar>(from: &[T], to: &mut [T], accumulate: bool) {
    if accumulate {
        return kernels::add_assign(to, from);
    }
    let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
    chunks.for_each(|(to, from)| to.copy_from_slice(from));
}

/// For each pooled element, where in its plane it came from.
#[derive(Debug)]
pub struct CpuIndices {
    indices: Vec<u32>,
    batch: usize,
    size: [usize; 2],
}
