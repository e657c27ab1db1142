//! Networks in ONNX files.
//!
//! A file is read within bounds ([`bounds`]), what does not depend on the picture is folded
//! ([`fold`]) as far as that takes no more than such a file may ([`budget`]), and the rest becomes a
//! [`Graph`] at a fixed input size ([`lower`]), so that derivatives, smoothing and devices are the
//! same as those of the named architectures.

mod axes;
mod bounds;
mod budget;
mod curves;
mod ending;
mod external;
mod fold;
mod lower;
mod read;
mod tensor;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hsets_autodiff::{Graph, Weights};
use hsets_core::{Link, Shape};
use rten_onnx::onnx::DataType;

use crate::error::{Error, Result};
use crate::input::read_whole;
use ending::Ending;
use external::External;
use lower::lower;
use read::{Dimension, Model, ValueInfo};

/// A network in an ONNX file.
pub struct OnnxFile {
    path: PathBuf,
    model: Model,
}

/// What a file holds, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxSummary {
    /// The program that wrote it.
    pub producer: String,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// Names and sizes of what it takes.
    pub inputs: Vec<String>,
    /// Names and sizes of what it gives.
    pub outputs: Vec<String>,
    /// Its ops, and how often each occurs.
    pub ops: BTreeMap<String, usize>,
    /// Numbers in its tensors of floating point.
    pub n_parameters: usize,
    /// What stands in its metadata.
    pub metadata: BTreeMap<String, String>,
}

/// How a file is understood at one input size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxReading {
    /// Shape of the pictures.
    pub input: Shape,
    /// Number of logits.
    pub n_classes: usize,
    /// Multiply-adds of one forward pass.
    pub multiply_adds: u64,
    /// Height and width in pixels of the receptive field of the last map that does not see the whole
    /// picture.
    pub receptive_field: [usize; 2],
    /// The node that sees the whole picture first.
    pub sees_all: String,
    /// What else a user should know, one sentence each.
    pub notes: Vec<String>,
}

/// A network as it is explained.
pub(crate) struct OnnxNetwork {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights,
    /// It takes 8-bit pictures.
    pub(crate) takes_bytes: bool,
    receptive_field: [usize; 2],
    sees_all: String,
    /// How logits become probabilities, where the file says it.
    pub(crate) probabilities: Option<Link>,
    /// What a user should know.
    pub(crate) notes: Vec<String>,
}

impl OnnxFile {
    /// Reads a file, and the files with weights beside it. No size that a file declares is believed
    /// before it is checked, and nothing outside its folder is read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_whole(path)?;
        Self::parse(path, &bytes, External::beside(path))
    }

    /// The content of a file that holds its weights itself; `name` stands for it in errors.
    pub fn from_bytes(name: &Path, bytes: &[u8]) -> Result<Self> {
        Self::parse(name, bytes, External::nowhere())
    }

    fn parse(path: &Path, bytes: &[u8], external: External) -> Result<Self> {
        let model = Model::read(bytes, external).map_err(|problem| Error::file(path, problem))?;
        Ok(Self { path: path.to_owned(), model })
    }

    /// What it holds.
    pub fn summary(&self) -> OnnxSummary {
        let Model { opset, producer, metadata, nodes, constants, inputs, outputs, .. } =
            &self.model;
        let mut ops = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.op != "Constant") {
            *ops.entry(node.op.clone()).or_insert(0) += 1;
        }
        let listed = |infos: &[ValueInfo]| infos.iter().map(ToString::to_string).collect();
        let floats = constants.values().filter(|constant| constant.is_float());
        OnnxSummary {
            producer: producer.clone(),
            opset: *opset,
            inputs: listed(inputs),
            outputs: listed(outputs),
            ops,
            n_parameters: floats.map(tensor::Constant::len).sum(),
            metadata: metadata.clone(),
        }
    }

    /// How it is understood, at an input size (needed where the file leaves it free), with one of its
    /// outputs (needed where there are several). Fails with everything that can't be lowered.
    pub fn reading(&self, size: Option<[usize; 2]>, output: Option<&str>) -> Result<OnnxReading> {
        let net = self.network(size, None, output)?;
        Ok(OnnxReading {
            input: net.graph.input_shape(),
            n_classes: net.graph.n_classes(),
            multiply_adds: net.graph.multiply_adds(),
            receptive_field: net.receptive_field,
            sees_all: net.sees_all,
            notes: net.notes,
        })
    }

    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.model.metadata
    }

    pub(crate) fn sha256(&self) -> &str {
        &self.model.sha256
    }

    /// The network that gives one output (the only one, unless it is named), at the size it states
    /// or, where that is free, at `size`; `wished` is taken where no size is stated at all.
    pub(crate) fn network(
        &self,
        size: Option<[usize; 2]>,
        wished: Option<[usize; 2]>,
        output: Option<&str>,
    ) -> Result<OnnxNetwork> {
        let refuse = |problem: String| Error::file(&self.path, problem);
        let picture = self.picture(size, wished).map_err(refuse)?;
        let Ending { logits, link, note } = self.ending(output).map_err(refuse)?;
        let PictureInput { name, shape, channels_last, takes_bytes } = picture;
        let lowered = lower(&self.model, name, shape, channels_last, logits).map_err(refuse)?;
        let (field, sees_all) = lowered.field;
        Ok(OnnxNetwork {
            graph: lowered.graph,
            weights: lowered.weights,
            takes_bytes,
            receptive_field: field.size,
            sees_all,
            probabilities: link,
            notes: note.into_iter().collect(),
        })
    }

    fn picture(
        &self,
        size: Option<[usize; 2]>,
        wished: Option<[usize; 2]>,
    ) -> Result<PictureInput<'_>, String> {
        let input = match self.model.inputs.as_slice() {
            [input] => input,
            [] => return Err("takes no input".into()),
            inputs => {
                let listed: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                let listed = listed.join(", ");
                return Err(format!("takes several inputs, not one picture: {listed}"));
            }
        };
        let no_picture = || {
            format!("takes {input}, not a picture [1, 3, height, width] or [1, height, width, 3]")
        };
        let Some([batch, a, b, c]) = input.dims.as_deref() else { return Err(no_picture()) };
        if let Dimension::Fixed(n @ 2..) = batch {
            return Err(format!(
                "takes {n} pictures at once: export it for one, or for any number"
            ));
        }
        let three = Dimension::Fixed(3);
        let is_free = |dimension: &Dimension| matches!(dimension, Dimension::Free(_));
        let names_channels = |dimension: &Dimension| matches!(dimension, Dimension::Free(name) if name.contains("chan"));
        let channels_last = match (a, c) {
            (a, _) if *a == three => false,
            (_, c) if *c == three => true,
            (a, c) if is_free(a) => is_free(c) && names_channels(c),
            _ => return Err(no_picture()),
        };
        let sides = if channels_last { [a, b] } else { [b, c] };
        let wanted = size.or(wished);
        let mut sizes = [0; 2];
        for axis in 0..2 {
            sizes[axis] = match sides[axis] {
                Dimension::Fixed(side) => *side,
                Dimension::Free(_) => {
                    let wanted = wanted.ok_or(
                        "takes pictures of any size: say which it was trained on, with --size",
                    )?;
                    wanted[axis]
                }
            };
        }
        if size.is_some_and(|size| size != sizes) {
            let [height, width] = sizes;
            return Err(format!("takes pictures of {height}x{width} only, whatever --size says"));
        }
        if sizes.into_iter().any(|side| side > MAX_SIDE) {
            return Err(format!("takes pictures of {sizes:?} pixels, more than {MAX_SIDE} a side"));
        }
        let [height, width] = sizes;
        Ok(PictureInput {
            name: &input.name,
            shape: Shape::new(3, height, width),
            channels_last,
            takes_bytes: input.kind == DataType::UINT8,
        })
    }

    /// What holds the logits of an output.
    fn ending(&self, name: Option<&str>) -> Result<Ending<'_>, String> {
        let outputs = &self.model.outputs;
        let listed = || outputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let output = match (outputs.as_slice(), name) {
            ([], _) => return Err("gives no output".into()),
            (outputs, Some(name)) => outputs
                .iter()
                .find(|output| output.name == name)
                .ok_or_else(|| format!("has no output '{name}'; it has {}", listed()))?,
            ([output], None) => output,
            _ => {
                return Err(format!("has several outputs, choose one with --output: {}", listed()));
            }
        };
        Ok(ending::of(&self.model, &output.name))
    }
}

/// Largest height and width of pictures, as of all networks here.
const MAX_SIDE: usize = 4096;

/// Where the picture goes in.
struct PictureInput<'a> {
    name: &'a str,
    shape: Shape,
    channels_last: bool,
    takes_bytes: bool,
}
