//! Names of the same tensors in torchvision, timm and elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;

/// Whose names a weight file uses; it also tells who trained it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// torchvision's (which timm shares for ResNet and DenseNet).
    Torchvision,
    /// timm's.
    Timm,
}

type Tensors = BTreeMap<String, Tensor>;

/// Prefixes that wrappers put before every name.
const WRAPPERS: [&str; 4] = ["module.", "model.", "_orig_mod.", "net."];

/// The tensors under canonical names, and the naming they came in.
pub(super) fn canonical(tensors: Tensors) -> Result<(Tensors, Naming), String> {
    let mut tensors = tensors;
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    while let Some(prefix) = common_wrapper(&tensors) {
        tensors = rename(tensors, |name| name[prefix.len()..].to_owned())?;
    }
    if tensors.contains_key("pre_logits.fc1.weight") {
        let renamed = rename(tensors, timm_vgg)?;
        return Ok((
            flatten(renamed, &["classifier.0.weight", "classifier.3.weight"])?,
            Naming::Timm,
        ));
    }
    if tensors.contains_key("conv_stem.weight") {
        let blocks = timm_blocks(&tensors);
        let renamed = rename(tensors, |name| timm_mobilenet(name, &blocks))?;
        return Ok((flatten(renamed, &["classifier.0.weight"])?, Naming::Timm));
    }
    Ok((rename(tensors, legacy_densenet)?, Naming::Torchvision))
}

fn common_wrapper(tensors: &Tensors) -> Option<&'static str> {
    let wraps =
        |prefix: &&str| !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(*prefix));
    WRAPPERS.into_iter().find(|prefix| wraps(prefix))
}

fn rename(tensors: Tensors, name: impl Fn(&str) -> String) -> Result<Tensors, String> {
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
fn flatten(mut tensors: Tensors, names: &[&str]) -> Result<Tensors, String> {
    for name in names {
        if let Some(tensor) = tensors.get_mut(*name)
            && tensor.rank() > 2
        {
            *tensor = tensor.flatten_from(1).map_err(|error| error.to_string())?;
        }
    }
    Ok(tensors)
}

fn timm_vgg(name: &str) -> String {
    const PARTS: [(&str, &str); 3] = [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ];
    replace_prefix(name, &PARTS)
}

fn replace_prefix(name: &str, parts: &[(&str, &str)]) -> String {
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
