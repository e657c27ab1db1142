//! Ops that move elements: shapes, orders, parts, joins.

use hsets_autodiff::{Interpolation, ResizePoints, Slice};

use super::{Active, Lowering, Result, Task, Value, union};
use crate::onnx::axes::{self, Span};
use crate::onnx::fold::{blocks, broadcast, expand};
use crate::onnx::tensor::Constant;

pub(super) fn cast(task: &Task<'_>) -> Result<Active> {
    let to_float = task.node.int("to").is_none_or(|kind| matches!(kind, 1 | 10 | 11 | 16));
    if to_float {
        return Ok(task.active(0)?.clone());
    }
    Err("rounds to integers: that has no derivative".into())
}

impl Lowering<'_> {
    pub(super) fn reshape(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let dims = match task.node.op.as_str() {
            "Reshape" => axes::reshape(task.node, &x.dims, &task.needed(1)?.to_integers())?,
            "Flatten" => axes::flatten(task.node, &x.dims)?,
            _ => {
                let listed = task.constant(1)?.map(Constant::to_integers);
                axes::squeezed(task.node, &x.dims, listed)?
            }
        };
        let own = self.padded(x)?;
        self.put(own, dims, x.field)
    }

    pub(super) fn transpose(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let order = axes::order(task.node, x.dims.len())?;
        let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
        let own = self.padded(x)?;
        // An axis of size 1 may go anywhere.
        let own_order: Vec<usize> = order.iter().filter_map(|&axis| x.axis(axis)).collect();
        let node = if own_order.is_sorted() { own } else { self.g.permute(own, &own_order)? };
        self.put(node, dims, x.field)
    }

    pub(super) fn concat(&mut self, task: &Task<'_>) -> Result<Active> {
        let mut parts = Vec::new();
        for value in task.inputs.iter().flatten() {
            parts.push(match value {
                Value::Active(x) => x.clone(),
                Value::Constant(c) => {
                    let node = self.constant(c)?;
                    // A constant sees nothing: it takes no part in the union of fields.
                    let field = task.inputs.iter().flatten().find_map(|value| match value {
                        Value::Active(x) => x.field,
                        _ => None,
                    });
                    Active { field, ..self.put(node, c.dims.clone(), None)? }
                }
                Value::Above(..) | Value::Missing => return Err("lacks an input".into()),
            });
        }
        let first = parts.first().ok_or("joins nothing")?.clone();
        let axis = axes::axis(task.node.int("axis").unwrap_or(0), first.dims.len())?;
        let mut dims = first.dims.clone();
        dims[axis] = parts.iter().map(|part| part.dims.get(axis).copied().unwrap_or(0)).sum();
        let field = parts.iter().fold(first.field, |field, part| union(field, part.field));
        if parts.iter().any(|part| part.dims.len() != dims.len()) {
            return Err("joins tensors with different numbers of axes".into());
        }
        let own_axis =
            first.axis(axis).filter(|_| parts.iter().all(|p| p.dims[0] == first.dims[0]));
        let mut nodes = Vec::new();
        for part in &parts {
            nodes.push(if own_axis.is_some() { self.padded(part)? } else { self.full(part)? });
        }
        let node = self.g.concat_along(own_axis.unwrap_or(axis), &nodes)?;
        self.put(node, dims, field)
    }

    /// What a span leaves of x.
    fn span(&mut self, x: &Active, span: Span) -> Result<Active> {
        let mut dims = x.dims.clone();
        dims[span.axis] = span.len;
        if span.len == 0 {
            return Err("leaves nothing of an axis".into());
        }
        if span.len == x.dims[span.axis] && span.step == 1 {
            return Ok(x.clone());
        }
        let Some(axis) = x.axis(span.axis) else { return Ok(x.clone()) };
        let own = self.padded(x)?;
        let node = if let Ok(step) = usize::try_from(span.step) {
            self.g.slice_by(own, Slice { axis, start: span.start, step, len: span.len })?
        } else {
            self.budget.hold(span.len)?;
            self.g.gather(own, axis, &span.indices().collect::<Vec<_>>())?
        };
        self.put(node, dims, x.field)
    }

    pub(super) fn slice(&mut self, task: &Task<'_>) -> Result<Active> {
        let mut x = task.active(0)?.clone();
        let mut lists = Vec::new();
        for index in 1..task.inputs.len() {
            lists.push(task.constant(index)?);
        }
        for span in axes::slices(task.node, &x.dims, &lists)? {
            x = self.span(&x, span)?;
        }
        Ok(x)
    }

    pub(super) fn split(&mut self, task: &Task<'_>) -> Result<Vec<Active>> {
        let x = task.active(0)?;
        let sizes = task.constant(1)?.map(Constant::to_integers);
        let parts = axes::split(task.node, &x.dims, sizes, self.model.opset)?;
        parts.into_iter().map(|part| self.span(x, part)).collect()
    }

    pub(super) fn gather(&mut self, task: &Task<'_>) -> Result<Active> {
        let (x, indices) = (task.active(0)?, task.needed(1)?);
        let axis = axes::axis(task.node.int("axis").unwrap_or(0), x.dims.len())?;
        let at = axes::indices(&indices.to_integers(), x.dims[axis])?;
        let dims = [&x.dims[..axis], &indices.dims, &x.dims[axis + 1..]].concat();
        let own = self.full(x)?;
        if at.is_empty() {
            return Err("takes nothing".into());
        }
        let node = if let [one] = at[..] {
            self.g.slice(own, axis, one, 1)?
        } else {
            self.budget.hold(at.len())?;
            self.g.gather(own, axis, &at)?
        };
        self.put(node, dims, x.field)
    }

    /// As [`Self::gather`] along the first axes of the value, taken for one.
    pub(super) fn gather_nd(&mut self, task: &Task<'_>) -> Result<Active> {
        let (x, indices) = (task.active(0)?, task.needed(1)?);
        if task.node.is_set("batch_dims") {
            return Err("has axes of a batch".into());
        }
        self.budget.hold(indices.len())?;
        let (starts, block) = blocks(&x.dims, indices)?;
        let n: usize = block.iter().product();
        if starts.is_empty() || n == 0 {
            return Err("takes nothing".into());
        }
        let own = self.full(x)?;
        let rows = [&[x.dims.iter().product::<usize>() / n], block].concat();
        let own = self.g.reshape(own, &rows)?;
        let places: Vec<usize> = starts.into_iter().map(|start| start / n).collect();
        let node = self.g.gather(own, 0, &places)?;
        let listed = &indices.dims[..indices.dims.len() - 1];
        self.put(node, [listed, block].concat(), None)
    }

    pub(super) fn pad(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let rank = x.dims.len();
        let listed = task.constant(1)?.map(Constant::to_integers);
        let listed = listed.or_else(|| task.node.ints("pads").map(<[i64]>::to_vec));
        let listed = listed.ok_or("names no padding")?;
        let over: Vec<usize> = match task.constant(3)? {
            Some(list) => list
                .to_integers()
                .iter()
                .map(|&a| axes::axis(a, rank))
                .collect::<Result<_, String>>()?,
            None => (0..rank).collect(),
        };
        if listed.len() != 2 * over.len() {
            return Err(format!("has {} pads for {} axes", listed.len(), over.len()).into());
        }
        let mut pads = vec![[0; 2]; rank];
        for (i, &axis) in over.iter().enumerate() {
            pads[axis] = [listed[i], listed[over.len() + i]];
        }
        let mode = task.node.text("mode").unwrap_or("constant");
        let value = task.constant(2)?.and_then(Constant::number).unwrap_or(0.0);
        let is_zero = mode == "constant" && value == 0.0;
        let within = |axis: usize| pads[axis].iter().all(|pad| (0..1 << 20).contains(pad));
        if is_zero && x.image().is_ok() && pads[..2] == [[0; 2]; 2] && within(2) && within(3) {
            let more = [pads[2][0], pads[3][0], pads[2][1], pads[3][1]];
            let all = [0, 1, 2, 3].map(|i| x.pads[i] + more[i] as usize);
            let mut dims = x.dims.clone();
            dims[2] += (more[0] + more[2]) as usize;
            dims[3] += (more[1] + more[3]) as usize;
            return Ok(Active { pads: all, dims, formula: None, ..x.clone() });
        }
        let mut x = x.clone();
        for (axis, [before, after]) in pads.into_iter().enumerate() {
            if [before, after] != [0; 2] {
                x = self.pad_axis(&x, axis, [before, after], mode, value)?;
            }
        }
        Ok(x)
    }

    fn pad_axis(
        &mut self,
        x: &Active,
        axis: usize,
        [before, after]: [i64; 2],
        mode: &str,
        value: f64,
    ) -> Result<Active> {
        let size = x.dims[axis] as i64;
        let total = before.checked_add(after).and_then(|more| more.checked_add(size));
        let total = total.filter(|total| (1..1 << 20).contains(total));
        let total = total.ok_or_else(|| format!("pads by {before} and {after}"))?;
        // A place in the axis, or none, is of two numbers.
        self.budget.hold(2 * total as usize)?;
        let mut dims = x.dims.clone();
        dims[axis] = total as usize;
        let own = self.full(x)?;
        // Negative padding cuts.
        let indices = (-before..size + after).map(|at| match mode {
            "reflect" if size > 1 => {
                let period = 2 * (size - 1);
                let at = at.rem_euclid(period);
                Some(if at < size { at } else { period - at })
            }
            "edge" => Some(at.clamp(0, size - 1)),
            "wrap" => Some(at.rem_euclid(size)),
            _ => (0..size).contains(&at).then_some(at),
        });
        let indices: Vec<Option<usize>> = indices.map(|at| at.map(|at| at as usize)).collect();
        let inside: Vec<usize> = indices.iter().flatten().copied().collect();
        if !matches!(mode, "constant" | "reflect" | "edge" | "wrap") {
            return Err(format!("pads by the mode {mode}").into());
        }
        if inside.len() == indices.len() || mode != "constant" {
            let node = self.g.gather(own, axis, &inside)?;
            return self.put(node, dims, x.field);
        }
        let whole =
            if inside.len() == x.dims[axis] { own } else { self.g.gather(own, axis, &inside)? };
        let node = self.g.pad(whole, axis, before.max(0) as usize, after.max(0) as usize)?;
        let y = self.put(node, dims, x.field)?;
        if value == 0.0 {
            return Ok(y);
        }
        let mut dims = vec![1; x.dims.len()];
        dims[axis] = indices.len();
        let outside = indices.iter().map(|at| if at.is_some() { 0.0 } else { value });
        self.plus(&y, &Constant::floats(dims, outside.collect()))
    }

    /// Copies along axes of size 1.
    fn broadcast(&mut self, x: &Active, dims: Vec<usize>) -> Result<Active> {
        if dims == x.dims {
            return Ok(x.clone());
        }
        super::bounded(&dims)?;
        let own = self.padded(x)?;
        let node = self.g.broadcast(own, &super::core(&dims))?;
        self.put(node, dims, x.field)
    }

    pub(super) fn expand(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let to = axes::sizes(&task.needed(1)?.to_integers())?;
        self.broadcast(x, broadcast(&x.dims, &to)?)
    }

    pub(super) fn tile(&mut self, task: &Task<'_>) -> Result<Active> {
        let mut x = task.active(0)?.clone();
        let repeats = axes::sizes(&task.needed(1)?.to_integers())?;
        if repeats.len() != x.dims.len() {
            return Err(format!("repeats {:?} so often: {repeats:?}", x.dims).into());
        }
        for (axis, n) in repeats.into_iter().enumerate() {
            if n == 1 {
                continue;
            }
            let mut dims = x.dims.clone();
            dims[axis] = dims[axis].saturating_mul(n);
            if n == 0 {
                return Err("leaves nothing".into());
            }
            super::bounded(&dims)?;
            self.budget.hold(dims[axis])?;
            let own = self.full(&x)?;
            let along: Vec<usize> = (0..n).flat_map(|_| 0..x.dims[axis]).collect();
            let node = self.g.gather(own, axis, &along)?;
            x = self.put(node, dims, x.field)?;
        }
        Ok(x)
    }

    pub(super) fn select(&mut self, task: &Task<'_>) -> Result<Active> {
        let mask = task.needed(0)?;
        let mut sides = Vec::new();
        for index in 1..3 {
            sides.push(match task.value(index) {
                Some(Value::Active(x)) => (self.padded(x)?, x.dims.clone(), x.field),
                Some(Value::Constant(c)) => (self.constant(c)?, c.dims.clone(), None),
                _ => return Err("lacks an input".into()),
            });
        }
        let dims = broadcast(&mask.dims, &broadcast(&sides[0].1, &sides[1].1)?)?;
        // One factor for each side.
        self.budget.hold(2 * self.budget.tensor(&dims)?)?;
        let mask = expand(mask, &dims, &self.budget)?;
        let mask: Vec<bool> = mask.to_integers().iter().map(|&v| v != 0).collect();
        let node = self.g.select(&super::core(&dims), &mask, sides[0].0, sides[1].0)?;
        let field = match (sides[0].2, sides[1].2) {
            (Some(a), Some(b)) => Some(a.union(b)),
            (a, b) => a.or(b),
        };
        self.put(node, dims, field)
    }

    /// `x` is the input, with its images as channels of one.
    pub(super) fn resize(&mut self, task: &Task<'_>, x: &Active) -> Result<Active> {
        let dims = &task.active(0)?.dims;
        let [channels, height, width] = x.image()?;
        let node = task.node;
        let (scales, sizes) = if node.op == "Upsample" {
            (task.constant(1)?, None)
        } else {
            (task.constant(2)?, task.constant(3)?)
        };
        let sizes = sizes.filter(|sizes| sizes.len() > 0);
        let scales = scales.filter(|scales| scales.len() > 0).map(Constant::to_floats);
        let target: Vec<usize> = match (sizes, &scales) {
            (Some(sizes), _) => axes::sizes(&sizes.to_integers())?,
            // In single precision, as the file holds the scales: 10 times 0.7 is 7, not less.
            (None, Some(scales)) => {
                let scaled = |(&size, &scale): (&usize, &f64)| size as f32 * scale as f32;
                dims.iter().zip(scales).map(scaled).map(|size| size.floor() as usize).collect()
            }
            (None, None) => return Err("names neither sizes nor scales".into()),
        };
        let is_side = |n: usize| (1..=1 << 14).contains(&n);
        let [new_height, new_width] = match (dims.as_slice(), target.as_slice()) {
            ([n, c, ..], &[images, maps, height, width])
                if (*n, *c) == (images, maps) && is_side(height) && is_side(width) =>
            {
                [height, width]
            }
            _ => return Err(format!("resizes {dims:?} to {target:?}").into()),
        };
        // A matrix for the rows, another for the columns.
        self.budget.hold(new_height * height + new_width * width)?;
        let default = if node.op == "Upsample" { "asymmetric" } else { "half_pixel" };
        let points = match node.text("coordinate_transformation_mode").unwrap_or(default) {
            "align_corners" => ResizePoints::AlignCorners,
            "asymmetric" => ResizePoints::Asymmetric,
            "half_pixel" => ResizePoints::HalfPixel,
            "pytorch_half_pixel" if new_height > 1 && new_width > 1 => ResizePoints::HalfPixel,
            other => return Err(format!("resizes by {other}").into()),
        };
        // Where sizes are stated, the scale is their ratio.
        let scales = match (sizes, scales.as_deref()) {
            (None, Some(&[_, _, down, across])) => Some([down, across]),
            _ => None,
        };
        let is_whole = scales.map_or(
            new_height.is_multiple_of(height) && new_width.is_multiple_of(width),
            |scales| scales.iter().all(|scale| scale.fract() == 0.0),
        );
        let nearest = node.text("nearest_mode").unwrap_or("round_prefer_floor");
        let interpolation = match node.text("mode").unwrap_or("nearest") {
            "nearest" if points == ResizePoints::Asymmetric && nearest == "floor" => {
                Interpolation::Nearest
            }
            // From the centres of pixels and by whole factors all roundings agree.
            "nearest"
                if points == ResizePoints::HalfPixel
                    && (is_whole || nearest == "round_prefer_ceil") =>
            {
                Interpolation::Nearest
            }
            "linear" => Interpolation::Bilinear,
            "cubic" if !node.is_set("exclude_outside") => {
                Interpolation::Bicubic(node.float("cubic_coeff_a").unwrap_or(-0.75))
            }
            other => return Err(format!("resizes by {other} ({nearest})").into()),
        };
        if node.is_set("antialias") && (new_height < height || new_width < width) {
            return Err("resizes with antialias".into());
        }
        let own = self.padded(x)?;
        let y = self.g.resize2d(own, [new_height, new_width], scales, interpolation, points)?;
        self.put(y, vec![1, channels, new_height, new_width], None)
    }

    /// Blocks of pixels to channels and back.
    pub(super) fn blocks(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let [c, h, w] = x.image()?;
        let b = task.node.int("blocksize").unwrap_or(0);
        let b = usize::try_from(b).ok().filter(|&b| b > 0).ok_or("has no size of blocks")?;
        let own = self.padded(x)?;
        if task.node.op == "SpaceToDepth" {
            if h % b + w % b > 0 {
                return Err(format!("cuts {h}x{w} into blocks of {b}").into());
            }
            let parts = self.g.reshape(own, &[c, h / b, b, w / b, b])?;
            let turned = self.g.permute(parts, &[2, 4, 0, 1, 3])?;
            return self.put(turned, vec![1, b * b * c, h / b, w / b], x.field);
        }
        if c % (b * b) > 0 {
            return Err(format!("cuts {c} channels into blocks of {b}x{b}").into());
        }
        let d = c / (b * b);
        let by_column = task.node.text("mode") == Some("CRD");
        let (sizes, order) = if by_column {
            ([d, b, b, h, w], [0, 3, 1, 4, 2])
        } else {
            ([b, b, d, h, w], [2, 3, 0, 4, 1])
        };
        let parts = self.g.reshape(own, &sizes)?;
        let turned = self.g.permute(parts, &order)?;
        self.put(turned, vec![1, d, h * b, w * b], x.field)
    }
}
