//! Pooling and reductions.

use hsets_autodiff::{Activation, NodeId, Pad, Padding, Pool2d};

use super::layers::Window;
use super::{Active, Lowering, Refusal, Result, Task};
use crate::onnx::axes;

/// Most channels or depths that a window reaches over.
const MAX_PAD: i64 = 1 << 12;

impl Lowering<'_> {
    /// The window of a pool, with what `ceil_mode` sees beyond the image added to its padding;
    /// the second is whether anything was.
    fn pool_window(task: &Task<'_>, x: &Active) -> Result<(Window, bool)> {
        let node = task.node;
        let [_, height, width] = x.image()?;
        let size = [height, width];
        if node.op.starts_with("Global") {
            let window = Window { kernel: size, stride: [1; 2], dilation: [1; 2], pads: [0; 4] };
            return Ok((window, false));
        }
        let kernel = match node.ints("kernel_shape") {
            Some(&[a, b]) if a > 0 && b > 0 => [a as usize, b as usize],
            other => return Err(odd_window(other)),
        };
        let mut window = Window::of(node, kernel, size)?;
        if window.dilation != [1; 2] {
            return Err(format!("has dilations {:?}", window.dilation).into());
        }
        let mut grown = false;
        if node.is_set("ceil_mode") {
            for (axis, &side) in size.iter().enumerate() {
                let (before, after) = (window.pads[axis], window.pads[axis + 2]);
                let (k, s) = (window.kernel[axis], window.stride[axis]);
                let padded = side + before + after;
                let mut n = padded.saturating_sub(k).div_ceil(s) + 1;
                // A window that begins behind the image is none.
                if (n - 1) * s >= side + before {
                    n -= 1;
                }
                let wanted = (n - 1) * s + k;
                if wanted > padded {
                    window.pads[axis + 2] += wanted - padded;
                    grown = true;
                }
            }
        }
        Ok((window, grown))
    }

    pub(super) fn max_pool(&mut self, task: &Task<'_>, x: &Active) -> Result<Active> {
        if task.node.outputs.get(1).is_some_and(|name| self.readers.contains_key(name.as_str())) {
            return Err("gives the positions of its maxima to another node".into());
        }
        // Zeros around an image take part in a maximum.
        let own = self.padded(x)?;
        let size = self.g.shape(own);
        let x = Active { dims: vec![1, size.channels, size.height, size.width], ..x.clone() };
        let (window, _) = Self::pool_window(task, &x)?;
        let pool = Pool2d {
            kernel: window.kernel,
            stride: window.stride,
            padding: Pad::Explicit(window.padding()),
            count_include_pad: true,
        };
        let node = self.g.max_pool2d(own, pool)?;
        self.pooled(task, &x, &window, node)
    }

    pub(super) fn average_pool(&mut self, task: &Task<'_>, x: &Active) -> Result<Active> {
        if let [images, maps, depth, height, width] = x.dims[..] {
            return self.average_of_depths(task, x, [images * maps, depth, height * width]);
        }
        let own = self.padded(x)?;
        let size = self.g.shape(own);
        let x = Active { dims: vec![1, size.channels, size.height, size.width], ..x.clone() };
        let counts = task.node.is_set("count_include_pad");
        let (window, grown) = Self::pool_window(task, &x)?;
        if grown && counts && task.node.ints("pads").is_some_and(|pads| pads.iter().any(|&p| p > 0))
        {
            return Err("counts its padding, but not what ceil_mode adds to it".into());
        }
        let pool = Pool2d {
            kernel: window.kernel,
            stride: window.stride,
            padding: Pad::Explicit(window.padding()),
            count_include_pad: counts && !grown,
        };
        let node = self.g.avg_pool2d(own, pool)?;
        self.pooled(task, &x, &window, node)
    }

    /// Volumes whose windows reach over depths alone: how PyTorch writes LocalResponseNorm.
    fn average_of_depths(
        &mut self,
        task: &Task<'_>,
        x: &Active,
        sizes: [usize; 3],
    ) -> Result<Active> {
        let node = task.node;
        let are = |name: &str, wanted: &[i64]| node.ints(name).is_none_or(|found| found == wanted);
        let padding = match node.ints("pads") {
            None => [0; 2],
            Some(&[before @ 0..=MAX_PAD, 0, 0, after @ 0..=MAX_PAD, 0, 0]) => {
                [before as usize, after as usize]
            }
            Some(other) => return Err(format!("has pads {other:?} of volumes").into()),
        };
        let own_padding = node.text("auto_pad").is_some_and(|name| name != "NOTSET");
        if own_padding || !are("strides", &[1; 3]) || !are("dilations", &[1; 3]) {
            return Err("has strides, dilations or its own padding in three dimensions".into());
        }
        let window = match node.ints("kernel_shape") {
            Some(&[n, 1, 1]) if n > 0 => n as usize,
            other => return Err(odd_window(other)),
        };
        let own = self.padded(x)?;
        let counts = node.is_set("count_include_pad");
        let means = self.means_along(own, sizes, window, padding, counts)?;
        let n_depths = self.g.shape(means).height;
        let mut dims = x.dims.clone();
        dims[2] = n_depths;
        self.put(means, dims, x.field)
    }

    /// Means of windows along the second of three axes.
    fn means_along(
        &mut self,
        x: NodeId,
        sizes: [usize; 3],
        window: usize,
        [top, bottom]: [usize; 2],
        count_include_pad: bool,
    ) -> Result<NodeId> {
        let x = self.g.reshape(x, &sizes)?;
        let padding = Pad::Explicit(Padding { top, bottom, left: 0, right: 0 });
        let (kernel, stride) = ([window, 1], [1; 2]);
        Ok(self.g.avg_pool2d(x, Pool2d { kernel, stride, padding, count_include_pad })?)
    }

    /// y = x (k + α/n Σ x²)^-β, over n neighbouring channels.
    pub(super) fn local_response_norm(&mut self, task: &Task<'_>) -> Result<Active> {
        let (node, x) = (task.node, task.active(0)?);
        let n = match node.int("size") {
            Some(n @ 1..=MAX_PAD) => n as usize,
            other => return Err(format!("has the size {other:?}").into()),
        };
        let float = |name: &str, default: f64| node.float(name).unwrap_or(default);
        let (alpha, beta, bias) = (float("alpha", 1e-4), float("beta", 0.75), float("bias", 1.0));
        if !(bias > 0.0 && alpha >= 0.0) {
            return Err(format!("divides by powers of {bias} + {alpha} x²").into());
        }
        let [images, channels, ref pixels @ ..] = x.dims[..] else {
            return Err(format!("works on {:?}, not on images", x.dims).into());
        };
        let sizes = [images, channels, pixels.iter().product()];
        let own = self.padded(x)?;
        let squares = self.g.multiply(own, own)?;
        let padding = [(n - 1) / 2, n / 2];
        let means = self.means_along(squares, sizes, n, padding, true)?;
        let means = self.put(means, x.dims.clone(), x.field)?;
        let means = self.scaled(&means, alpha)?;
        let means = self.shifted(&means, bias)?;
        let inverse = self.curve(&means, Activation::Power { exponent: -beta })?;
        self.product(&Active { node: own, pads: [0; 4], ..x.clone() }, &inverse)
    }

    fn pooled(
        &mut self,
        task: &Task<'_>,
        x: &Active,
        window: &Window,
        node: hsets_autodiff::NodeId,
    ) -> Result<Active> {
        let shape = self.g.shape(node);
        let dims = vec![1, shape.channels, shape.height, shape.width];
        let field = x.field.filter(|_| !task.node.op.starts_with("Global"));
        self.put(node, dims, field.map(|field| field.after(window.seen(), window.stride)))
    }

    pub(super) fn global_average(&mut self, _: &Task<'_>, x: &Active) -> Result<Active> {
        let [channels, ..] = x.image()?;
        let own = self.padded(x)?;
        let node = self.g.global_avg_pool2d(own)?;
        self.put(node, vec![1, channels, 1, 1], None)
    }

    pub(super) fn reduce(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let over = axes::reduced(task.node, x.dims.len(), task.constant(1)?)?;
        let dims = axes::without(&x.dims, &over, task.node.int("keepdims") != Some(0));
        let own = self.padded(x)?;
        // The batch is of one.
        let own_axes: Vec<usize> = over.iter().filter_map(|&axis| x.axis(axis)).collect();
        let node = match task.node.op.as_str() {
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" if own_axes.is_empty() => own,
            "ReduceMean" if own_axes == [1, 2] && x.image().is_ok() => {
                self.g.global_avg_pool2d(own)?
            }
            "ReduceMean" => self.g.mean(own, &own_axes)?,
            "ReduceSum" => self.g.sum(own, &own_axes)?,
            "ReduceMax" => self.largest(own, &own_axes)?,
            "ReduceMin" => {
                let negative = self.g.scale(own, -1.0);
                let largest = self.largest(negative, &own_axes)?;
                self.g.scale(largest, -1.0)
            }
            "ReduceL1" => {
                let sizes = self.g.activation(own, Activation::Abs);
                self.g.sum(sizes, &own_axes)?
            }
            "ReduceLogSumExp" => self.log_sum_exp(own, &own_axes)?,
            "ReduceSumSquare" => self.squares(own, &own_axes)?,
            _ => {
                let sum = self.positive_squares(own, &own_axes)?;
                self.g.activation(sum, Activation::Sqrt)
            }
        };
        // Over tokens or pixels, or the channels of each: the last axis of tokens.
        let of_channels = x.dims.len() == 3 && over == [2] || x.dims.len() == 4 && over == [1];
        self.put(node, dims, x.field.filter(|_| of_channels))
    }

    fn largest(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let mut node = x;
        for &axis in axes {
            node = self.g.max(node, axis)?;
        }
        Ok(node)
    }

    /// log Σ eˣ over axes, of differences to the largest, which no power of e overflows.
    pub(super) fn log_sum_exp(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let largest = self.largest(x, axes)?;
        let negative = self.g.scale(largest, -1.0);
        let below = self.g.add(x, negative)?;
        let powers = self.g.activation(below, Activation::Exp);
        let sum = self.g.sum(powers, axes)?;
        let log = self.g.activation(sum, Activation::Log);
        Ok(self.g.add(log, largest)?)
    }

    /// Σ x² over axes.
    fn squares(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let squares = self.g.multiply(x, x)?;
        Ok(self.g.sum(squares, axes)?)
    }

    /// Σ x² over axes, for roots: never so small that their derivatives at a vector of zeros, which
    /// are 0 by convention, would come from 0 · ∞. Such vectors get a norm of 1e-12.
    pub(super) fn positive_squares(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let sum = self.squares(x, axes)?;
        Ok(self.g.activation(sum, Activation::Clip { low: 1e-24, high: f64::INFINITY }))
    }
}

fn odd_window(window: Option<&[i64]>) -> Refusal {
    format!("has a window of sizes {:?}, not two of an image", window.unwrap_or_default()).into()
}
