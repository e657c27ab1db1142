//! Axes, sizes and indices as ONNX's operators state them; the same for constants and for what
//! depends on the picture.

use super::read::Node;
use super::tensor::{Constant, few_axes};

type Result<T, E = String> = std::result::Result<T, E>;

/// Indices start, start + step, … along an axis; a negative step counts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) axis: usize,
    pub(super) start: usize,
    pub(super) step: isize,
    pub(super) len: usize,
}

impl Span {
    pub(super) fn indices(self) -> impl Iterator<Item = usize> {
        (0..self.len as isize).map(move |i| (self.start as isize + i * self.step) as usize)
    }
}

/// An axis, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    found.ok_or_else(|| format!("names axis {axis} of a tensor with {rank}"))
}

/// Sizes along axes.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>> {
    few_axes(values.len())?;
    lengths(values)
}

/// Any number of sizes.
fn lengths(values: &[i64]) -> Result<Vec<usize>> {
    let size = |&value: &i64| usize::try_from(value).map_err(|_| format!("has a size of {value}"));
    values.iter().map(size).collect()
}

/// Indices, counted from the end where they are negative.
pub(super) fn indices(values: &[i64], size: usize) -> Result<Vec<usize>> {
    let index = |&value: &i64| {
        let counted = if value < 0 { value + size as i64 } else { value };
        let found = usize::try_from(counted).ok().filter(|&index| index < size);
        found.ok_or_else(|| format!("takes index {value} of an axis of size {size}"))
    };
    values.iter().map(index).collect()
}

/// The sizes a Reshape gives: 0 keeps one, -1 takes what is left.
pub(super) fn reshape(node: &Node, from: &[usize], to: &[i64]) -> Result<Vec<usize>> {
    let refuse = || format!("can't make {to:?} of {from:?}");
    few_axes(to.len())?;
    let n: usize = from.iter().product();
    let mut dims = Vec::with_capacity(to.len());
    for (axis, &size) in to.iter().enumerate() {
        dims.push(match size {
            0 if !node.is_set("allowzero") => *from.get(axis).ok_or_else(refuse)?,
            -1 => 1,
            size => usize::try_from(size).map_err(|_| refuse())?,
        });
    }
    let known = dims.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).ok_or_else(refuse)?;
    let free: Vec<usize> = (0..to.len()).filter(|&axis| to[axis] == -1).collect();
    match free[..] {
        [] if known == n => Ok(dims),
        [axis] if known > 0 && n.is_multiple_of(known) => {
            dims[axis] = n / known;
            Ok(dims)
        }
        _ => Err(refuse()),
    }
}

/// The two sizes a Flatten gives.
pub(super) fn flatten(node: &Node, from: &[usize]) -> Result<Vec<usize>> {
    let at = node.int("axis").unwrap_or(1);
    let at = if at == from.len() as i64 { from.len() } else { axis(at, from.len())? };
    Ok(vec![from[..at].iter().product(), from[at..].iter().product()])
}

/// The sizes a Squeeze or Unsqueeze gives; axes as input (opset 13 on) or attribute.
pub(super) fn squeezed(node: &Node, from: &[usize], axes: Option<Vec<i64>>) -> Result<Vec<usize>> {
    let listed = axes.or_else(|| node.ints("axes").map(<[i64]>::to_vec));
    if node.op == "Squeeze" {
        let over: Vec<usize> = match listed {
            Some(axes) => axes.iter().map(|&a| axis(a, from.len())).collect::<Result<_>>()?,
            None => (0..from.len()).filter(|&axis| from[axis] == 1).collect(),
        };
        if let Some(&axis) = over.iter().find(|&&axis| from[axis] != 1) {
            return Err(format!("removes axis {axis} of {from:?}, whose size is not 1"));
        }
        return Ok(without(from, &over, false));
    }
    let listed = listed.ok_or("names no axes")?;
    let rank = from.len() + listed.len();
    few_axes(rank)?;
    let new: Vec<usize> = listed.iter().map(|&a| axis(a, rank)).collect::<Result<_>>()?;
    let mut old = from.iter();
    let size = |axis| if new.contains(&axis) { Some(1) } else { old.next().copied() };
    let dims: Option<Vec<usize>> = (0..rank).map(size).collect();
    dims.ok_or_else(|| format!("adds axes {listed:?} to {from:?}"))
}

/// The sizes without some axes, or with size 1 there.
pub(super) fn without(dims: &[usize], over: &[usize], keep: bool) -> Vec<usize> {
    let size = |(axis, &size): (usize, &usize)| match over.contains(&axis) {
        true if keep => Some(1),
        true => None,
        false => Some(size),
    };
    dims.iter().enumerate().filter_map(size).collect()
}

/// The order of a Transpose: reversed unless it says another.
pub(super) fn order(node: &Node, rank: usize) -> Result<Vec<usize>> {
    let Some(order) = node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let order = order.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) {
        Ok(order)
    } else {
        Err(format!("orders {rank} axes as {order:?}"))
    }
}

/// What a Slice leaves of each axis it names: starts, ends, axes, steps as inputs.
pub(super) fn slices(
    node: &Node,
    dims: &[usize],
    inputs: &[Option<&Constant>],
) -> Result<Vec<Span>> {
    let list = |index: usize| inputs.get(index).copied().flatten().map(Constant::to_integers);
    let starts = list(0).or_else(|| node.ints("starts").map(<[i64]>::to_vec));
    let ends = list(1).or_else(|| node.ints("ends").map(<[i64]>::to_vec));
    let (starts, ends) = (starts.ok_or("names no starts")?, ends.ok_or("names no ends")?);
    let axes = list(2).or_else(|| node.ints("axes").map(<[i64]>::to_vec));
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(3).unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has starts, ends, axes and steps of different lengths".into());
    }
    let mut seen = Vec::new();
    (0..starts.len())
        .map(|i| {
            let axis = axis(axes[i], dims.len())?;
            let (size, step) = (dims[axis] as i64, steps[i]);
            if step == 0 || seen.contains(&axis) {
                return Err("has a step of 0, or names an axis twice".into());
            }
            seen.push(axis);
            if size == 0 {
                return Ok(Span { axis, start: 0, step: 1, len: 0 });
            }
            let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
            let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
            let start = from_end(starts[i]).clamp(low.max(0), high.max(0));
            let end = from_end(ends[i]).clamp(low, high);
            let span = if step > 0 { end - start } else { start - end };
            let len = (span.max(0) as u64).div_ceil(step.unsigned_abs()) as usize;
            Ok(Span { axis, start: start as usize, step: step as isize, len })
        })
        .collect()
}

/// The parts of a Split: of these sizes, else as equal as can be.
pub(super) fn split(
    node: &Node,
    dims: &[usize],
    sizes_input: Option<Vec<i64>>,
    opset: i64,
) -> Result<Vec<Span>> {
    let axis = axis(node.int("axis").unwrap_or(0), dims.len())?;
    let sizes_listed = sizes_input.or_else(|| node.ints("split").map(<[i64]>::to_vec));
    let n_outputs = node.outputs.len();
    let parts = if let Some(list) = sizes_listed {
        lengths(&list)?
    } else {
        let n = node.int("num_outputs").filter(|_| opset >= 18);
        let n = n.map_or(n_outputs, |n| n.max(1) as usize).min(dims[axis].max(1));
        let each = dims[axis].div_ceil(n.max(1));
        // The last of those that have a name may be followed by others.
        let rest = dims[axis].saturating_sub(n_outputs * each);
        let named = (0..n.min(n_outputs)).map(|i| each.min(dims[axis].saturating_sub(i * each)));
        named.chain((n > n_outputs).then_some(rest)).collect()
    };
    let sum = parts.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part));
    if sum != Some(dims[axis]) || parts.len() < n_outputs {
        let first = &parts[..parts.len().min(16)];
        return Err(format!("splits an axis of size {} into {first:?}", dims[axis]));
    }
    let mut start = 0;
    let span = |&len: &usize| {
        let span = Span { axis, start, step: 1, len };
        start += len;
        span
    };
    Ok(parts.iter().take(n_outputs).map(span).collect())
}

/// The axes a Reduce goes over: all, unless it names some.
pub(super) fn reduced(node: &Node, rank: usize, input: Option<&Constant>) -> Result<Vec<usize>> {
    let listed = input.map(Constant::to_integers);
    let listed = listed.or_else(|| node.ints("axes").map(<[i64]>::to_vec));
    let listed = listed.filter(|axes| !axes.is_empty());
    match listed {
        Some(axes) => {
            let mut axes: Vec<usize> =
                axes.iter().map(|&a| axis(a, rank)).collect::<Result<_>>()?;
            axes.sort_unstable();
            axes.dedup();
            Ok(axes)
        }
        None if node.is_set("noop_with_empty_axes") => Ok(vec![]),
        None => Ok((0..rank).collect()),
    }
}
