//! From an ONNX graph to one of ours, at a fixed input size and a batch of one.
//!
//! A value of the file is a constant, or a node of the graph. Its sizes are those of the file, with
//! the batch in front as 1; a node has no batch, so that axis is left out there: \[1, C, H, W\] is a
//! node \[C, H, W\]. Sizes in front that are not 1, such as Swin's windows, stay.

mod einsum;
mod elementwise;
mod layers;
mod pools;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::rc::Rc;

use candle_core::Tensor;
use hsets_autodiff::{Activation, Cpu, Graph, GraphBuilder, Network, NodeId, Weights};
use hsets_core::Shape;

use super::budget::Budget;
use super::curves::Formula;
use super::fold;
use super::read::{Model, Node};
use super::tensor::Constant;

/// Why a node can't be lowered.
pub(super) enum Refusal {
    /// No op here does this.
    Op,
    /// What is wrong with this one.
    Because(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Because(reason.to_owned())
    }
}

impl From<hsets_autodiff::Error> for Refusal {
    fn from(error: hsets_autodiff::Error) -> Self {
        Self::Because(error.to_string())
    }
}

type Result<T, E = Refusal> = std::result::Result<T, E>;

/// A value that depends on the picture.
#[derive(Debug, Clone)]
struct Active {
    node: NodeId,
    /// As the file has them, with the batch.
    dims: Vec<usize>,
    /// Zeros around the image that are still to be added: top, left, bottom, right.
    pads: [usize; 4],
    field: Option<Field>,
    /// What it is of another node, as long as it is made of curves and numbers.
    formula: Option<(NodeId, Rc<Formula>)>,
}

/// The pixels that an element of a map depends on; none where it depends on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::onnx) struct Field {
    /// Height and width.
    pub(in crate::onnx) size: [usize; 2],
    /// Distance of the fields of neighbours.
    jump: [usize; 2],
}

impl Field {
    fn after(self, window: [usize; 2], stride: [usize; 2]) -> Self {
        let size = [0, 1].map(|axis| self.size[axis] + (window[axis] - 1) * self.jump[axis]);
        Self { size, jump: [0, 1].map(|axis| self.jump[axis] * stride[axis]) }
    }

    fn union(self, other: Self) -> Self {
        let most = |a: [usize; 2], b: [usize; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        Self { size: most(self.size, other.size), jump: most(self.jump, other.jump) }
    }
}

#[derive(Debug, Clone)]
enum Value {
    Constant(Rc<Constant>),
    Active(Active),
    /// Which numbers are larger than this one: only softplus is known to ask.
    Above(Active, f64),
    /// What makes it was refused.
    Missing,
}

/// A network, ready to be bound.
pub(in crate::onnx) struct Lowered {
    pub(in crate::onnx) graph: Graph,
    pub(in crate::onnx) weights: Weights,
    /// The receptive field of the last map that does not see the whole picture, and the name of the
    /// node that sees it first.
    pub(in crate::onnx) field: (Field, String),
}

struct Lowering<'a> {
    g: GraphBuilder,
    tensors: BTreeMap<String, Tensor>,
    values: BTreeMap<&'a str, Value>,
    /// The live nodes that read each value.
    readers: BTreeMap<&'a str, Vec<usize>>,
    /// Nodes that were lowered with one before them.
    done: BTreeSet<usize>,
    model: &'a Model,
    nodes: Vec<&'a Node>,
    field: Field,
    whole: Option<String>,
    /// How many layers wanted a name, so far.
    names: BTreeMap<String, usize>,
    budget: Rc<Budget>,
}

/// Lowers what the value `output` needs of the picture in the value `input`, which is
/// \[1, C, H, W\] or, `channels_last`, \[1, H, W, C\]. Fails with everything that can't be lowered.
pub(in crate::onnx) fn lower<'a>(
    model: &'a Model,
    input: &'a str,
    shape: Shape,
    channels_last: bool,
    output: &'a str,
) -> Result<Lowered, String> {
    let nodes = live(&model.nodes, [output]);
    let readers = readers(&nodes, [output]);
    let mut g = GraphBuilder::new(shape);
    let start = Field { size: [1; 2], jump: [1; 2] };
    let (mut node, mut dims) = (g.input(), vec![1, shape.channels, shape.height, shape.width]);
    if channels_last {
        node = g.permute(node, &[1, 2, 0]).map_err(|error| error.to_string())?;
        dims = vec![1, shape.height, shape.width, shape.channels];
    }
    let picture = Active { node, dims, pads: [0; 4], field: Some(start), formula: None };
    let constants = model.constants.iter();
    let mut values: BTreeMap<&str, Value> = constants
        .map(|(name, constant)| (name.as_str(), Value::Constant(Rc::new(constant.clone()))))
        .collect();
    values.insert(input, Value::Active(picture));
    let budget = Rc::new(Budget::new(model.n_numbers()));
    let mut lowering =
        Lowering { values, readers, nodes, ..Lowering::new(g, model, start, budget) };
    lowering.run()?;
    let logits = match lowering.values.get(output) {
        Some(Value::Active(active)) => active.clone(),
        _ => return Err(format!("the output '{output}' does not depend on the picture")),
    };
    if logits.dims.iter().filter(|&&size| size > 1).count() > 1 {
        let dims = &logits.dims;
        return Err(format!("the output '{output}' is {dims:?}, not one score for each class"));
    }
    let mut node = logits.node;
    if lowering.g.dims(node).rank() != 1 {
        node = lowering.g.flatten(node);
    }
    let whole = lowering.whole.unwrap_or_default();
    Ok(Lowered {
        graph: lowering.g.finish(node),
        weights: Weights::new(lowering.tensors),
        field: (lowering.field, whole),
    })
}

/// The nodes that read each value; results are read once more, from outside.
fn readers<'a>(
    nodes: &[&'a Node],
    results: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<&'a str, Vec<usize>> {
    let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for name in &node.inputs {
            readers.entry(name).or_default().push(at);
        }
    }
    for name in results {
        readers.entry(name).or_default().push(usize::MAX);
    }
    readers
}

/// The nodes that results need, in order.
fn live<'a>(all: &'a [Node], results: impl IntoIterator<Item = &'a str>) -> Vec<&'a Node> {
    let mut needed: BTreeSet<&str> = results.into_iter().collect();
    let mut nodes = Vec::new();
    for node in all.iter().rev() {
        if node.outputs.iter().any(|name| needed.contains(name.as_str())) {
            needed.extend(node.inputs.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

/// The sizes of a node that stands for a value of these sizes.
fn core(dims: &[usize]) -> Vec<usize> {
    match dims {
        [] => vec![1],
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => dims.to_vec(),
    }
}

/// The sizes of a node with all axes of a value: a number has one.
fn at_least_one(dims: &[usize]) -> &[usize] {
    if dims.is_empty() { &[1] } else { dims }
}

impl<'a> Lowering<'a> {
    /// Of no nodes yet.
    fn new(g: GraphBuilder, model: &'a Model, field: Field, budget: Rc<Budget>) -> Self {
        Self {
            g,
            tensors: BTreeMap::new(),
            values: BTreeMap::new(),
            readers: BTreeMap::new(),
            done: BTreeSet::new(),
            model,
            nodes: vec![],
            field,
            whole: None,
            names: BTreeMap::new(),
            budget,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let mut unknown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut problems = Vec::new();
        for at in 0..self.nodes.len() {
            if self.done.contains(&at) {
                continue;
            }
            let node = self.nodes[at];
            let results = match self.results(at, node) {
                Ok(results) => results,
                Err(Refusal::Op) => {
                    unknown.entry(&node.op).or_default().push(node.name());
                    vec![]
                }
                Err(Refusal::Because(reason)) => {
                    problems.push(format!("{node}: {}", short(reason)));
                    if problems.len() == MOST_PROBLEMS {
                        break;
                    }
                    vec![]
                }
            };
            let mut results = results.into_iter();
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                // A node may have results that nothing reads.
                self.values.insert(name, results.next().unwrap_or(Value::Missing));
            }
        }
        let unknown = unknown.into_iter().map(|(op, names)| match names.as_slice() {
            [a, b, c, rest @ ..] if !rest.is_empty() => {
                format!("{op} in '{a}', '{b}', '{c}' and {} more nodes", rest.len())
            }
            names => format!("{op} in '{}'", names.join("', '")),
        });
        let mut all: Vec<String> = unknown.map(|what| format!("no derivative of {what}")).collect();
        all.extend(problems);
        if all.is_empty() { Ok(()) } else { Err(all.join("; ")) }
    }

    fn results(&mut self, at: usize, node: &'a Node) -> Result<Vec<Value>> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            inputs.push(match name.as_str() {
                "" => None,
                name => Some(self.values.get(name).cloned().unwrap_or(Value::Missing)),
            });
        }
        if inputs.iter().flatten().any(|value| matches!(value, Value::Missing)) {
            return Ok(vec![]); // what makes it was named already
        }
        if node.op == "If" {
            return self.branch(node, inputs.first());
        }
        let constants: Option<Vec<Option<&Constant>>> = inputs
            .iter()
            .map(|value| match value {
                None => Some(None),
                Some(Value::Constant(constant)) => Some(Some(constant.as_ref())),
                Some(_) => None,
            })
            .collect();
        if let Some(constants) = constants {
            let folded = fold::fold(node, &constants, self.model.opset, &self.budget)?;
            let folded = match folded {
                Some(folded) => folded,
                None => vec![self.computed(node, &inputs)?],
            };
            return Ok(folded.into_iter().map(|one| Value::Constant(Rc::new(one))).collect());
        }
        if matches!(node.op.as_str(), "Shape" | "Size")
            && let Some(Some(Value::Active(x))) = inputs.first()
        {
            let shape = if node.op == "Size" {
                Constant::integers(vec![], vec![x.dims.iter().product::<usize>() as i64])
            } else {
                fold::shape(node, &x.dims)
            };
            return Ok(vec![Value::Constant(Rc::new(shape))]);
        }
        if let [Some(Value::Active(x)), Some(Value::Constant(number))] = &inputs[..]
            && let ("Greater", Some(number)) = (node.op.as_str(), number.number())
        {
            return Ok(vec![Value::Above(x.clone(), number)]);
        }
        if inputs.iter().flatten().any(|value| matches!(value, Value::Above(..))) {
            return Ok(vec![Value::Active(softplus(node, &inputs)?)]);
        }
        let n = inputs.iter().flatten().map(Value::n_numbers).sum();
        self.budget.room(n)?;
        self.budget.visit(n)?;
        let task = Task { at, node, inputs };
        let actives = self.lower(&task)?;
        for active in &actives {
            bounded(&active.dims)?;
            self.note_field(node, active);
        }
        Ok(actives.into_iter().map(Value::Active).collect())
    }

    /// What the branch gives that a constant chooses: PyTorch asks for sizes so.
    fn branch(&mut self, node: &'a Node, condition: Option<&Option<Value>>) -> Result<Vec<Value>> {
        let Some([then, other]) = &node.branches else { return Err(Refusal::Op) };
        let Some(Some(Value::Constant(condition))) = condition else {
            return Err("chooses by what is in the picture".into());
        };
        let condition = condition.number().ok_or("has more than one condition")?;
        let branch = if condition == 0.0 { other } else { then };
        for (name, constant) in &branch.constants {
            self.budget.hold(constant.len())?;
            self.values.insert(name, Value::Constant(Rc::new(constant.clone())));
        }
        let results = || branch.outputs.iter().map(String::as_str);
        let nodes = live(&branch.nodes, results());
        let readers = readers(&nodes, results());
        let around = (
            mem::replace(&mut self.nodes, nodes),
            mem::replace(&mut self.readers, readers),
            mem::take(&mut self.done),
        );
        let ran = self.run();
        (self.nodes, self.readers, self.done) = around;
        ran?;
        let value = |name: &str| self.values.get(name).cloned();
        let values = results().map(|name| value(name).unwrap_or(Value::Missing)).collect();
        // Another branch may call its own the same.
        let given = branch.nodes.iter().flat_map(|node| &node.outputs);
        for name in branch.constants.keys().chain(given) {
            self.values.remove(name.as_str());
        }
        Ok(values)
    }

    /// The result of constants under an op that is not folded: its first input is taken for a
    /// picture, and the network of this one node is run.
    fn computed(&self, node: &'a Node, inputs: &[Option<Value>]) -> Result<Constant> {
        let Some(Some(Value::Constant(first))) = inputs.first() else { return Err(Refusal::Op) };
        if !first.is_float() || first.len() == 0 {
            return Err(Refusal::Op);
        }
        let g = GraphBuilder::new(Shape::new(1, 1, first.len()));
        let mut alone = Lowering::new(g, self.model, self.field, Rc::clone(&self.budget));
        let picture = alone.g.input();
        let picture = alone.put(picture, first.dims.clone(), None)?;
        let mut inputs = inputs.to_vec();
        inputs[0] = Some(Value::Active(picture));
        let results = alone.lower(&Task { at: 0, node, inputs })?;
        let [result] = results.as_slice() else { return Err(Refusal::Op) };
        bounded(&result.dims)?;
        let end = alone.padded(result)?;
        let end = alone.g.flatten(end);
        let graph = alone.g.finish(end);
        self.budget.room(graph.n_activations())?;
        self.budget.visit(usize::try_from(graph.multiply_adds()).unwrap_or(usize::MAX))?;
        self.budget.hold(graph.n_classes())?;
        let network = Network::<Cpu<f64>>::new(&graph, &Weights::new(alone.tensors))?;
        let values = network.logits_of(&[&first.to_floats()])?.concat();
        Ok(Constant::floats(result.dims.clone(), values))
    }

    fn lower(&mut self, task: &Task<'a>) -> Result<Vec<Active>> {
        let one = match task.node.op.as_str() {
            "Identity" => task.active(0)?.clone(),
            "Dropout" => {
                if task.constant(2)?.and_then(Constant::number).is_some_and(|on| on != 0.0) {
                    return Err(IN_TRAINING.into());
                }
                task.active(0)?.clone()
            }
            "Cast" | "CastLike" => views::cast(task)?,
            "Conv" => self.conv(task)?,
            "ConvTranspose" => self.conv_transpose(task)?,
            "Gemm" => self.gemm(task)?,
            "MatMul" => self.matmul(task)?,
            "Einsum" => self.einsum(task)?,
            "BatchNormalization" => self.batch_norm(task)?,
            "LayerNormalization" => self.layer_norm(task)?,
            "GroupNormalization" | "InstanceNormalization" => self.group_norm(task)?,
            "RMSNormalization" => self.rms_norm(task)?,
            "LpNormalization" => self.lp_norm(task)?,
            "Softmax" | "LogSoftmax" => self.softmax(task)?,
            "MaxPool" | "GlobalMaxPool" => self.of_images(task, Self::max_pool)?,
            "AveragePool" => self.of_images(task, Self::average_pool)?,
            "GlobalAveragePool" => self.of_images(task, Self::global_average)?,
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2"
            | "ReduceSumSquare" | "ReduceLogSumExp" => self.reduce(task)?,
            "LRN" => self.local_response_norm(task)?,
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(task)?,
            "Transpose" => self.transpose(task)?,
            "Concat" => self.concat(task)?,
            "Split" => return self.split(task),
            "Slice" => self.slice(task)?,
            "Gather" => self.gather(task)?,
            "GatherND" => self.gather_nd(task)?,
            "Pad" => self.pad(task)?,
            "Expand" => self.expand(task)?,
            "Tile" => self.tile(task)?,
            "Where" => self.select(task)?,
            "Resize" | "Upsample" => self.of_images(task, Self::resize)?,
            "DepthToSpace" | "SpaceToDepth" => self.blocks(task)?,
            _ => self.elementwise(task)?,
        };
        Ok(vec![one])
    }

    /// Keeps the field of the last map that does not see everything.
    fn note_field(&mut self, node: &Node, active: &Active) {
        match active.field {
            Some(field) if self.whole.is_none() => self.field = self.field.union(field),
            None if self.whole.is_none() => self.whole = Some(node.to_string()),
            _ => {}
        }
    }

    /// A line \[N, C, L\] as an image of one row; all else as it is.
    fn as_image(&mut self, x: &Active) -> Result<Active> {
        let [n, channels, len] = x.dims[..] else { return Ok(x.clone()) };
        let node = self.padded(x)?;
        self.put(node, vec![n, channels, 1, len], x.field)
    }

    /// Images as the channels of one.
    fn stacked(&mut self, x: &Active) -> Result<Active> {
        let [n, channels, height, width] = x.dims[..] else { return Ok(x.clone()) };
        if n == 1 {
            return Ok(x.clone());
        }
        let node = self.padded(x)?;
        self.put(node, vec![1, n * channels, height, width], x.field)
    }

    /// What an op that works on one image makes of each that the network makes of one.
    fn of_images(
        &mut self,
        task: &Task<'a>,
        op: fn(&mut Self, &Task<'_>, &Active) -> Result<Active>,
    ) -> Result<Active> {
        let x = task.active(0)?;
        let stacked = self.stacked(x)?;
        let y = op(self, task, &stacked)?;
        self.unstacked(y, x.n_images())
    }

    /// n images again.
    fn unstacked(&mut self, x: Active, n: usize) -> Result<Active> {
        let [1, channels, height, width] = x.dims[..] else { return Ok(x) };
        if n == 1 {
            return Ok(x);
        }
        let node = self.padded(&x)?;
        self.put(node, vec![n, channels / n, height, width], x.field)
    }

    /// A value of these sizes, from a node that holds its elements row by row.
    fn put(&mut self, node: NodeId, dims: Vec<usize>, field: Option<Field>) -> Result<Active> {
        let wanted = core(&dims);
        let node = if self.g.dims(node).sizes() == wanted {
            node
        } else {
            self.g.reshape(node, &wanted)?
        };
        Ok(Active { node, dims, pads: [0; 4], field, formula: None })
    }

    /// The node of a value with all its axes, the batch too.
    fn full(&mut self, x: &Active) -> Result<NodeId> {
        let node = self.padded(x)?;
        let dims = at_least_one(&x.dims);
        if self.g.dims(node).sizes() == dims { Ok(node) } else { Ok(self.g.reshape(node, dims)?) }
    }

    /// The node of a value with the zeros around it.
    fn padded(&mut self, x: &Active) -> Result<NodeId> {
        let [top, left, bottom, right] = x.pads;
        let mut node = x.node;
        if top + bottom > 0 {
            node = self.g.pad(node, 1, top, bottom)?;
        }
        if left + right > 0 {
            node = self.g.pad(node, 2, left, right)?;
        }
        Ok(node)
    }

    /// A node for a constant, of the sizes that one for a value of its sizes has.
    fn constant(&mut self, constant: &Constant) -> Result<NodeId> {
        self.budget.hold(constant.len())?;
        Ok(self.g.constant(&core(&constant.dims), constant.to_floats())?)
    }

    /// A name for a layer that none before has.
    fn name(&mut self, node: &Node) -> String {
        let own = node.name().trim_matches('/').replace('/', ".");
        let count = self.names.entry(own.clone()).or_insert(0);
        loop {
            *count += 1;
            let name = if *count == 1 { own.clone() } else { format!("{own}_{count}") };
            let is_taken = |suffix: &str| self.tensors.contains_key(&format!("{name}.{suffix}"));
            if !is_taken("weight") && !is_taken("bias") {
                return name;
            }
        }
    }

    fn weight(&mut self, layer: &str, suffix: &str, constant: &Constant) -> Result<()> {
        self.budget.hold(constant.len())?;
        self.tensors.insert(format!("{layer}.{suffix}"), constant.to_tensor()?);
        Ok(())
    }

    /// As [`Lowering::affine`], the same for all n channels.
    fn affine_alike(&mut self, x: NodeId, n: usize, [scale, shift]: [f64; 2]) -> Result<NodeId> {
        self.budget.room(n)?;
        self.affine(x, vec![scale; n], vec![shift; n])
    }

    /// Along the first axis: scale·x + shift, as a batch norm that is folded into what is before.
    fn affine(&mut self, x: NodeId, scale: Vec<f64>, shift: Vec<f64>) -> Result<NodeId> {
        self.budget.room(4 * scale.len())?;
        let name = &format!("affine.{}", self.tensors.len());
        let n = scale.len();
        let vector = |values| Constant::floats(vec![n], values);
        self.weight(name, "weight", &vector(scale))?;
        self.weight(name, "bias", &vector(shift))?;
        self.weight(name, "running_mean", &vector(vec![0.0; n]))?;
        self.weight(name, "running_var", &vector(vec![1.0; n]))?;
        Ok(self.g.batch_norm(x, name, 0.0))
    }

    /// The only node that reads a value, if there is one.
    fn only_reader(&self, value: &str) -> Option<usize> {
        match self.readers.get(value).map(Vec::as_slice) {
            Some(&[reader]) if reader != usize::MAX => Some(reader),
            _ => None,
        }
    }

    /// A curve of a value; one that a longer formula stands for takes its place.
    fn curve(&mut self, x: &Active, activation: Activation) -> Result<Active> {
        let node = self.padded(x)?;
        let node = self.g.activation(node, activation);
        let formula = formula(x, |of| Formula::Curve(activation, of));
        Ok(self.simplified(Active { node, pads: [0; 4], formula, ..x.clone() }))
    }

    /// The value as one curve, if its formula is a known one.
    fn simplified(&mut self, x: Active) -> Active {
        let known = x.formula.as_ref().and_then(|(base, formula)| Some((*base, formula.known()?)));
        match known {
            Some((base, activation)) => Active { node: self.g.activation(base, activation), ..x },
            None => x,
        }
    }
}

impl Value {
    /// Of a constant.
    fn n_numbers(&self) -> usize {
        if let Self::Constant(constant) = self { constant.len() } else { 0 }
    }
}

/// Where(x > n, x, softplus(x)), as PyTorch's newer exporter writes softplus.
fn softplus(node: &Node, inputs: &[Option<Value>]) -> Result<Active> {
    let own = |x: &Active| formula(x, |formula| (*formula).clone());
    if let [Some(Value::Above(of, number)), Some(Value::Active(x)), Some(Value::Active(y))] = inputs
        && let (Some((base, of)), Some((left, a)), Some((right, b))) = (own(of), own(x), own(y))
        && (node.op == "Where" && base == left && base == right && x.dims == y.dims)
        && a.is_same_above(&b, &of, *number)
    {
        return Ok(y.clone());
    }
    Err("goes by what Greater says number by number, which has no derivative here: softplus alone \
         is known to do that"
        .into())
}

/// The formula of a function of x.
fn formula(x: &Active, of: impl FnOnce(Rc<Formula>) -> Formula) -> Option<(NodeId, Rc<Formula>)> {
    let (base, formula) = x.formula.clone().unwrap_or((x.node, Rc::new(Formula::X)));
    let formula = of(formula);
    (x.pads == [0; 4] && !formula.is_long()).then(|| (base, Rc::new(formula)))
}

/// Behind so many nodes that are wrong, nothing is looked at.
const MOST_PROBLEMS: usize = 64;

/// The beginning of a reason, which may list a tensor of any size.
fn short(mut reason: String) -> String {
    const MOST: usize = 400;
    if reason.len() > MOST {
        reason.truncate(reason.floor_char_boundary(MOST));
        reason.push('…');
    }
    reason
}

/// What a network says that was exported before `eval()`.
const IN_TRAINING: &str = "is in training mode: call model.eval() before the export";

/// A node with the values it reads.
struct Task<'a> {
    at: usize,
    node: &'a Node,
    inputs: Vec<Option<Value>>,
}

impl Task<'_> {
    fn value(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// An input that must depend on the picture.
    fn active(&self, index: usize) -> Result<&Active> {
        match self.value(index) {
            Some(Value::Active(active)) => Ok(active),
            _ => Err(format!("its input {index} does not depend on the picture").into()),
        }
    }

    /// An input that must not depend on the picture, if it is there.
    fn constant(&self, index: usize) -> Result<Option<&Constant>> {
        match self.value(index) {
            Some(Value::Constant(constant)) => Ok(Some(constant)),
            None => Ok(None),
            _ => Err(format!("its input {index} depends on the picture").into()),
        }
    }

    /// An input that must be there, and not depend on the picture.
    fn needed(&self, index: usize) -> Result<&Constant> {
        self.constant(index)?.ok_or_else(|| format!("lacks its input {index}").into())
    }
}

impl Active {
    /// The axis of its node that an axis of the value is; `None` for the batch.
    fn axis(&self, axis: usize) -> Option<usize> {
        let hidden = usize::from(self.dims.len() > 1 && self.dims[0] == 1);
        axis.checked_sub(hidden)
    }

    /// Channels, height and width of an image.
    fn image(&self) -> Result<[usize; 3]> {
        match self.dims[..] {
            [1, channels, height, width] => Ok([channels, height, width]),
            [n, _, _, _] => {
                Err(format!("works on {n} images that the network makes of one").into())
            }
            _ => Err(format!("works on {:?}, not on an image", self.dims).into()),
        }
    }

    /// How many images the network makes of one: windows, say. 1 for what is no image.
    fn n_images(&self) -> usize {
        if self.dims.len() == 4 { self.dims[0] } else { 1 }
    }

    /// With its field on the whole picture.
    fn whole(self) -> Self {
        Self { field: None, ..self }
    }
}

/// Fails if a tensor of these sizes is more than a network's.
fn bounded(dims: &[usize]) -> Result<()> {
    const MAX_ELEMENTS: usize = 1 << 28;
    let n = dims.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
    match n {
        Some(n) if n <= MAX_ELEMENTS => Ok(()),
        _ => Err(format!("makes a tensor of sizes {dims:?}").into()),
    }
}

/// The field that covers both.
fn union(a: Option<Field>, b: Option<Field>) -> Option<Field> {
    Some(a?.union(b?))
}
