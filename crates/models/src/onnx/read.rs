//! An ONNX file as nodes and constants, checked.

use std::collections::{BTreeMap, BTreeSet};

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto, TensorProto,
    ValueInfoProto,
};
use sha2::{Digest, Sha256};

use super::bounds;
use super::external::External;
use super::tensor::Constant;

/// The oldest version of ONNX's operators that is understood.
const OLDEST_OPSET: i64 = 11;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) opset: i64,
    /// The program that wrote it.
    pub(super) producer: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// Each behind what it reads.
    pub(super) nodes: Vec<Node>,
    /// By name.
    pub(super) constants: BTreeMap<String, Constant>,
    /// Without those that have a constant for a default.
    pub(super) inputs: Vec<ValueInfo>,
    pub(super) outputs: Vec<ValueInfo>,
    /// Of the file and of those beside it, in hexadecimal.
    pub(super) sha256: String,
}

/// An op with its inputs.
#[derive(Debug)]
pub(super) struct Node {
    name: String,
    pub(super) op: String,
    /// Names of values, empty where an input is left out.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    attributes: BTreeMap<String, Attribute>,
    /// Of an If: what is done where its condition holds, and what where it does not. What they read
    /// from around the node is among its inputs.
    pub(super) branches: Option<[Branch; 2]>,
}

/// A graph within a node.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) constants: BTreeMap<String, Constant>,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<String>,
}

#[derive(Debug)]
enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Tensor(Constant),
    /// A graph, or another kind that no op here has.
    Other,
}

/// Name, element type and sizes of an input or output.
#[derive(Debug)]
pub(super) struct ValueInfo {
    pub(super) name: String,
    pub(super) kind: DataType,
    /// `None` where the file does not say.
    pub(super) dims: Option<Vec<Dimension>>,
}

/// A size, or its name where it is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dimension {
    Fixed(usize),
    Free(String),
}

impl Model {
    pub(super) fn read(bytes: &[u8], mut external: External) -> Result<Self, String> {
        bounds::check(bytes)?;
        let proto = ModelProto::parse_buf(bytes)
            .map_err(|error| format!("not an ONNX file, or damaged ({error})"))?;
        let graph = proto.graph.ok_or("not an ONNX file: it holds no graph")?;
        let opset = proto.opset_import.iter().find(|set| is_standard(set.domain.as_deref()));
        let opset = opset.and_then(|set| set.version).unwrap_or(1);
        if opset < OLDEST_OPSET {
            return Err(format!(
                "uses version {opset} of ONNX's operators, older than {OLDEST_OPSET}: export it \
                 again, or convert it with onnx.version_converter"
            ));
        }
        let text = |text: Option<String>| text.unwrap_or_default();
        let producer = format!("{} {}", text(proto.producer_name), text(proto.producer_version));
        let metadata = proto.metadata_props.into_iter();
        let metadata = metadata.map(|entry| (text(entry.key), text(entry.value))).collect();
        let GraphProto { node, initializer, input, output, .. } = graph;
        let constants = constants(initializer, &mut external)?;
        let nodes = nodes(node, &mut external)?;
        let infos = |infos: Vec<ValueInfoProto>| {
            infos.into_iter().map(ValueInfo::read).collect::<Result<Vec<_>, _>>()
        };
        let mut inputs = infos(input)?;
        inputs.retain(|input| !constants.contains_key(&input.name));
        let outputs = infos(output)?;
        let mut hash = Sha256::new_with_prefix(bytes);
        external.contents().for_each(|content| hash.update(content));
        let sha256 = hsets_weights::hexadecimal(&hash.finalize());
        let producer = producer.trim().to_owned();
        let model = Self { opset, producer, metadata, nodes, constants, inputs, outputs, sha256 };
        model.check_names()?;
        Ok(model)
    }

    /// Numbers of all its tensors.
    pub(super) fn n_numbers(&self) -> usize {
        n_numbers(&self.constants, &self.nodes)
    }

    /// Fails unless every value has one origin, in front of all that read it.
    fn check_names(&self) -> Result<(), String> {
        let mut known: BTreeSet<&str> = self.constants.keys().map(String::as_str).collect();
        for input in &self.inputs {
            if !known.insert(&input.name) {
                return Err(format!("two inputs are called '{}'", input.name));
            }
        }
        check_nodes(&self.nodes, &mut known)?;
        let missing = self.outputs.iter().find(|output| !known.contains(output.name.as_str()));
        missing.map_or(Ok(()), |output| {
            Err(format!("the output '{}' is computed by no node", output.name))
        })
    }
}

/// Fails unless nodes read what is known before them, and give what is not.
fn check_nodes<'a>(nodes: &'a [Node], known: &mut BTreeSet<&'a str>) -> Result<(), String> {
    for node in nodes {
        for input in node.inputs.iter().filter(|input| !input.is_empty()) {
            if known.contains(input.as_str()) {
                continue;
            }
            let is_later = nodes.iter().any(|other| other.outputs.contains(input));
            let why = if is_later {
                "which is computed from its own result, or only later: the nodes form a cycle or \
                 are out of order"
            } else {
                "which is no input, no tensor of the file and no result of a node"
            };
            return Err(format!("{node} reads '{input}', {why}"));
        }
        for branch in node.branches.iter().flatten() {
            let own = || branch.constants.keys().map(String::as_str);
            if let Some(twice) = own().find(|&name| !known.insert(name)) {
                return Err(format!("two values are called '{twice}', one of them in {node}"));
            }
            check_nodes(&branch.nodes, known)?;
            if let Some(none) = branch.outputs.iter().find(|name| !known.contains(name.as_str())) {
                return Err(format!("{node} gives '{none}', which is computed by no node"));
            }
            // Nothing outside sees them, and the other branch may call its own the same.
            let results = branch.nodes.iter().flat_map(|node| &node.outputs);
            for name in own().chain(results.map(String::as_str)) {
                known.remove(name);
            }
        }
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            if !known.insert(output) {
                return Err(format!("two values are called '{output}', one of them by {node}"));
            }
        }
    }
    Ok(())
}

fn constants(
    tensors: Vec<TensorProto>,
    external: &mut External,
) -> Result<BTreeMap<String, Constant>, String> {
    let mut constants = BTreeMap::new();
    for tensor in tensors {
        let name = tensor.name.clone().unwrap_or_default();
        let constant = Constant::read(&tensor, external);
        let constant = constant.map_err(|problem| format!("tensor '{name}' {problem}"))?;
        if constants.insert(name.clone(), constant).is_some() {
            return Err(format!("two tensors are called '{name}'"));
        }
    }
    Ok(constants)
}

fn nodes(nodes: Vec<NodeProto>, external: &mut External) -> Result<Vec<Node>, String> {
    nodes.into_iter().map(|node| Node::read(node, external)).collect()
}

/// Numbers of the tensors of a graph: its own, in its nodes, and in their branches.
fn n_numbers(constants: &BTreeMap<String, Constant>, nodes: &[Node]) -> usize {
    let in_nodes = nodes.iter().flat_map(|node| node.attributes.values());
    let own = constants.values().chain(in_nodes.filter_map(Attribute::tensor));
    let branches = nodes.iter().flat_map(|node| node.branches.iter().flatten());
    own.map(Constant::len).sum::<usize>()
        + branches.map(|branch| n_numbers(&branch.constants, &branch.nodes)).sum::<usize>()
}

fn is_standard(domain: Option<&str>) -> bool {
    matches!(domain, None | Some("" | "ai.onnx"))
}

impl Node {
    fn read(mut proto: NodeProto, external: &mut External) -> Result<Self, String> {
        let op = proto.op_type.unwrap_or_default();
        let op = match proto.domain {
            Some(domain) if !is_standard(Some(&domain)) => format!("{domain}.{op}"),
            _ => op,
        };
        let name = proto.name.unwrap_or_default();
        let mut inputs = proto.input;
        let mut branch = |name: &str| {
            let of_name = |attribute: &&mut AttributeProto| attribute.name.as_deref() == Some(name);
            let graph = proto.attribute.iter_mut().find(of_name).and_then(|one| one.g.take());
            graph.map(|graph| Branch::read(graph, external)).transpose()
        };
        let branches = match (branch("then_branch")?, branch("else_branch")?) {
            (Some(then), Some(other)) if op == "If" => Some([then, other]),
            _ => None,
        };
        for branch in branches.iter().flatten() {
            inputs.extend(branch.captured());
        }
        let attribute = |proto: AttributeProto| {
            let key = proto.name.clone().unwrap_or_default();
            let attribute = Attribute::read(proto, external);
            let attribute = attribute
                .map_err(|problem| format!("{op} '{name}': the tensor in '{key}' {problem}"))?;
            Ok((key, attribute))
        };
        let attributes = proto.attribute.into_iter().map(attribute);
        let attributes = attributes.collect::<Result<_, String>>()?;
        Ok(Self { name, inputs, outputs: proto.output, attributes, branches, op })
    }

    /// Its name, or that of its first result.
    pub(super) fn name(&self) -> &str {
        let result = self.outputs.first().map_or("", String::as_str);
        if self.name.is_empty() { result } else { &self.name }
    }

    /// The name of an input that is there.
    pub(super) fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name)? {
            Attribute::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.int(name).is_some_and(|value| value != 0)
    }

    /// A number, as the decimal that was meant: 0.1, not 0.10000000149.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        match self.attributes.get(name)? {
            Attribute::Float(value) => format!("{value}").parse().ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name)? {
            Attribute::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name)? {
            Attribute::Ints(values) => Some(values),
            _ => None,
        }
    }

    pub(super) fn floats(&self, name: &str) -> Option<&[f32]> {
        match self.attributes.get(name)? {
            Attribute::Floats(values) => Some(values),
            _ => None,
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&Constant> {
        self.attributes.get(name)?.tensor()
    }
}

impl Branch {
    fn read(graph: GraphProto, external: &mut External) -> Result<Self, String> {
        let outputs = graph.output.into_iter().map(|output| output.name.unwrap_or_default());
        Ok(Self {
            outputs: outputs.collect(),
            constants: constants(graph.initializer, external)?,
            nodes: nodes(graph.node, external)?,
        })
    }

    /// What it reads from around the node.
    fn captured(&self) -> BTreeSet<String> {
        let own: BTreeSet<&String> =
            self.nodes.iter().flat_map(|node| &node.outputs).chain(self.constants.keys()).collect();
        let read = self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs);
        read.filter(|name| !name.is_empty() && !own.contains(name)).cloned().collect()
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} '{}'", self.op, self.name())
    }
}

impl Attribute {
    fn tensor(&self) -> Option<&Constant> {
        if let Self::Tensor(tensor) = self { Some(tensor) } else { None }
    }

    fn read(proto: AttributeProto, external: &mut External) -> Result<Self, String> {
        Ok(match proto.r#type {
            Some(AttributeType::INT) => Self::Int(proto.i.unwrap_or_default()),
            Some(AttributeType::FLOAT) => Self::Float(proto.f.unwrap_or_default()),
            Some(AttributeType::STRING) => Self::Text(proto.s.unwrap_or_default()),
            Some(AttributeType::INTS) => Self::Ints(proto.ints),
            Some(AttributeType::FLOATS) => Self::Floats(proto.floats),
            Some(AttributeType::TENSOR) => match proto.t {
                Some(tensor) => Self::Tensor(Constant::read(&tensor, external)?),
                None => Self::Other,
            },
            _ => Self::Other,
        })
    }
}

impl ValueInfo {
    fn read(proto: ValueInfoProto) -> Result<Self, String> {
        let name = proto.name.unwrap_or_default();
        let tensor = proto.r#type.and_then(|kind| kind.tensor_type);
        let kind = tensor.as_ref().and_then(|tensor| tensor.elem_type);
        let dims = tensor.and_then(|tensor| tensor.shape).map(|shape| shape.dim);
        let dimension = |dim: rten_onnx::onnx::Dimension| match dim.dim_value {
            Some(size) if size > 0 => Ok(Dimension::Fixed(size as usize)),
            // Some programs write -1 or 0 for a free size.
            Some(-1 | 0) | None => Ok(Dimension::Free(dim.dim_param.unwrap_or("?".into()))),
            Some(size) => Err(format!("'{name}' has a size of {size}")),
        };
        let dims = dims.map(|dims| dims.into_iter().map(dimension).collect::<Result<_, _>>());
        Ok(Self { dims: dims.transpose()?, kind: kind.unwrap_or(DataType(0)), name })
    }
}

impl std::fmt::Display for ValueInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(dims) = &self.dims else { return write!(f, "'{}' of any shape", self.name) };
        let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
        write!(f, "'{}' [{}]", self.name, dims.join(", "))
    }
}

impl std::fmt::Display for Dimension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Free(name) => f.write_str(name),
        }
    }
}
