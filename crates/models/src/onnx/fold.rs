//! Values of nodes that do not depend on the picture: shape arithmetic, masks, folded weights.

use super::axes::{self, Span};
use super::budget::Budget;
use super::read::Node;
use super::tensor::{Constant, Data, few_axes, offsets, strides};

type Result<T, E = String> = std::result::Result<T, E>;

/// The results of a node all of whose inputs are constants; `None` for an op that is not folded.
/// What they take of the budget is gone.
pub(super) fn fold(
    node: &Node,
    inputs: &[Option<&Constant>],
    opset: i64,
    budget: &Budget,
) -> Result<Option<Vec<Constant>>> {
    /// They look at their inputs, or give them another shape.
    const VIEWS: [&str; 9] = [
        "Constant",
        "Identity",
        "Dropout",
        "Shape",
        "Size",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
    ];
    let given = || inputs.iter().flatten();
    let n = given().map(|input| input.len()).sum();
    if !VIEWS.contains(&node.op.as_str()) {
        budget.room(n)?;
        budget.visit(n)?;
    }
    let results = results(node, inputs, opset, budget)?;
    for result in results.iter().flatten() {
        few_axes(result.dims.len())?;
        if node.op != "Constant" && !given().any(|input| input.shares(result)) {
            budget.hold(result.len())?;
            budget.visit(result.len())?;
        }
    }
    Ok(results)
}

fn results(
    node: &Node,
    inputs: &[Option<&Constant>],
    opset: i64,
    budget: &Budget,
) -> Result<Option<Vec<Constant>>> {
    let input = |index: usize| -> Result<&Constant> {
        let input = inputs.get(index).copied().flatten();
        input.ok_or_else(|| format!("lacks its input {index}"))
    };
    let one = match node.op.as_str() {
        "Constant" => constant(node)?,
        "Identity" | "Dropout" => input(0)?.clone(),
        "Shape" => shape(node, &input(0)?.dims),
        "Size" => Constant::integers(vec![], vec![input(0)?.len() as i64]),
        "Cast" | "CastLike" => cast(node, input(0)?, inputs.get(1).copied().flatten()),
        "Reshape" => {
            let x = input(0)?;
            x.reshaped(axes::reshape(node, &x.dims, &input(1)?.to_integers())?)
        }
        "Flatten" => input(0)?.reshaped(axes::flatten(node, &input(0)?.dims)?),
        "Squeeze" | "Unsqueeze" => {
            let axes = inputs.get(1).copied().flatten().map(Constant::to_integers);
            input(0)?.reshaped(axes::squeezed(node, &input(0)?.dims, axes)?)
        }
        "Transpose" => {
            let x = input(0)?;
            x.permuted(&axes::order(node, x.dims.len())?)
        }
        "Concat" => concat(node, inputs, budget)?,
        "Slice" => {
            let x = input(0)?;
            let spans = axes::slices(node, &x.dims, &inputs[1..])?;
            slice(x, &spans)
        }
        "Split" => {
            return split(node, input(0)?, inputs.get(1).copied().flatten(), opset).map(Some);
        }
        "Gather" => gather(node, input(0)?, input(1)?, budget)?,
        "GatherElements" => gather_elements(node, input(0)?, input(1)?)?,
        "GatherND" => gather_nd(node, input(0)?, input(1)?, budget)?,
        "ScatterND" => scatter_nd(input(0)?, input(1)?, input(2)?)?,
        "Expand" => {
            let x = input(0)?;
            let to = axes::sizes(&input(1)?.to_integers())?;
            expand(x, &broadcast(&x.dims, &to)?, budget)?
        }
        "Tile" => tile(input(0)?, &input(1)?.to_integers(), budget)?,
        "ConstantOfShape" => constant_of_shape(node, &input(0)?.to_integers(), budget)?,
        "Range" => range(input(0)?, input(1)?, input(2)?, budget)?,
        "Where" => select(input(0)?, input(1)?, input(2)?, budget)?,
        "DequantizeLinear" => {
            dequantize(node, input(0)?, input(1)?, inputs.get(2).copied().flatten())?
        }
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceMean" => {
            reduce(node, input(0)?, inputs.get(1).copied().flatten())?
        }
        "MatMul" => matmul(input(0)?, input(1)?, budget)?,
        "BatchNormalization" if node.is_set("training_mode") => {
            standardized(node, input(0)?, input(1)?, input(2)?)?
        }
        "Clip" => clip(input(0)?, &inputs[1..])?,
        op => match elementwise(op, inputs, budget)? {
            Some(result) => result,
            None => return Ok(None),
        },
    };
    Ok(Some(vec![one]))
}

fn constant(node: &Node) -> Result<Constant> {
    let floats =
        |values: &[f32]| Constant { dims: vec![values.len()], data: Data::F32(values.into()) };
    let value = node.tensor("value").cloned();
    let value =
        value.or_else(|| node.int("value_int").map(|v| Constant::integers(vec![], vec![v])));
    let value =
        value.or_else(|| node.float("value_float").map(|v| Constant::floats(vec![], vec![v])));
    let value = value.or_else(|| node.ints("value_ints").map(|v| Constant::vector(v.to_vec())));
    let value = value.or_else(|| node.floats("value_floats").map(floats));
    value.ok_or_else(|| "holds neither numbers nor a tensor of them".into())
}

/// The sizes of a tensor, or some of them.
pub(super) fn shape(node: &Node, dims: &[usize]) -> Constant {
    let rank = dims.len() as i64;
    let at = |name: &str, default: i64| {
        let at = node.int(name).unwrap_or(default);
        (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize
    };
    let range = at("start", 0)..at("end", rank).max(at("start", 0));
    Constant::vector(dims[range].iter().map(|&size| size as i64).collect())
}

/// Integers and truth values by their number in `onnx.proto`.
fn cast(node: &Node, x: &Constant, like: Option<&Constant>) -> Constant {
    const BOOL: i64 = 9;
    let to_integer = match (node.int("to"), like) {
        (Some(kind), _) => !matches!(kind, 1 | 10 | 11 | 16),
        (None, Some(like)) => !like.is_float(),
        (None, None) => false,
    };
    if node.int("to") == Some(BOOL) {
        let truths = x.to_floats().into_iter().map(|v| i64::from(v != 0.0)).collect();
        return Constant::integers(x.dims.clone(), truths);
    }
    match (to_integer, x.is_float()) {
        (true, true) => Constant::integers(x.dims.clone(), x.to_integers()),
        (false, false) => Constant::floats(x.dims.clone(), x.to_floats()),
        _ => x.clone(),
    }
}

fn concat(node: &Node, inputs: &[Option<&Constant>], budget: &Budget) -> Result<Constant> {
    let inputs: Vec<&Constant> = inputs.iter().copied().flatten().collect();
    let first = inputs.first().ok_or("joins nothing")?;
    let axis = axes::axis(node.int("axis").unwrap_or(0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for input in &inputs {
        let fits = input.dims.len() == dims.len()
            && (0..dims.len()).all(|a| a == axis || input.dims[a] == dims[a]);
        if !fits {
            return Err(format!("joins {:?} with {:?}", first.dims, input.dims));
        }
        dims[axis] += input.dims[axis];
    }
    let n = budget.tensor(&dims)?;
    let outer: usize = dims[..axis].iter().product();
    let block = |x: &Constant| x.dims[axis..].iter().product::<usize>();
    let float = inputs.iter().any(|input| input.is_float());
    if float {
        let values: Vec<Vec<f64>> = inputs.iter().map(|input| input.to_floats()).collect();
        let mut all = Vec::with_capacity(n);
        for o in 0..outer {
            for (input, values) in inputs.iter().zip(&values) {
                let block = block(input);
                all.extend_from_slice(&values[o * block..(o + 1) * block]);
            }
        }
        return Ok(Constant::floats(dims, all));
    }
    let values: Vec<Vec<i64>> = inputs.iter().map(|input| input.to_integers()).collect();
    let mut all = Vec::with_capacity(n);
    for o in 0..outer {
        for (input, values) in inputs.iter().zip(&values) {
            let block = block(input);
            all.extend_from_slice(&values[o * block..(o + 1) * block]);
        }
    }
    Ok(Constant::integers(dims, all))
}

/// The indices that the spans leave, along every axis.
fn slice(x: &Constant, spans: &[Span]) -> Constant {
    let mut x = x.clone();
    for span in spans {
        let along: Vec<usize> = span.indices().collect();
        x = take(&x, span.axis, &along, &[along.len()]);
    }
    x
}

/// The given indices along an axis, which becomes axes of the sizes `shape`.
fn take(x: &Constant, axis: usize, indices: &[usize], shape: &[usize]) -> Constant {
    let outer: usize = x.dims[..axis].iter().product();
    let inner: usize = x.dims[axis + 1..].iter().product();
    let size = x.dims[axis];
    let dims = [&x.dims[..axis], shape, &x.dims[axis + 1..]].concat();
    let positions = (0..outer).flat_map(|o| {
        let row = move |&index: &usize| {
            let start = (o * size + index) * inner;
            start..start + inner
        };
        indices.iter().flat_map(row)
    });
    x.pick(dims, positions)
}

fn split(node: &Node, x: &Constant, sizes: Option<&Constant>, opset: i64) -> Result<Vec<Constant>> {
    let sizes = sizes.map(Constant::to_integers);
    let parts = axes::split(node, &x.dims, sizes, opset)?;
    Ok(parts.iter().map(|part| slice(x, std::slice::from_ref(part))).collect())
}

fn gather(node: &Node, x: &Constant, indices: &Constant, budget: &Budget) -> Result<Constant> {
    let axis = axes::axis(node.int("axis").unwrap_or(0), x.dims.len())?;
    let at = axes::indices(&indices.to_integers(), x.dims[axis])?;
    let dims = [&x.dims[..axis], &indices.dims, &x.dims[axis + 1..]].concat();
    budget.tensor(&dims)?;
    Ok(take(x, axis, &at, &indices.dims))
}

fn gather_elements(node: &Node, x: &Constant, indices: &Constant) -> Result<Constant> {
    let axis = axes::axis(node.int("axis").unwrap_or(0), x.dims.len())?;
    let at = axes::indices(&indices.to_integers(), x.dims[axis])?;
    if indices.dims.len() != x.dims.len() {
        return Err(format!("has indices {:?} into {:?}", indices.dims, x.dims));
    }
    let mut from = strides(&x.dims);
    let along = std::mem::replace(&mut from[axis], 0);
    let positions = || {
        let offsets = offsets(indices.dims.clone(), from.clone());
        offsets.zip(&at).map(|(offset, at)| offset + at * along)
    };
    if positions().any(|at| at >= x.len()) {
        return Err(format!("has indices {:?} into {:?}", indices.dims, x.dims));
    }
    Ok(x.pick(indices.dims.clone(), positions()))
}

fn gather_nd(node: &Node, x: &Constant, indices: &Constant, budget: &Budget) -> Result<Constant> {
    if node.int("batch_dims").unwrap_or(0) != 0 {
        return Err("has axes of a batch, which is not folded".into());
    }
    let (starts, block) = blocks(&x.dims, indices)?;
    let depth = x.dims.len() - block.len();
    let dims = [&indices.dims[..indices.dims.len() - 1], block].concat();
    budget.tensor(&dims)?;
    let n: usize = x.dims[depth..].iter().product();
    let positions = starts.into_iter().flat_map(|start| start..start + n);
    Ok(x.pick(dims, positions))
}

/// Where the blocks begin that indices along the first of some axes point to, and their sizes.
pub(super) fn blocks<'d>(
    dims: &'d [usize],
    indices: &Constant,
) -> Result<(Vec<usize>, &'d [usize])> {
    let depth = *indices.dims.last().ok_or("has an index without an axis")?;
    if depth == 0 || depth > dims.len() {
        return Err(format!("has indices {:?} into {dims:?}", indices.dims));
    }
    let from = strides(dims);
    let start = |index: &[i64]| {
        let axes = index.iter().enumerate();
        axes.map(|(axis, &at)| Ok(axes::indices(&[at], dims[axis])?[0] * from[axis])).sum()
    };
    let starts = indices.to_integers().chunks_exact(depth).map(start).collect::<Result<_>>()?;
    Ok((starts, &dims[depth..]))
}

fn scatter_nd(x: &Constant, indices: &Constant, updates: &Constant) -> Result<Constant> {
    let (starts, block) = blocks(&x.dims, indices)?;
    let block: usize = block.iter().product();
    if updates.len() != starts.len() * block {
        return Err(format!("has updates {:?} at indices {:?}", updates.dims, indices.dims));
    }
    let places = starts.into_iter().flat_map(|start| start..start + block).enumerate();
    Ok(if x.is_float() || updates.is_float() {
        let mut values = x.to_floats();
        places.for_each(|(at, place)| values[place] = updates.float_at(at));
        Constant::floats(x.dims.clone(), values)
    } else {
        let mut values = x.to_integers();
        places.for_each(|(at, place)| values[place] = updates.integer_at(at));
        Constant::integers(x.dims.clone(), values)
    })
}

/// What both sizes are broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |dims: &[usize], axis: usize| {
        (axis + dims.len()).checked_sub(rank).map_or(1, |own| dims[own])
    };
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("can't broadcast {a:?} and {b:?} to one shape")),
        })
        .collect()
}

/// Copies along axes where `x` has size 1.
pub(super) fn expand(x: &Constant, dims: &[usize], budget: &Budget) -> Result<Constant> {
    if x.dims == dims {
        return Ok(x.clone());
    }
    budget.tensor(dims)?;
    Ok(x.pick(dims.to_vec(), spread(&x.dims, dims)))
}

/// Where the elements of a tensor of the sizes `own` are when it is broadcast to others.
fn spread(own: &[usize], dims: &[usize]) -> impl Iterator<Item = usize> + use<> {
    let missing = dims.len().saturating_sub(own.len());
    let strides = strides(own);
    let from = (0..dims.len()).map(|axis| match axis.checked_sub(missing) {
        Some(own_axis) if own[own_axis] > 1 => strides[own_axis],
        _ => 0,
    });
    offsets(dims.to_vec(), from.collect())
}

fn tile(x: &Constant, repeats: &[i64], budget: &Budget) -> Result<Constant> {
    let repeats = axes::sizes(repeats)?;
    if repeats.len() != x.dims.len() {
        return Err(format!("repeats {:?} so often: {repeats:?}", x.dims));
    }
    let sizes = x.dims.iter().zip(&repeats).map(|(size, n)| size.saturating_mul(*n));
    let dims: Vec<usize> = sizes.collect();
    budget.tensor(&dims)?;
    // Each axis as two, of which the first is one of copies.
    let own = strides(&x.dims);
    let copied = repeats.into_iter().zip(&x.dims).flat_map(|(n, &size)| [n, size]);
    let from = own.into_iter().flat_map(|stride| [0, stride]);
    Ok(x.pick(dims, offsets(copied.collect(), from.collect())))
}

fn constant_of_shape(node: &Node, sizes: &[i64], budget: &Budget) -> Result<Constant> {
    let dims = axes::sizes(sizes)?;
    let n = budget.tensor(&dims)?;
    let zero = Constant { dims: vec![1], data: Data::F32(vec![0.0].into()) };
    let value = node.tensor("value").unwrap_or(&zero);
    if value.len() != 1 {
        return Err("fills with more than one number".into());
    }
    Ok(value.pick(dims, std::iter::repeat_n(0, n)))
}

fn range(
    start: &Constant,
    limit: &Constant,
    delta: &Constant,
    budget: &Budget,
) -> Result<Constant> {
    let number = |x: &Constant| x.number().ok_or("is bounded by more than one number");
    let (from, to, by) = (number(start)?, number(limit)?, number(delta)?);
    let n = ((to - from) / by).ceil().max(0.0);
    if !n.is_finite() || budget.room(n as usize).is_err() {
        return Err(format!("counts from {from} to {to} by {by}"));
    }
    let values = (0..n as usize).map(|i| from + i as f64 * by);
    Ok(if start.is_float() {
        Constant::floats(vec![n as usize], values.collect())
    } else {
        Constant::vector(values.map(|value| value as i64).collect())
    })
}

fn select(condition: &Constant, a: &Constant, b: &Constant, budget: &Budget) -> Result<Constant> {
    let dims = broadcast(&condition.dims, &broadcast(&a.dims, &b.dims)?)?;
    budget.tensor(&dims)?;
    let chosen = spread(&condition.dims, &dims).map(|at| condition.integer_at(at) != 0);
    let places = chosen.zip(spread(&a.dims, &dims)).zip(spread(&b.dims, &dims));
    Ok(if a.is_float() || b.is_float() {
        let pick = |((is_a, i), j)| if is_a { a.float_at(i) } else { b.float_at(j) };
        let values = places.map(pick).collect();
        Constant::floats(dims, values)
    } else {
        let pick = |((is_a, i), j)| if is_a { a.integer_at(i) } else { b.integer_at(j) };
        let values = places.map(pick).collect();
        Constant::integers(dims, values)
    })
}

/// (q - zero)·scale, per tensor or along an axis.
fn dequantize(
    node: &Node,
    q: &Constant,
    scale: &Constant,
    zero: Option<&Constant>,
) -> Result<Constant> {
    let along = |x: &Constant| -> Result<Constant> {
        if x.len() == 1 {
            return Ok(x.reshaped(vec![]));
        }
        let axis = axes::axis(node.int("axis").unwrap_or(1), q.dims.len())?;
        if x.dims != [q.dims[axis]] {
            return Err("has scales in blocks, which is not read".into());
        }
        let mut dims = vec![1; q.dims.len()];
        dims[axis] = x.len();
        Ok(x.reshaped(dims))
    };
    let scale = along(scale)?;
    let zero = zero.map_or_else(|| Ok(Constant::floats(vec![], vec![0.0])), along)?;
    let factors = spread(&zero.dims, &q.dims).zip(spread(&scale.dims, &q.dims)).enumerate();
    let value = |(at, (z, s))| (q.float_at(at) - zero.float_at(z)) * scale.float_at(s);
    Ok(Constant::floats(q.dims.clone(), factors.map(value).collect()))
}

fn reduce(node: &Node, x: &Constant, axes_input: Option<&Constant>) -> Result<Constant> {
    let over = axes::reduced(node, x.dims.len(), axes_input)?;
    let kept: Vec<usize> = (0..x.dims.len()).filter(|axis| !over.contains(axis)).collect();
    let order = [kept.as_slice(), &over].concat();
    let turned = x.permuted(&order);
    let n: usize = over.iter().map(|&axis| x.dims[axis]).product();
    let values = turned.to_floats();
    let of = |line: &[f64]| match node.op.as_str() {
        "ReduceProd" => line.iter().product(),
        "ReduceMax" => line.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => line.iter().copied().fold(f64::INFINITY, f64::min),
        "ReduceMean" => line.iter().sum::<f64>() / line.len() as f64,
        _ => line.iter().sum(),
    };
    let reduced: Vec<f64> = if n == 0 { vec![] } else { values.chunks_exact(n).map(of).collect() };
    let dims = axes::without(&x.dims, &over, node.int("keepdims") != Some(0));
    if dims.iter().product::<usize>() != reduced.len() {
        return Err("reduces nothing".into());
    }
    Ok(if x.is_float() {
        Constant::floats(dims, reduced)
    } else {
        Constant::integers(dims, reduced.into_iter().map(|v| v as i64).collect())
    })
}

fn clip(x: &Constant, bounds: &[Option<&Constant>]) -> Result<Constant> {
    let bound = |index: usize, default: f64| match bounds.get(index).copied().flatten() {
        None => Ok(default),
        Some(bound) => bound.number().ok_or("is bounded by more than one number"),
    };
    let (low, high) = (bound(0, f64::NEG_INFINITY)?, bound(1, f64::INFINITY)?);
    let values = x.to_floats().into_iter().map(|value| value.max(low).min(high));
    Ok(if x.is_float() {
        Constant::floats(x.dims.clone(), values.collect())
    } else {
        Constant::integers(x.dims.clone(), values.map(|value| value as i64).collect())
    })
}

/// Over the last two axes, broadcast over those before; a vector is a row on the left, a column on
/// the right.
fn matmul(a: &Constant, b: &Constant, budget: &Budget) -> Result<Constant> {
    let refused = || format!("multiplies {:?} with {:?}", a.dims, b.dims);
    let promoted = |x: &Constant, axis: usize| {
        let mut dims = x.dims.clone();
        if dims.len() == 1 {
            dims.insert(axis, 1);
        }
        x.reshaped(dims)
    };
    let (left, right) = (promoted(a, 0), promoted(b, 1));
    let ([outer_a @ .., n, k], [outer_b @ .., k2, m]) = (&left.dims[..], &right.dims[..]) else {
        return Err(refused());
    };
    if k != k2 {
        return Err(refused());
    }
    let outer = broadcast(outer_a, outer_b)?;
    let n_outer = budget.tensor(&outer)?;
    let of = |sizes: [usize; 2]| [outer.as_slice(), &sizes].concat();
    let n_product = budget.tensor(&of([*n, *m]))?;
    budget.visit(n_product.saturating_mul(*k))?;
    let starts = |own: &[usize], size: usize| spread(own, &outer).map(move |matrix| matrix * size);
    let (a_values, b_values) = (a.to_floats(), b.to_floats());
    let mut product = vec![0.0; n_product];
    let places = starts(outer_a, n * k).zip(starts(outer_b, k * m)).take(n_outer);
    for ((i, j), product) in places.zip(product.chunks_exact_mut((n * m).max(1))) {
        let (left, right) = (&a_values[i..i + n * k], &b_values[j..j + k * m]);
        // Row by row: each element still is a sum in the order of l.
        for (row, sums) in product.chunks_exact_mut((*m).max(1)).enumerate() {
            for (l, line) in right.chunks_exact((*m).max(1)).enumerate() {
                let factor = left[row * k + l];
                sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += factor * value);
            }
        }
    }
    let mut dims = outer;
    dims.extend(
        (a.dims.len() > 1).then_some(*n).into_iter().chain((b.dims.len() > 1).then_some(*m)),
    );
    if dims.iter().product::<usize>() != product.len() {
        return Err(refused());
    }
    Ok(Constant::floats(dims, product))
}

/// A batch norm by the statistics of what it is given, along the second axis: weights are
/// standardised so.
fn standardized(node: &Node, x: &Constant, weight: &Constant, bias: &Constant) -> Result<Constant> {
    let (weight, bias) = (weight.to_floats(), bias.to_floats());
    let n = *x.dims.get(1).ok_or_else(|| format!("normalises {:?}", x.dims))?;
    if [weight.len(), bias.len()] != [n; 2] || x.len() == 0 {
        return Err(format!("normalises {:?}", x.dims));
    }
    let eps = node.float("epsilon").unwrap_or(1e-5);
    let mut order: Vec<usize> = (0..x.dims.len()).collect();
    order.swap(0, 1);
    let turned = x.permuted(&order);
    let mut values = turned.to_floats();
    let lines = values.chunks_exact_mut(x.len() / n).zip(weight.iter().zip(&bias));
    for (line, (weight, bias)) in lines {
        let count = line.len() as f64;
        let mean = line.iter().sum::<f64>() / count;
        let variance = line.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let scale = weight / (variance + eps).sqrt();
        line.iter_mut().for_each(|v| *v = (*v - mean) * scale + bias);
    }
    Ok(Constant::floats(turned.dims.clone(), values).permuted(&order))
}

/// Ops on single elements, broadcast; `None` for any other op.
fn elementwise(
    op: &str,
    inputs: &[Option<&Constant>],
    budget: &Budget,
) -> Result<Option<Constant>> {
    let unary: Option<fn(f64) -> f64> = match op {
        "Neg" => Some(|x| -x),
        "Abs" => Some(f64::abs),
        "Sqrt" => Some(f64::sqrt),
        "Exp" => Some(f64::exp),
        "Log" => Some(f64::ln),
        "Floor" => Some(f64::floor),
        "Ceil" => Some(f64::ceil),
        "Round" => Some(f64::round_ties_even),
        "Reciprocal" => Some(f64::recip),
        "Sin" => Some(f64::sin),
        "Cos" => Some(f64::cos),
        "Tanh" => Some(f64::tanh),
        "Relu" => Some(|x| x.max(0.0)),
        "Sigmoid" => Some(|x| 1.0 / (1.0 + (-x).exp())),
        "Sign" => Some(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        "Not" => Some(|x| f64::from(x == 0.0)),
        _ => None,
    };
    let input = |index: usize| inputs.get(index).copied().flatten();
    if let (Some(f), Some(x)) = (unary, input(0)) {
        let values = x.to_floats().into_iter().map(f);
        return Ok(Some(if x.is_float() {
            Constant::floats(x.dims.clone(), values.collect())
        } else {
            Constant::integers(x.dims.clone(), values.map(|v| v as i64).collect())
        }));
    }
    let truth = |holds: bool| f64::from(holds);
    let f: Box<dyn Fn(f64, f64) -> f64> = match op {
        "Add" | "Sum" => Box::new(|a, b| a + b),
        "Sub" => Box::new(|a, b| a - b),
        "Mul" => Box::new(|a, b| a * b),
        "Div" => Box::new(|a, b| a / b),
        "Pow" => Box::new(f64::powf),
        "Min" => Box::new(f64::min),
        "Max" => Box::new(f64::max),
        "Mod" => Box::new(f64::rem_euclid),
        "Equal" => Box::new(move |a, b| truth(a == b)),
        "Less" => Box::new(move |a, b| truth(a < b)),
        "LessOrEqual" => Box::new(move |a, b| truth(a <= b)),
        "Greater" => Box::new(move |a, b| truth(a > b)),
        "GreaterOrEqual" => Box::new(move |a, b| truth(a >= b)),
        "And" => Box::new(move |a, b| truth(a != 0.0 && b != 0.0)),
        "Or" => Box::new(move |a, b| truth(a != 0.0 || b != 0.0)),
        _ => return Ok(None),
    };
    let (Some(a), Some(b), None) = (input(0), input(1), input(2)) else { return Ok(None) };
    let dims = broadcast(&a.dims, &b.dims)?;
    budget.tensor(&dims)?;
    let places = spread(&a.dims, &dims).zip(spread(&b.dims, &dims));
    let is_truth = matches!(
        op,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or"
    );
    if a.is_float() || b.is_float() {
        let values = places.map(|(i, j)| f(a.float_at(i), b.float_at(j)));
        return Ok(Some(if is_truth {
            Constant::integers(dims, values.map(|v| v as i64).collect())
        } else {
            Constant::floats(dims, values.collect())
        }));
    }
    // Sizes and indices stay exact.
    let exact = |a: i64, b: i64| match op {
        "Add" | "Sum" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        "Mod" => a.checked_rem_euclid(b),
        _ => Some(f(a as f64, b as f64) as i64),
    };
    let values = places.map(|(i, j)| exact(a.integer_at(i), b.integer_at(j)));
    let values: Option<Vec<i64>> = values.collect();
    let values = values.ok_or("overflows, or divides by zero")?;
    Ok(Some(Constant::integers(dims, values)))
}
