//! Tensors of any rank: sources, broadcasting, views, products, softmax and norms.

use hsets_kernels::{Conv2dSpec, LineMap};

use super::{GraphBuilder, refusal};
use crate::error::Result;
use crate::{Activation, Conv2d, Dims, NodeId, Op, ParameterId, ParameterSpec, Slice};

/// How pixels between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interpolation {
    /// The nearest one: floor of the position.
    Nearest,
    /// A straight line between two.
    Bilinear,
    /// Keys' cubic between four, with its parameter (-0.75 in PyTorch, -0.5 in PIL).
    Bicubic(f64),
}

/// Which point of the input an output pixel stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ResizePoints {
    /// Centres of pixels: (i + 1/2)/scale - 1/2 (PyTorch's default).
    HalfPixel,
    /// The first and last pixels stay where they are (`align_corners`).
    AlignCorners,
    /// i/scale.
    Asymmetric,
}

impl GraphBuilder {
    /// A parameter of this name and shape, the same for every image.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<NodeId> {
        check_rank("parameter", name, shape)?;
        self.parameters.push(ParameterSpec { name: name.into(), shape: shape.to_vec() });
        let id = ParameterId(self.parameters.len() - 1);
        Ok(self.push(name, Op::Parameter(id), vec![], Dims::new(shape)))
    }

    /// Numbers that are part of the network, row by row.
    pub fn constant(&mut self, shape: &[usize], values: Vec<f64>) -> Result<NodeId> {
        check_rank("constant", "constant", shape)?;
        let dims = Dims::new(shape);
        if dims.n_elements() != values.len() {
            let reason = format!("{} numbers for {dims}", values.len());
            return Err(refusal("constant", "constant", reason));
        }
        Ok(self.push("constant", Op::Constant(values.into()), vec![], dims))
    }

    /// a - b, broadcast to a common shape.
    pub fn subtract(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let b = self.scale(b, -1.0);
        self.add(a, b)
    }

    /// a / b, broadcast to a common shape.
    pub fn divide(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let b = self.activation(b, Activation::Reciprocal);
        self.multiply(a, b)
    }

    /// `factor · x`.
    pub fn scale(&mut self, x: NodeId, factor: f64) -> NodeId {
        let dims = self.dims(x);
        self.push("scale", Op::Scale(factor), vec![x], dims)
    }

    /// x + a number.
    pub fn shift(&mut self, x: NodeId, by: f64) -> Result<NodeId> {
        let by = self.constant(&[1], vec![by])?;
        self.add(x, by)
    }

    /// Fully connected layer along one axis with `{name}.weight` \[O, I\] and, if there is one,
    /// `{name}.bias` \[O\].
    pub fn linear_along(
        &mut self,
        x: NodeId,
        name: &str,
        out_features: usize,
        axis: usize,
        bias: bool,
    ) -> Result<NodeId> {
        let dims = self.dims(x);
        check_axis("linear", name, dims, axis)?;
        let weight = self.add_parameter(name, "weight", &[out_features, dims.sizes()[axis]]);
        let bias = bias.then(|| self.add_parameter(name, "bias", &[out_features]));
        let op = Op::Linear { weight, bias, axis };
        Ok(self.push(name, op, vec![x], dims.with(axis, out_features)))
    }

    /// Product of matrices, the last two axes of a \[…, M, K\] and b \[…, K, N\], broadcast over the
    /// axes before.
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.matmul_transposed(a, b, [false, false])
    }

    /// As [`GraphBuilder::matmul`], of transposed factors where told.
    pub fn matmul_transposed(
        &mut self,
        a: NodeId,
        b: NodeId,
        transposed: [bool; 2],
    ) -> Result<NodeId> {
        let (left, right) = (self.dims(a), self.dims(b));
        let refuse = || {
            let reason = format!("{left} and {right} (transposed: {transposed:?}) do not fit");
            refusal("matmul", "matmul", reason)
        };
        if left.rank() < 2 || right.rank() < 2 {
            return Err(refuse());
        }
        let sizes = |dims: Dims, transposed: bool| {
            let [.., rows, columns] = *dims.sizes() else { return [0, 0] };
            if transposed { [columns, rows] } else { [rows, columns] }
        };
        let ([m, k], [rows, n]) = (sizes(left, transposed[0]), sizes(right, transposed[1]));
        let ones = |dims: Dims| dims.with(dims.rank() - 1, 1).with(dims.rank() - 2, 1);
        let batch = ones(left).broadcast(ones(right)).filter(|_| k == rows).ok_or_else(refuse)?;
        let dims = batch.with(batch.rank() - 2, m).with(batch.rank() - 1, n);
        Ok(self.push("matmul", Op::MatMul { transposed }, vec![a, b], dims))
    }

    /// Axes in another order: axis k of the output is axis `order[k]` of x.
    pub fn permute(&mut self, x: NodeId, order: &[usize]) -> Result<NodeId> {
        let dims = self.dims(x);
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..dims.rank()) {
            let reason = format!("{order:?} is no order of the axes of {dims}");
            return Err(refusal("permute", "permute", reason));
        }
        Ok(self.push("permute", Op::Permute(order.to_vec()), vec![x], dims.permuted(order)))
    }

    /// The last two axes exchanged.
    pub fn transpose(&mut self, x: NodeId) -> Result<NodeId> {
        let mut order: Vec<usize> = (0..self.dims(x).rank()).collect();
        let n = order.len();
        if n < 2 {
            return Err(refusal("transpose", "transpose", "a vector has one axis".into()));
        }
        order.swap(n - 1, n - 2);
        self.permute(x, &order)
    }

    /// The same elements, row by row, under another shape.
    pub fn reshape(&mut self, x: NodeId, shape: &[usize]) -> Result<NodeId> {
        check_rank("reshape", "reshape", shape)?;
        let (from, to) = (self.dims(x), Dims::new(shape));
        if from.n_elements() != to.n_elements() {
            let reason = format!("{from} has other elements than {to}");
            return Err(refusal("reshape", "reshape", reason));
        }
        Ok(self.push("reshape", Op::Reshape, vec![x], to))
    }

    /// `len` indices along an axis from `start` on.
    pub fn slice(&mut self, x: NodeId, axis: usize, start: usize, len: usize) -> Result<NodeId> {
        self.slice_by(x, Slice { axis, start, step: 1, len })
    }

    /// Indices along an axis at equal distance.
    pub fn slice_by(&mut self, x: NodeId, slice: Slice) -> Result<NodeId> {
        let dims = self.dims(x);
        check_axis("slice", "slice", dims, slice.axis)?;
        let Slice { axis, start, step, len } = slice;
        if len == 0 || step == 0 || start + (len - 1) * step >= dims.sizes()[axis] {
            return Err(refusal("slice", "slice", format!("{slice:?} does not fit {dims}")));
        }
        Ok(self.push("slice", Op::Slice(slice), vec![x], dims.with(axis, len)))
    }

    /// Zeros before and after, along an axis.
    pub fn pad(&mut self, x: NodeId, axis: usize, before: usize, after: usize) -> Result<NodeId> {
        check_axis("pad", "pad", self.dims(x), axis)?;
        Ok(self.pad_axis(x, axis, before, after))
    }

    /// Concatenation along an axis.
    pub fn concat_along(&mut self, axis: usize, inputs: &[NodeId]) -> Result<NodeId> {
        let all: Vec<Dims> = inputs.iter().map(|&x| self.dims(x)).collect();
        let Some(&first) = all.first() else {
            return Err(refusal("concat", "concat", "there is nothing to join".into()));
        };
        check_axis("concat", "concat", first, axis)?;
        let differs =
            |dims: &&Dims| dims.rank() != first.rank() || dims.with(axis, 1) != first.with(axis, 1);
        if let Some(other) = all.iter().find(differs) {
            return Err(refusal("concat", "concat", format!("{first} and {other} differ in size")));
        }
        let dims = first.with(axis, all.iter().map(|dims| dims.sizes()[axis]).sum());
        Ok(self.push("concat", Op::Concat { axis }, inputs.to_vec(), dims))
    }

    /// Given indices along an axis, in that order; any may be there several times.
    pub fn gather(&mut self, x: NodeId, axis: usize, indices: &[usize]) -> Result<NodeId> {
        let dims = self.dims(x);
        check_axis("gather", "gather", dims, axis)?;
        if indices.is_empty() || indices.iter().any(|&index| index >= dims.sizes()[axis]) {
            let reason = format!("indices are not below {} or none", dims.sizes()[axis]);
            return Err(refusal("gather", "gather", reason));
        }
        let op = Op::Gather { axis, indices: indices.into() };
        Ok(self.push("gather", op, vec![x], dims.with(axis, indices.len())))
    }

    /// Sum over axes, which stay with size 1.
    pub fn sum(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let mut dims = self.dims(x);
        for &axis in axes {
            check_axis("sum", "sum", dims, axis)?;
            dims = dims.with(axis, 1);
        }
        Ok(self.push("sum", Op::Sum, vec![x], dims))
    }

    /// Mean over axes, which stay with size 1.
    pub fn mean(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let sum = self.sum(x, axes)?;
        let n = self.dims(x).n_elements() / self.dims(sum).n_elements();
        Ok(self.scale(sum, 1.0 / n as f64))
    }

    /// Maximum over an axis, which stays with size 1.
    pub fn max(&mut self, x: NodeId, axis: usize) -> Result<NodeId> {
        let dims = self.dims(x);
        check_axis("max", "max", dims, axis)?;
        Ok(self.push("max", Op::Max { axis }, vec![x], dims.with(axis, 1)))
    }

    /// Broadcast to a shape.
    pub fn broadcast(&mut self, x: NodeId, shape: &[usize]) -> Result<NodeId> {
        check_rank("broadcast", "broadcast", shape)?;
        let (from, to) = (self.dims(x), Dims::new(shape));
        if from.broadcast(to) != Some(to) {
            let reason = format!("{from} cannot become {to}");
            return Err(refusal("broadcast", "broadcast", reason));
        }
        Ok(self.push("broadcast", Op::Broadcast, vec![x], to))
    }

    /// a where the mask is set, else b; both broadcast to the shape of the mask and with it.
    pub fn select(
        &mut self,
        shape: &[usize],
        mask: &[bool],
        a: NodeId,
        b: NodeId,
    ) -> Result<NodeId> {
        let factor = |&set: &bool, wanted: bool| if set == wanted { 1.0 } else { 0.0 };
        let mut part = |x: NodeId, wanted: bool| -> Result<NodeId> {
            // Constants may be infinite, and 0·∞ is no number.
            if let Op::Constant(values) = &self.nodes[x.0].op
                && let [value] = **values
            {
                let chosen = |set: &bool| if *set == wanted { value } else { 0.0 };
                return self.constant(shape, mask.iter().map(chosen).collect());
            }
            let mask = mask.iter().map(|set| factor(set, wanted)).collect();
            let mask = self.constant(shape, mask)?;
            self.multiply(x, mask)
        };
        let (a, b) = (part(a, true)?, part(b, false)?);
        self.add(a, b)
    }

    /// exp(x)/Σ exp(x) along an axis.
    pub fn softmax(&mut self, x: NodeId, axis: usize) -> Result<NodeId> {
        self.lines(x, axis, LineMap::Softmax)
    }

    /// (x - mean)/√(variance + eps) along an axis; x/√(mean of x² + eps) if not `centred`.
    pub fn normalize(&mut self, x: NodeId, axis: usize, centred: bool, eps: f64) -> Result<NodeId> {
        self.lines(x, axis, LineMap::Normalize { centred, eps })
    }

    fn lines(&mut self, x: NodeId, axis: usize, map: LineMap) -> Result<NodeId> {
        let dims = self.dims(x);
        let name = if map == LineMap::Softmax { "softmax" } else { "normalize" };
        check_axis(name, name, dims, axis)?;
        Ok(self.push(name, Op::Lines { map, axis }, vec![x], dims))
    }

    /// Layer norm along one axis with `{name}.weight` and `{name}.bias`.
    pub fn layer_norm(&mut self, x: NodeId, name: &str, axis: usize, eps: f64) -> Result<NodeId> {
        let x = self.normalize(x, axis, true, eps)?;
        self.affine_along(x, name, axis)
    }

    /// Group norm of channels, the first axis, with `{name}.weight` and `{name}.bias` \[C\].
    pub fn group_norm(&mut self, x: NodeId, name: &str, groups: usize, eps: f64) -> Result<NodeId> {
        let dims = self.dims(x);
        if groups == 0 || !dims.sizes()[0].is_multiple_of(groups) {
            let reason = format!("{groups} groups do not divide {dims}");
            return Err(refusal("group_norm", name, reason));
        }
        let lines = self.reshape(x, &[groups, dims.n_elements() / groups])?;
        let lines = self.normalize(lines, 1, true, eps)?;
        let x = self.reshape(lines, dims.sizes())?;
        self.affine_along(x, name, 0)
    }

    /// weight ∘ x + bias with `{name}.weight` and `{name}.bias`, one of each for every index of an
    /// axis.
    pub fn affine_along(&mut self, x: NodeId, name: &str, axis: usize) -> Result<NodeId> {
        let weight = self.along(x, &format!("{name}.weight"), axis)?;
        let x = self.multiply(x, weight)?;
        let bias = self.along(x, &format!("{name}.bias"), axis)?;
        self.add(x, bias)
    }

    /// weight ∘ x with a parameter of this name, one number for every index of an axis (such as
    /// layer scale).
    pub fn scale_along(&mut self, x: NodeId, name: &str, axis: usize) -> Result<NodeId> {
        let weight = self.along(x, name, axis)?;
        self.multiply(x, weight)
    }

    /// A parameter \[n\] that is broadcast to x along an axis.
    fn along(&mut self, x: NodeId, name: &str, axis: usize) -> Result<NodeId> {
        let dims = self.dims(x);
        check_axis("parameter", name, dims, axis)?;
        let n = dims.sizes()[axis];
        let parameter = self.parameter(name, &[n])?;
        let mut sizes = vec![1; dims.rank()];
        sizes[axis] = n;
        if sizes.len() == 1 { Ok(parameter) } else { self.reshape(parameter, &sizes) }
    }

    /// Transposed convolution with parameters `{name}.weight` \[I, O/groups, kh, kw\] and, if asked
    /// for, `{name}.bias`; `extra` rows and columns are added at the bottom and right
    /// (`output_padding`).
    pub fn conv_transpose2d(
        &mut self,
        x: NodeId,
        name: &str,
        conv: Conv2d,
        extra: [usize; 2],
    ) -> Result<NodeId> {
        let op = "conv_transpose2d";
        let input = self.image(op, name, x)?;
        let refuse = |reason: String| refusal(op, name, reason);
        let Conv2d { out_channels, kernel, stride, dilation, groups, .. } = conv;
        if [kernel, stride, dilation].concat().contains(&0) || groups == 0 || out_channels == 0 {
            let reason = "kernel, stride, dilation, groups and channels must be 1 or more";
            return Err(refuse(reason.into()));
        }
        if !input.channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            let reason = format!("{groups} groups do not divide {} channels", input.channels);
            return Err(refuse(reason));
        }
        let crate::Pad::Explicit(padding) = conv.padding else {
            return Err(refuse("SAME padding is for convolutions".into()));
        };
        let spec = Conv2dSpec {
            in_channels: out_channels,
            out_channels: input.channels,
            groups,
            kernel,
            stride,
            dilation,
            padding,
        };
        let size = |axis: usize, n: usize, cut: usize| {
            let full = (n - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
            (full + extra[axis]).checked_sub(cut).filter(|&size| size > 0)
        };
        let height = size(0, input.height, padding.top + padding.bottom);
        let width = size(1, input.width, padding.left + padding.right);
        let (Some(height), Some(width)) = (height, width) else {
            return Err(refuse("the padding is larger than the output".into()));
        };
        if spec.output_size([height, width]) != Some([input.height, input.width]) {
            return Err(refuse(format!("{extra:?} more pixels are as many as the stride or more")));
        }
        let weight = self.add_parameter(name, "weight", &spec.weight_shape());
        let op = Op::ConvTranspose2d { spec, weight };
        let y = self.push(name, op, vec![x], Dims::new(&[out_channels, height, width]));
        if !conv.bias {
            return Ok(y);
        }
        let bias = self.along(y, &format!("{name}.bias"), 0)?;
        self.add(y, bias)
    }

    /// R·x·Cᵀ on the last two axes, with matrices `rows` \[H', H\] and `columns` \[W', W\]: any
    /// separable linear map, such as resizing.
    pub fn separable(&mut self, x: NodeId, rows: Vec<f64>, columns: Vec<f64>) -> Result<NodeId> {
        let [.., height, width] = *self.dims(x).sizes() else {
            return Err(refusal("separable", "separable", "a vector has no rows".into()));
        };
        let rows = self.constant(&[rows.len() / height, height], rows)?;
        let columns = self.constant(&[columns.len() / width, width], columns)?;
        let x = self.matmul_transposed(x, columns, [false, true])?;
        self.matmul(rows, x)
    }

    /// The last two axes interpolated to another size. Positions are found by `scales`, the new sides
    /// over the old where there are none: of a side of 15 that is halved, 7 pixels are left, which
    /// are two apart all the same.
    pub fn resize2d(
        &mut self,
        x: NodeId,
        size: [usize; 2],
        scales: Option<[f64; 2]>,
        interpolation: Interpolation,
        points: ResizePoints,
    ) -> Result<NodeId> {
        let [.., height, width] = *self.dims(x).sizes() else {
            return Err(refusal("resize", "resize", "a vector has no rows".into()));
        };
        let scale = |axis: usize| scales.map(|scales| scales[axis]);
        let rows = interpolation.matrix(height, size[0], scale(0), points);
        let columns = interpolation.matrix(width, size[1], scale(1), points);
        self.separable(x, rows, columns)
    }
}

impl Interpolation {
    /// The matrix \[to, from\] that interpolates a line; outside it its ends are repeated.
    fn matrix(self, from: usize, to: usize, scale: Option<f64>, points: ResizePoints) -> Vec<f64> {
        let mut matrix = vec![0.0; from * to];
        let before = |i: f64| match (scale, self) {
            (None, _) => i * from as f64 / to as f64,
            // In single precision, as elsewhere: the third pixel by 0.3 is the tenth.
            (Some(scale), Self::Nearest) => f64::from(i as f32 / scale as f32),
            (Some(scale), _) => i / scale,
        };
        for (i, row) in matrix.chunks_exact_mut(from).enumerate() {
            let at = match points {
                ResizePoints::HalfPixel => before(i as f64 + 0.5) - 0.5,
                ResizePoints::AlignCorners if to == 1 => 0.0,
                ResizePoints::AlignCorners => i as f64 * (from - 1) as f64 / (to - 1) as f64,
                ResizePoints::Asymmetric => before(i as f64),
            };
            let mut add = |index: f64, weight: f64| {
                row[index.clamp(0.0, (from - 1) as f64) as usize] += weight;
            };
            match self {
                Self::Nearest if points == ResizePoints::HalfPixel => add((at + 0.5).floor(), 1.0),
                Self::Nearest => add(at.floor(), 1.0),
                Self::Bilinear => {
                    let at = at.max(0.0);
                    add(at.floor(), 1.0 - at.fract());
                    add(at.floor() + 1.0, at.fract());
                }
                Self::Bicubic(a) => {
                    let first = at.floor();
                    for tap in [-1.0, 0.0, 1.0, 2.0] {
                        let x = (at - first - tap).abs();
                        let weight = if x <= 1.0 {
                            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                        } else {
                            ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
                        };
                        add(first + tap, weight);
                    }
                }
            }
        }
        matrix
    }
}

fn check_rank(op: &'static str, name: &str, shape: &[usize]) -> Result<()> {
    if shape.is_empty() || shape.len() > Dims::MAX_RANK || shape.contains(&0) {
        let reason =
            format!("{shape:?} must have 1 to {} axes, none of them empty", Dims::MAX_RANK);
        return Err(refusal(op, name, reason));
    }
    Ok(())
}

fn check_axis(op: &'static str, name: &str, dims: Dims, axis: usize) -> Result<()> {
    if axis < dims.rank() {
        return Ok(());
    }
    Err(refusal(op, name, format!("{dims} has no axis {axis}")))
}
