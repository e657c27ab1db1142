//! Layers with weights: convolutions, matrix products, norms; and softmax.

use hsets_autodiff::{Activation, Conv2d, Pad, Padding};

use super::{Active, IN_TRAINING, Lowering, Refusal, Result, Task, Value};
use crate::onnx::axes;
use crate::onnx::budget::Budget;
use crate::onnx::fold::{broadcast, expand};
use crate::onnx::read::Node;
use crate::onnx::tensor::Constant;

/// Strides, dilations and paddings beyond this are no network's.
const MAX_STEP: i64 = 1 << 16;

/// Kernel, stride, dilation and padding (top, left, bottom, right) of a window over an image.
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) pads: [usize; 4],
}

impl Window {
    /// As the attributes of a node say, for an image of this size.
    pub(super) fn of(node: &Node, kernel: [usize; 2], size: [usize; 2]) -> Result<Self> {
        let is_step = |n: i64| (1..=MAX_STEP).contains(&n);
        let is_pad = |n: i64| (0..=MAX_STEP).contains(&n);
        let pair = |name: &str| -> Result<[usize; 2]> {
            match node.ints(name) {
                None => Ok([1; 2]),
                Some(&[n]) if is_step(n) => Ok([1, n as usize]),
                Some(&[a, b]) if is_step(a) && is_step(b) => Ok([a as usize, b as usize]),
                Some(other) => Err(format!("has {name} {other:?}").into()),
            }
        };
        let (stride, dilation) = (pair("strides")?, pair("dilations")?);
        let pads = match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" => match node.ints("pads") {
                None => [0; 4],
                Some(&[left, right]) if is_pad(left) && is_pad(right) => {
                    [0, left as usize, 0, right as usize]
                }
                Some(pads) if pads.len() == 4 && pads.iter().all(|&pad| is_pad(pad)) => {
                    [0, 1, 2, 3].map(|i| pads[i] as usize)
                }
                Some(other) => return Err(format!("has pads {other:?}").into()),
            },
            "VALID" => [0; 4],
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                let total = [0, 1].map(|axis| {
                    let covered = (size[axis].div_ceil(stride[axis]) - 1) * stride[axis]
                        + dilation[axis] * (kernel[axis] - 1)
                        + 1;
                    covered.saturating_sub(size[axis])
                });
                let first = total.map(|n| if same == "SAME_UPPER" { n / 2 } else { n.div_ceil(2) });
                [first[0], first[1], total[0] - first[0], total[1] - first[1]]
            }
            other => return Err(format!("has the padding {other}").into()),
        };
        Ok(Self { kernel, stride, dilation, pads })
    }

    /// The pixels an output sees.
    pub(super) fn seen(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1) + 1)
    }

    pub(super) fn padding(&self) -> Padding {
        let [top, left, bottom, right] = self.pads;
        Padding { top, bottom, left, right }
    }
}

/// A constant of one number for each of `n` outputs.
fn vector(constant: &Constant, n: usize, what: &str) -> Result<Constant> {
    if constant.len() == n {
        return Ok(constant.reshaped(vec![n]));
    }
    Err(format!("has {what} {:?} for {n} channels", constant.dims).into())
}

/// n copies along the first axis.
fn repeated(constant: &Constant, n: usize, budget: &Budget) -> Result<Constant> {
    let mut dims = constant.dims.clone();
    if n > 1
        && let Some(first) = dims.first_mut()
    {
        *first = first.saturating_mul(n);
        budget.tensor(&dims)?;
        let len = constant.len();
        return Ok(constant.pick(dims, (0..n * len).map(|at| at % len)));
    }
    Ok(constant.clone())
}

impl Lowering<'_> {
    pub(super) fn conv(&mut self, task: &Task<'_>) -> Result<Active> {
        let (x, weight) = (task.active(0)?, task.needed(1)?);
        let is_line = x.dims.len() == 3 && weight.dims.len() == 3;
        let (x, weight) = match weight.dims[..] {
            [o, i, k] if is_line => (self.as_image(x)?, weight.reshaped(vec![o, i, 1, k])),
            _ => (x.clone(), weight.clone()),
        };
        // Several images are groups of channels of one, with the same weights.
        let n = x.n_images();
        let (x, weight) = (self.stacked(&x)?, repeated(&weight, n, &self.budget)?);
        let [out_channels, _, height, width] = weight.dims[..] else {
            return Err(format!("has weights {:?}, not those of an image", weight.dims).into());
        };
        let [channels, ..] = x.image()?;
        let size = [x.dims[2], x.dims[3]];
        let window = Window::of(task.node, [height, width], size)?;
        let groups = task.node.int("group").unwrap_or(1);
        let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0);
        let groups = n * groups.ok_or("has no groups")?;
        if weight.dims[1] * groups != channels {
            let dims = &weight.dims;
            return Err(format!("has weights {dims:?} for {channels} channels").into());
        }
        // Zeros around the image are padding.
        let pads = [0, 1, 2, 3].map(|i| window.pads[i] + x.pads[i]);
        let window = Window { pads, ..window };
        let bias = task.constant(2)?.map(|bias| repeated(bias, n, &self.budget)).transpose()?;
        let bias = bias.map(|bias| vector(&bias, out_channels, "a bias")).transpose()?;
        let conv = Conv2d {
            out_channels,
            kernel: window.kernel,
            stride: window.stride,
            padding: Pad::Explicit(window.padding()),
            dilation: window.dilation,
            groups,
            bias: bias.is_some(),
        };
        let name = self.name(task.node);
        let node = self.g.conv2d(x.node, &name, conv)?;
        self.weight(&name, "weight", &weight)?;
        if let Some(bias) = bias {
            self.weight(&name, "bias", &bias)?;
        }
        let shape = self.g.shape(node);
        let dims = if is_line {
            vec![1, shape.channels, shape.width]
        } else {
            vec![1, shape.channels, shape.height, shape.width]
        };
        let field = x.field.map(|field| field.after(window.seen(), window.stride));
        let y = self.put(node, dims, field)?;
        self.unstacked(y, n)
    }

    pub(super) fn conv_transpose(&mut self, task: &Task<'_>) -> Result<Active> {
        let (x, weight) = (task.active(0)?, task.needed(1)?);
        let [_, per_group, height, width] = weight.dims[..] else {
            return Err(format!("has weights {:?}, not those of an image", weight.dims).into());
        };
        x.image()?;
        if task.node.ints("output_shape").is_some() {
            return Err("states its output's shape instead of its padding".into());
        }
        let window = Window::of(task.node, [height, width], [x.dims[2], x.dims[3]])?;
        let groups = task.node.int("group").unwrap_or(1).max(1) as usize;
        let out_channels = per_group * groups;
        let bias =
            task.constant(2)?.map(|bias| vector(bias, out_channels, "a bias")).transpose()?;
        let extra = match task.node.ints("output_padding") {
            None => [0; 2],
            Some(&[a, b]) if a >= 0 && b >= 0 => [a as usize, b as usize],
            Some(other) => return Err(format!("has the output padding {other:?}").into()),
        };
        let conv = Conv2d {
            out_channels,
            kernel: window.kernel,
            stride: window.stride,
            padding: Pad::Explicit(window.padding()),
            dilation: window.dilation,
            groups,
            bias: bias.is_some(),
        };
        let name = self.name(task.node);
        let node = self.padded(x)?;
        let node = self.g.conv_transpose2d(node, &name, conv, extra)?;
        self.weight(&name, "weight", weight)?;
        if let Some(bias) = bias {
            self.weight(&name, "bias", &bias)?;
        }
        let shape = self.g.shape(node);
        let dims = vec![1, shape.channels, shape.height, shape.width];
        let field = x.field.map(|field| field.after(window.seen(), [1; 2]));
        self.put(node, dims, field)
    }

    pub(super) fn gemm(&mut self, task: &Task<'_>) -> Result<Active> {
        let node = task.node;
        let factor = |name: &str| node.float(name).unwrap_or(1.0);
        let x = task.active(0)?;
        let [rows, columns] = x.dims[..] else {
            return Err(format!("multiplies {:?}, not a matrix", x.dims).into());
        };
        if node.is_set("transA") && rows != 1 && columns != 1 {
            return Err("transposes its input".into());
        }
        let x = if node.is_set("transA") {
            let own = self.padded(x)?;
            self.put(own, vec![columns, rows], x.field)?
        } else {
            x.clone()
        };
        let weight = task.needed(1)?;
        if weight.dims.len() != 2 {
            return Err(format!("multiplies with {:?}, not a matrix", weight.dims).into());
        }
        let weight = if node.is_set("transB") { weight.clone() } else { weight.permuted(&[1, 0]) };
        let weight = scaled(&weight, factor("alpha"));
        let n = weight.dims[0];
        let bias = task.constant(2)?.map(|bias| scaled(bias, factor("beta")));
        let row = bias.as_ref().filter(|bias| bias.dims.iter().product::<usize>() == n);
        let row = row.map(|bias| bias.reshaped(vec![n]));
        let number = bias.as_ref().and_then(Constant::number);
        let row = match (row, number) {
            (None, Some(number)) if self.budget.room(n).is_ok() => {
                Some(Constant::floats(vec![n], vec![number; n]))
            }
            (row, _) => row,
        };
        if bias.is_some() && row.is_none() {
            return Err("has a bias that is another for each row".into());
        }
        self.linear(task.node, &x, &weight, row.as_ref())
    }

    /// W·x + b along the last axis; W \[O, I\].
    fn linear(
        &mut self,
        node: &Node,
        x: &Active,
        weight: &Constant,
        bias: Option<&Constant>,
    ) -> Result<Active> {
        let (n, inputs) = (weight.dims[0], weight.dims[1]);
        if x.dims.last() != Some(&inputs) {
            return Err(format!("multiplies {:?} with {:?}", x.dims, [inputs, n]).into());
        }
        let own = self.padded(x)?;
        let rank = self.g.dims(own).rank();
        let name = self.name(node);
        let y = self.g.linear_along(own, &name, n, rank - 1, bias.is_some())?;
        self.weight(&name, "weight", weight)?;
        if let Some(bias) = bias {
            self.weight(&name, "bias", bias)?;
        }
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = n;
        }
        // A vector was made of the whole picture, tokens were not.
        let field = x.field.filter(|_| rank > 1);
        self.put(y, dims, field)
    }

    pub(super) fn matmul(&mut self, task: &Task<'_>) -> Result<Active> {
        match (task.value(0), task.value(1)) {
            (Some(Value::Active(x)), Some(Value::Constant(weight))) if weight.dims.len() == 2 => {
                let n = weight.dims[1];
                let bias = self.bias_behind(task, n);
                let weight = weight.permuted(&[1, 0]);
                let y = self.linear(task.node, x, &weight, bias.as_ref().map(|(_, bias)| bias))?;
                if let Some((add, _)) = bias {
                    self.done.insert(add);
                    let sum = &self.nodes[add].outputs[0];
                    self.values.insert(sum, Value::Active(y.clone()));
                }
                Ok(y)
            }
            (Some(Value::Constant(weight)), Some(Value::Active(x)))
                if weight.dims.len() == 2 && x.dims.len() > 2 =>
            {
                // Along the axis before the last.
                let own = self.padded(x)?;
                let axis = self.g.dims(own).rank() - 2;
                let name = self.name(task.node);
                let y = self.g.linear_along(own, &name, weight.dims[0], axis, false)?;
                self.weight(&name, "weight", weight)?;
                let mut dims = x.dims.clone();
                let before_last = dims.len() - 2;
                dims[before_last] = weight.dims[0];
                self.put(y, dims, None)
            }
            (Some(a), Some(b)) => {
                let (a, b) = (a.clone(), b.clone());
                self.product_of_matrices(&a, &b)
            }
            _ => Err("lacks an input".into()),
        }
    }

    fn product_of_matrices(&mut self, a: &Value, b: &Value) -> Result<Active> {
        // A vector is a row on the left, a column on the right.
        let mut side = |value: &Value, of_vector: fn(usize) -> [usize; 2]| -> Result<_> {
            let (node, mut dims) = match value {
                Value::Active(x) => (self.padded(x)?, x.dims.clone()),
                Value::Constant(c) => (self.constant(c)?, c.dims.clone()),
                Value::Above(..) | Value::Missing => return Err(Refusal::Op),
            };
            let is_vector = dims.len() == 1;
            if is_vector {
                dims = of_vector(dims[0]).to_vec();
            } else if dims.is_empty() {
                return Err("multiplies a number, not a matrix".into());
            }
            let node =
                if self.g.dims(node).rank() < 2 { self.g.reshape(node, &dims)? } else { node };
            Ok((node, dims, is_vector))
        };
        let (left, a, is_row) = side(a, |n| [1, n])?;
        let (right, b, is_column) = side(b, |n| [n, 1])?;
        let node = self.g.matmul(left, right)?;
        let mut dims = broadcast(&a[..a.len() - 2], &b[..b.len() - 2])?;
        dims.extend((!is_row).then_some(a[a.len() - 2]));
        dims.extend((!is_column).then_some(b[b.len() - 1]));
        self.put(node, dims, None)
    }

    /// The addition of a constant \[n\] that alone reads a product, and that constant.
    fn bias_behind(&self, task: &Task<'_>, n: usize) -> Option<(usize, Constant)> {
        let product = task.node.outputs.first()?;
        let add = self.only_reader(product).filter(|&at| at > task.at)?;
        let node = self.nodes[add];
        let other = node.inputs.iter().find(|name| *name != product)?;
        let Some(Value::Constant(bias)) = self.values.get(other.as_str()) else { return None };
        (node.op == "Add" && bias.dims == [n]).then(|| (add, (**bias).clone()))
    }

    pub(super) fn batch_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        if task.node.is_set("training_mode") {
            return Err(IN_TRAINING.into());
        }
        let x = task.active(0)?;
        let eps = task.node.float("epsilon").unwrap_or(1e-5);
        let Some(&n) = x.dims.get(1) else {
            return Err(format!("normalises {:?}", x.dims).into());
        };
        if x.axis(1) != Some(0) {
            // Of windows, or of tokens in the place of a batch.
            let of = |index: usize, what: &str| -> Result<Vec<f64>> {
                Ok(vector(task.needed(index)?, n, what)?.to_floats())
            };
            let (weight, bias) = (of(1, "a weight")?, of(2, "a bias")?);
            let (mean, variance) = (of(3, "a mean")?, of(4, "a variance")?);
            let mut dims = vec![1; x.dims.len()];
            dims[1] = n;
            let scale: Vec<f64> =
                weight.iter().zip(&variance).map(|(w, v)| w / (v + eps).sqrt()).collect();
            let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
            let y = self.times(x, &Constant::floats(dims.clone(), scale))?;
            return self.plus(&y, &Constant::floats(dims, shift));
        }
        let name = self.name(task.node);
        let own = self.padded(x)?;
        let node = self.g.batch_norm(own, &name, eps);
        for (index, suffix) in ["weight", "bias", "running_mean", "running_var"].iter().enumerate()
        {
            let parameter = vector(task.needed(index + 1)?, n, suffix)?;
            self.weight(&name, suffix, &parameter)?;
        }
        Ok(Active { node, pads: [0; 4], formula: None, ..x.clone() })
    }

    /// Weight and bias of a norm along one axis of a node, under the name of a layer.
    fn scale_and_shift(
        &mut self,
        name: &str,
        weight: Option<&Constant>,
        bias: Option<&Constant>,
        n: usize,
    ) -> Result<()> {
        self.budget.room(n)?;
        let or = |constant: Option<&Constant>, default: f64, what: &str| match constant {
            Some(constant) => vector(constant, n, what),
            None => Ok(Constant::floats(vec![n], vec![default; n])),
        };
        self.weight(name, "weight", &or(weight, 1.0, "a scale")?)?;
        self.weight(name, "bias", &or(bias, 0.0, "a bias")?)
    }

    /// The last axes of x, from one on, as one.
    fn joined(&mut self, x: &Active, axis: usize) -> Result<hsets_autodiff::NodeId> {
        let node = self.padded(x)?;
        if axis + 1 == x.dims.len() {
            return Ok(node);
        }
        let joined = x.dims[axis..].iter().product();
        let dims = [&x.dims[..axis], &[joined]].concat();
        Ok(self.g.reshape(node, &super::core(&dims))?)
    }

    pub(super) fn layer_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let axis = axes::axis(task.node.int("axis").unwrap_or(-1), x.dims.len())?;
        let eps = task.node.float("epsilon").unwrap_or(1e-5);
        let name = self.name(task.node);
        let lines = self.joined(x, axis)?;
        let rank = self.g.dims(lines).rank();
        let node = self.g.layer_norm(lines, &name, rank - 1, eps)?;
        let n = x.dims[axis..].iter().product();
        self.scale_and_shift(&name, task.constant(1)?, task.constant(2)?, n)?;
        let field = x.field.filter(|_| rank > 1);
        self.put(node, x.dims.clone(), field)
    }

    pub(super) fn rms_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let axis = axes::axis(task.node.int("axis").unwrap_or(-1), x.dims.len())?;
        let eps = task.node.float("epsilon").unwrap_or(1e-5);
        let lines = self.joined(x, axis)?;
        let rank = self.g.dims(lines).rank();
        let node = self.g.normalize(lines, rank - 1, false, eps)?;
        let y = self.put(node, x.dims.clone(), x.field)?;
        self.times(&y, task.needed(1)?)
    }

    /// Each group of channels normalised over all its pixels; one channel is an instance norm.
    pub(super) fn group_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        let all = task.active(0)?;
        let x = self.as_image(all)?;
        // Several images are channels of one, in groups of their own.
        let (images, x) = (x.n_images(), self.stacked(&x)?);
        if x.axis(1) != Some(0) || x.dims.len() < 3 {
            return Err(format!("normalises {:?}, not images", x.dims).into());
        }
        let n = x.dims[1] / images;
        let groups = if task.node.op == "InstanceNormalization" {
            n
        } else {
            task.node.int("num_groups").unwrap_or(0).max(0) as usize
        };
        let eps = task.node.float("epsilon").unwrap_or(1e-5);
        let name = self.name(task.node);
        let own = self.padded(&x)?;
        let node = self.g.group_norm(own, &name, images * groups, eps)?;
        // Before opset 21 there was one number for each group.
        let wide = |constant: Option<&Constant>| -> Result<Option<Constant>> {
            let Some(constant) = constant else { return Ok(None) };
            if constant.len() == n || constant.len() != groups {
                return Ok(Some(constant.clone()));
            }
            let dims = [groups, n / groups];
            let each = expand(&constant.reshaped(vec![groups, 1]), &dims, &self.budget)?;
            Ok(Some(each.reshaped(vec![n])))
        };
        let of_all = |constant: Option<Constant>| -> Result<Option<Constant>> {
            constant.map(|constant| repeated(&constant, images, &self.budget)).transpose()
        };
        let (weight, bias) = (of_all(wide(task.constant(1)?)?)?, of_all(wide(task.constant(2)?)?)?);
        self.scale_and_shift(&name, weight.as_ref(), bias.as_ref(), images * n)?;
        self.put(node, all.dims.clone(), None)
    }

    /// x/‖x‖ along an axis.
    pub(super) fn lp_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        if task.node.int("p").unwrap_or(2) != 2 {
            return Err("has another norm than the Euclidean".into());
        }
        let axis = axes::axis(task.node.int("axis").unwrap_or(-1), x.dims.len())?;
        let axis = x.axis(axis).ok_or("normalises over the batch")?;
        let own = self.padded(x)?;
        let sum = self.positive_squares(own, &[axis])?;
        let inverse = self.g.activation(sum, Activation::Power { exponent: -0.5 });
        let node = self.g.multiply(own, inverse)?;
        self.put(node, x.dims.clone(), x.field)
    }

    pub(super) fn softmax(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let old = self.model.opset < 13;
        let axis = task.node.int("axis").unwrap_or(if old { 1 } else { -1 });
        let axis = axes::axis(axis, x.dims.len())?;
        let own = self.padded(x)?;
        // Up to opset 12 all axes from this one on are one.
        let (own, axis) = if old && axis + 1 < x.dims.len() {
            let joined = self.joined(x, axis)?;
            (joined, self.g.dims(joined).rank() - 1)
        } else {
            (own, x.axis(axis).ok_or("is taken over the batch")?)
        };
        let node = if task.node.op == "LogSoftmax" {
            // The logarithm of a softmax would be that of 0 for what is far below the largest.
            let sum = self.log_sum_exp(own, &[axis])?;
            let negative = self.g.scale(sum, -1.0);
            self.g.add(own, negative)?
        } else {
            self.g.softmax(own, axis)?
        };
        Ok(self.put(node, x.dims.clone(), None)?.whole())
    }
}

fn scaled(constant: &Constant, factor: f64) -> Constant {
    if factor == 1.0 {
        return constant.clone();
    }
    let values = constant.to_floats().into_iter().map(|v| v * factor).collect();
    Constant::floats(constant.dims.clone(), values)
}
