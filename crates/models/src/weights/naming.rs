//! Names of the same tensors in torchvision, timm and elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use hsets_weights::StateDict;

use super::transformers;

/// Whose names a weight file uses; it also tells who trained it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// torchvision's (which timm shares for ResNet and DenseNet).
    Torchvision,
    /// timm's.
    Timm,
    /// That of Hugging Face's transformers.
    HuggingFace,
}

/// Tensors of a file by the names of a network, not read yet.
pub(crate) type Tensors = BTreeMap<String, Listed>;

/// A tensor of a file, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name in the file.
    pub(crate) full: String,
    /// Those that follow it along the first axis, where one tensor here is several there.
    joined: Vec<String>,
    /// The shape that the network has it in; the elements are the file's.
    dims: Vec<usize>,
}

impl Listed {
    pub(crate) fn new(full: &str, dims: &[usize]) -> Self {
        Self { full: full.to_owned(), joined: Vec::new(), dims: dims.to_vec() }
    }

    /// The names in the file of all its parts.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.full).chain(&self.joined).map(String::as_str)
    }

    /// With others behind it, along the first axis; `None` if their shapes differ.
    pub(super) fn with(mut self, others: Vec<Self>) -> Option<Self> {
        for other in others {
            if other.dims != self.dims[..] && other.dims.get(1..) != self.dims.get(1..) {
                return None;
            }
            self.dims[0] += other.dims[0];
            self.joined.push(other.full);
        }
        Some(self)
    }

    /// As a vector.
    pub(super) fn flat(self) -> Self {
        Self { dims: vec![self.dims.iter().product()], ..self }
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }
}

/// What is in a state dict.
pub(crate) fn listed(dict: &StateDict<'_>) -> Tensors {
    let of =
        |(name, full, dims): (&str, &str, &[usize])| (name.to_owned(), Listed::new(full, dims));
    dict.iter().map(of).collect()
}

/// The tensors under canonical names, and the naming they came in.
pub(crate) fn canonical(tensors: Tensors) -> Result<(Tensors, Naming), String> {
    let mut tensors = tensors;
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    if tensors.contains_key("embedder.embedder.convolution.weight") {
        return Ok((rename(tensors, hugging_face_resnet)?, Naming::Torchvision));
    }
    let tensors = match transformers::canonical(tensors)? {
        Ok(known) => return Ok(known),
        Err(others) => others,
    };
    if tensors.contains_key("pre_logits.fc1.weight") {
        let renamed = rename(tensors, timm_vgg)?;
        let fully_connected = ["classifier.0.weight", "classifier.3.weight"];
        return Ok((flatten(renamed, &fully_connected), Naming::Timm));
    }
    if tensors.contains_key("features.1.0.block.0.0.weight") {
        let blocks = torchvision_efficientnet_blocks(&tensors);
        let renamed = rename(tensors, |name| torchvision_efficientnet(name, &blocks))?;
        return Ok((renamed, Naming::Torchvision));
    }
    if tensors.keys().any(|name| name.starts_with("trunk_output.")) {
        return Ok((rename(tensors, torchvision_regnet)?, Naming::Torchvision));
    }
    if is_timm(&tensors) {
        return Ok((tensors, Naming::Timm));
    }
    if tensors.contains_key("conv_stem.weight") {
        let blocks = timm_blocks(&tensors);
        let renamed = rename(tensors, |name| timm_mobilenet(name, &blocks))?;
        return Ok((flatten(renamed, &["classifier.0.weight"]), Naming::Timm));
    }
    Ok((rename(tensors, legacy_densenet)?, Naming::Torchvision))
}

/// Whether these are the names of a family whose canonical names are timm's.
fn is_timm(tensors: &Tensors) -> bool {
    let has = |name: &str| tensors.contains_key(name);
    // MobileNets begin alike; a V3 has a bias on its last convolution, a V2 is gated nowhere and
    // has no 5×5 convolution.
    let is_wide = |(name, tensor): (&String, &Listed)| {
        name.ends_with("conv_dw.weight") && tensor.dims().last() == Some(&5)
    };
    let is_efficientnet = || {
        let has_part = |part: &str| tensors.keys().any(|name| name.contains(part));
        has_part(".se.") || has_part(".conv_exp.") || tensors.iter().any(is_wide)
    };
    has("stem.conv.weight") && has("s1.b1.conv1.conv.weight")
        || has("conv_stem.weight") && !has("conv_head.bias") && is_efficientnet()
}

/// The layers of every block of torchvision's EfficientNet, and which of them is the gate.
type Blocks = BTreeMap<String, (usize, Option<usize>)>;

fn torchvision_efficientnet_blocks(tensors: &Tensors) -> Blocks {
    let mut blocks = Blocks::new();
    for name in tensors.keys() {
        let Some((block, rest)) = name.split_once(".block.") else { continue };
        let Some((layer, rest)) = rest.split_once('.') else { continue };
        let Ok(layer) = layer.parse::<usize>() else { continue };
        let entry = blocks.entry(block.to_owned()).or_default();
        entry.0 = entry.0.max(layer + 1);
        if rest.starts_with("fc1.") {
            entry.1 = Some(layer);
        }
    }
    blocks
}

/// `features.2.0.block.1.0.weight` is `blocks.1.0.conv_dw.weight` in timm, where a layer is called
/// by what it does.
fn torchvision_efficientnet(name: &str, blocks: &Blocks) -> String {
    let in_block = |name: &str| {
        let (block, rest) = name.split_once(".block.")?;
        let &(n_layers, gate) = blocks.get(block)?;
        let mut parts = block.strip_prefix("features.")?.split('.');
        let stage: usize = parts.next()?.parse().ok()?;
        let index = parts.next()?;
        let (layer, rest) = rest.split_once('.')?;
        let layer: usize = layer.parse().ok()?;
        let within = if gate == Some(layer) {
            let rest = rest.replacen("fc1.", "conv_reduce.", 1);
            format!("se.{}", rest.replacen("fc2.", "conv_expand.", 1))
        } else {
            let convs: &[&str] = match (n_layers, gate) {
                (1, _) => &["conv"],
                (_, None) => &["conv_exp", "conv_pwl"],
                (3, _) => &["conv_dw", "conv_pw"],
                _ => &["conv_pw", "conv_dw", "conv_pwl"],
            };
            let layer = layer - usize::from(gate.is_some_and(|gate| gate < layer));
            let (kind, suffix) = rest.split_once('.')?;
            let conv = convs.get(layer)?;
            if kind == "0" {
                format!("{conv}.{suffix}")
            } else {
                format!("bn{}.{suffix}", layer + 1)
            }
        };
        Some(format!("blocks.{}.{index}.{within}", stage.checked_sub(1)?))
    };
    let head = blocks.keys().filter_map(|block| block.split('.').nth(1)?.parse::<usize>().ok());
    let head = head.max().unwrap_or(0) + 1;
    in_block(name).unwrap_or_else(|| {
        let head = [format!("features.{head}.0."), format!("features.{head}.1.")];
        let parts = [
            ("features.0.0.", "conv_stem."),
            ("features.0.1.", "bn1."),
            (head[0].as_str(), "conv_head."),
            (head[1].as_str(), "bn2."),
            ("classifier.1.", "classifier."),
        ];
        replace_prefix(name, &parts)
    })
}

/// `trunk_output.block2.block2-0.f.b.1.bias` is `s2.b1.conv2.bn.bias` in timm.
fn torchvision_regnet(name: &str) -> String {
    const PARTS: [(&str, &str); 9] = [
        ("proj.0.", "downsample.conv."),
        ("proj.1.", "downsample.bn."),
        ("f.a.0.", "conv1.conv."),
        ("f.a.1.", "conv1.bn."),
        ("f.b.0.", "conv2.conv."),
        ("f.b.1.", "conv2.bn."),
        ("f.c.0.", "conv3.conv."),
        ("f.c.1.", "conv3.bn."),
        ("f.se.", "se."),
    ];
    let in_block = |name: &str| {
        let (stage, rest) = name.strip_prefix("trunk_output.block")?.split_once('.')?;
        let (block, rest) = rest.split_once('-')?.1.split_once('.')?;
        let block = block.parse::<usize>().ok()? + 1;
        Some(format!("s{stage}.b{block}.{}", replace_prefix(rest, &PARTS)))
    };
    let outside = [("stem.0.", "stem.conv."), ("stem.1.", "stem.bn."), ("fc.", "head.fc.")];
    in_block(name).unwrap_or_else(|| replace_prefix(name, &outside))
}

pub(super) fn rename(tensors: Tensors, name: impl Fn(&str) -> String) -> Result<Tensors, String> {
    let mut renamed = Tensors::new();
    for (old, tensor) in tensors {
        let new = name(&old);
        if renamed.insert(new.clone(), tensor).is_some() {
            return Err(format!("two tensors are the network's {new}, one of them {old}"));
        }
    }
    Ok(renamed)
}

/// Fully connected layers that timm keeps as convolutions: \[O, I, kh, kw\] to \[O, I·kh·kw\].
fn flatten(mut tensors: Tensors, names: &[&str]) -> Tensors {
    for name in names {
        if let Some(Listed { dims, .. }) = tensors.get_mut(*name)
            && dims.len() > 2
        {
            let columns = dims.drain(1..).product();
            dims.push(columns);
        }
    }
    tensors
}

/// `encoder.stages.0.layers.2.layer.1.convolution.weight` is `layer1.2.conv2.weight` in torchvision.
fn hugging_face_resnet(name: &str) -> String {
    const STEM: [(&str, &str); 2] = [
        ("embedder.embedder.convolution.", "conv1."),
        ("embedder.embedder.normalization.", "bn1."),
    ];
    let in_block = |name: &str| {
        let (stage, rest) = name.strip_prefix("encoder.stages.")?.split_once('.')?;
        let (block, rest) = rest.strip_prefix("layers.")?.split_once('.')?;
        let stage = stage.parse::<usize>().ok()? + 1;
        let rest = if let Some(rest) = rest.strip_prefix("shortcut.") {
            replace_prefix(
                rest,
                &[("convolution.", "downsample.0."), ("normalization.", "downsample.1.")],
            )
        } else {
            let (layer, rest) = rest.strip_prefix("layer.")?.split_once('.')?;
            let layer = layer.parse::<usize>().ok()? + 1;
            let (conv, norm) = (format!("conv{layer}."), format!("bn{layer}."));
            replace_prefix(rest, &[("convolution.", &conv), ("normalization.", &norm)])
        };
        Some(format!("layer{stage}.{block}.{rest}"))
    };
    in_block(name).unwrap_or_else(|| replace_prefix(name, &STEM))
}

fn timm_vgg(name: &str) -> String {
    const PARTS: [(&str, &str); 3] = [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ];
    replace_prefix(name, &PARTS)
}

pub(super) fn replace_prefix(name: &str, parts: &[(&str, &str)]) -> String {
    let part = parts.iter().find(|(from, _)| name.starts_with(from));
    part.map_or_else(|| name.to_owned(), |(from, to)| format!("{to}{}", &name[from.len()..]))
}

/// torchvision's first checkpoints say `norm.1` where its code says `norm1`.
fn legacy_densenet(name: &str) -> String {
    let parts = ["norm.1.", "norm.2.", "conv.1.", "conv.2."];
    match parts.into_iter().find(|part| name.contains("denselayer") && name.contains(part)) {
        Some(part) => name.replacen(part, &part.replacen('.', "", 1), 1),
        None => name.to_owned(),
    }
}

/// timm's MobileNets count blocks by stage, torchvision's from first to last.
struct TimmBlocks {
    /// (stage, block), in order.
    order: Vec<(usize, usize)>,
    /// The block that is a plain convolution, the last of a MobileNetV3.
    plain: Option<(usize, usize)>,
    /// Blocks that expand first.
    expanding: BTreeSet<(usize, usize)>,
    /// Blocks with squeeze-and-excite.
    gated: BTreeSet<(usize, usize)>,
}

fn timm_blocks(tensors: &Tensors) -> TimmBlocks {
    let with = |part: &str| -> BTreeSet<(usize, usize)> {
        let blocks = tensors.keys().filter_map(|name| timm_block(name));
        blocks.filter(|(_, rest)| rest.starts_with(part)).map(|(block, _)| block).collect()
    };
    TimmBlocks {
        order: with("").into_iter().collect(),
        plain: with("conv.").into_iter().next(),
        expanding: with("conv_pwl."),
        gated: with("se."),
    }
}

/// Stage and block of a name such as `blocks.2.1.conv_dw.weight`, and what follows.
fn timm_block(name: &str) -> Option<((usize, usize), &str)> {
    let (stage, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let (block, rest) = rest.split_once('.')?;
    Some(((stage.parse().ok()?, block.parse().ok()?), rest))
}

fn timm_mobilenet(name: &str, blocks: &TimmBlocks) -> String {
    let is_v3 = blocks.plain.is_some();
    let Some((block, rest)) = timm_block(name) else {
        let last = blocks.order.len() + 1;
        let head = if is_v3 { "classifier.0.".into() } else { format!("features.{last}.0.") };
        let parts = [
            ("conv_stem.", "features.0.0.".to_owned()),
            ("bn1.", "features.0.1.".to_owned()),
            ("conv_head.", head),
            ("bn2.", format!("features.{last}.1.")),
            ("classifier.", if is_v3 { "classifier.3." } else { "classifier.1." }.to_owned()),
        ];
        let parts = parts.each_ref().map(|(from, to)| (*from, to.as_str()));
        return replace_prefix(name, &parts);
    };
    let index = blocks.order.iter().position(|known| *known == block).unwrap_or(0) + 1;
    let Some((layer, suffix)) = rest.rsplit_once('.') else { return name.to_owned() };
    let within = if blocks.plain == Some(block) {
        if layer == "conv" { "0".into() } else { "1".into() }
    } else {
        timm_layer(layer, is_v3, blocks.expanding.contains(&block), blocks.gated.contains(&block))
    };
    let body = match (blocks.plain == Some(block), is_v3) {
        (true, _) => String::new(),
        (false, true) => "block.".into(),
        (false, false) => "conv.".into(),
    };
    format!("features.{index}.{body}{within}.{suffix}")
}

/// Position of a layer in torchvision's block: [expand], filter, [squeeze-excite], project.
///
/// Where a block does not expand, timm calls the projection `conv_pw` and its norm `bn2`.
fn timm_layer(layer: &str, is_v3: bool, expands: bool, gated: bool) -> String {
    let filter = usize::from(expands);
    let project = filter + 1 + usize::from(gated);
    let (norm, pointwise) =
        (format!("bn{}", filter + 2), if expands { "conv_pwl" } else { "conv_pw" });
    match layer {
        "conv_dw" => format!("{filter}.0"),
        "se.conv_reduce" => format!("{}.fc1", filter + 1),
        "se.conv_expand" => format!("{}.fc2", filter + 1),
        // MobileNetV2's projection is not wrapped: convolution and norm follow one another.
        other if other == pointwise && is_v3 => format!("{project}.0"),
        other if other == norm && is_v3 => format!("{project}.1"),
        other if other == pointwise => format!("{project}"),
        other if other == norm => format!("{}", project + 1),
        "conv_pw" => "0.0".into(),
        "bn1" if expands => "0.1".into(),
        "bn1" | "bn2" => format!("{filter}.1"),
        other => other.to_owned(),
    }
}
