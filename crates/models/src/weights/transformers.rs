//! Names of ConvNeXt's and ViT's tensors in torchvision, in the authors' programs and in Hugging
//! Face's transformers; canonical are timm's.

use super::naming::{Listed, Naming, Tensors, rename, replace_prefix};

/// The tensors under timm's names and whose names they had, if they are of one of these families.
pub(super) fn canonical(
    mut tensors: Tensors,
) -> Result<Result<(Tensors, Naming), Tensors>, String> {
    let has = |name: &str| tensors.contains_key(name);
    let (renamed, naming) = if has("patch_embed.proj.weight") && has("blocks.0.norm1.weight") {
        tensors.remove("mask_token"); // of training
        (tensors, Naming::Timm)
    } else if has("conv_proj.weight") && has("class_token") {
        (rename(tensors, torchvision_vit)?, Naming::Torchvision)
    } else if has("embeddings.patch_embeddings.projection.weight")
        || ["vit.", "deit.", "dinov2."]
            .iter()
            .any(|prefix| has(&format!("{prefix}embeddings.patch_embeddings.projection.weight")))
    {
        (huggingface_vit(tensors)?, Naming::HuggingFace)
    } else if has("stem.0.weight") && has("stages.0.blocks.0.conv_dw.weight") {
        (tensors, Naming::Timm)
    } else if has("features.1.0.layer_scale") {
        (flat_scales(rename(tensors, torchvision_convnext)?), Naming::Torchvision)
    } else if ["", "convnext."]
        .iter()
        .any(|p| has(&format!("{p}embeddings.patch_embeddings.weight")))
    {
        (rename(tensors, huggingface_convnext)?, Naming::HuggingFace)
    } else if has("downsample_layers.0.0.weight") {
        (rename(tensors, original_convnext)?, Naming::Timm)
    } else {
        return Ok(Err(tensors));
    };
    Ok(Ok((renamed, naming)))
}

/// `encoder.layers.encoder_layer_3.ln_1.weight` is `blocks.3.norm1.weight`.
fn torchvision_vit(name: &str) -> String {
    const OUTSIDE: [(&str, &str); 5] = [
        ("class_token", "cls_token"),
        ("conv_proj.", "patch_embed.proj."),
        ("encoder.pos_embedding", "pos_embed"),
        ("encoder.ln.", "norm."),
        ("heads.head.", "head."),
    ];
    const WITHIN: [(&str, &str); 8] = [
        ("ln_1.", "norm1."),
        ("self_attention.in_proj_", "attn.qkv."),
        ("self_attention.out_proj.", "attn.proj."),
        ("ln_2.", "norm2."),
        ("mlp.0.", "mlp.fc1."),
        ("mlp.linear_1.", "mlp.fc1."),
        ("mlp.3.", "mlp.fc2."),
        ("mlp.linear_2.", "mlp.fc2."),
    ];
    let block = name.strip_prefix("encoder.layers.encoder_layer_").and_then(|n| n.split_once('.'));
    match block {
        Some((block, rest)) => format!("blocks.{block}.{}", replace_prefix(rest, &WITHIN)),
        None => replace_prefix(name, &OUTSIDE),
    }
}

/// Query, key and value are one matrix in timm.
fn huggingface_vit(tensors: Tensors) -> Result<Tensors, String> {
    const OUTSIDE: [(&str, &str); 7] = [
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
        ("layernorm.", "norm."),
        ("classifier.", "head."),
        ("encoder.layer.", "blocks."),
        ("layers.", "blocks."),
    ];
    // The names of its files, and those its modules have had since version 5.
    const WITHIN: [(&str, &str); 15] = [
        ("attention.attention.query.", "attn.q."),
        ("attention.attention.key.", "attn.k."),
        ("attention.attention.value.", "attn.v."),
        ("attention.output.dense.", "attn.proj."),
        ("attention.q_proj.", "attn.q."),
        ("attention.k_proj.", "attn.k."),
        ("attention.v_proj.", "attn.v."),
        ("attention.o_proj.", "attn.proj."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
        ("layernorm_before.", "norm1."),
        ("layernorm_after.", "norm2."),
        ("layer_scale1.lambda1", "ls1.gamma"),
        ("layer_scale2.lambda1", "ls2.gamma"),
        ("norm", "norm"),
    ];
    let timm = |name: &str| {
        let prefix =
            ["vit.", "deit.", "dinov2."].into_iter().find(|prefix| name.starts_with(prefix));
        let name = replace_prefix(&name[prefix.map_or(0, str::len)..], &OUTSIDE);
        let block = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'));
        match block {
            Some((block, rest)) => format!("blocks.{block}.{}", replace_prefix(rest, &WITHIN)),
            None => name,
        }
    };
    let mut renamed = rename(tensors, timm)?;
    // Of training, or of a part that classifiers leave out.
    renamed.retain(|name, _| !name.ends_with("mask_token") && !name.starts_with("pooler."));
    for block in 0.. {
        for suffix in ["weight", "bias"] {
            let part = |letter: &str| format!("blocks.{block}.attn.{letter}.{suffix}");
            let [query, key, value] = ["q", "k", "v"].map(|letter| renamed.remove(&part(letter)));
            let (Some(query), Some(key), Some(value)) = (query, key, value) else {
                return Ok(renamed);
            };
            let differ = || format!("query, key and value of block {block} differ in shape");
            renamed.insert(part("qkv"), query.with(vec![key, value]).ok_or_else(differ)?);
        }
    }
    Ok(renamed)
}

/// `features.3.2.block.5.weight` is `stages.1.blocks.2.mlp.fc2.weight`.
fn torchvision_convnext(name: &str) -> String {
    const OUTSIDE: [(&str, &str); 4] = [
        ("features.0.0.", "stem.0."),
        ("features.0.1.", "stem.1."),
        ("classifier.0.", "head.norm."),
        ("classifier.2.", "head.fc."),
    ];
    const WITHIN: [(&str, &str); 5] = [
        ("block.0.", "conv_dw."),
        ("block.2.", "norm."),
        ("block.3.", "mlp.fc1."),
        ("block.5.", "mlp.fc2."),
        ("layer_scale", "gamma"),
    ];
    let outside = replace_prefix(name, &OUTSIDE);
    let inside = || {
        let (index, rest) = outside.strip_prefix("features.")?.split_once('.')?;
        let index: usize = index.parse().ok()?;
        if index.is_multiple_of(2) {
            return Some(format!("stages.{}.downsample.{rest}", index / 2));
        }
        let (block, rest) = rest.split_once('.')?;
        Some(format!("stages.{}.blocks.{block}.{}", index / 2, replace_prefix(rest, &WITHIN)))
    };
    inside().unwrap_or(outside)
}

/// Layer scales \[C, 1, 1\] to \[C\].
fn flat_scales(tensors: Tensors) -> Tensors {
    let flat = |(name, tensor): (String, Listed)| {
        let is_scale = name.rsplit('.').next() == Some("gamma");
        (name, if is_scale { tensor.flat() } else { tensor })
    };
    tensors.into_iter().map(flat).collect()
}

/// What a block's layers are called by the authors and by Hugging Face.
const CONVNEXT_BLOCK: [(&str, &str); 6] = [
    ("dwconv.", "conv_dw."),
    ("layernorm.", "norm."),
    ("pwconv1.", "mlp.fc1."),
    ("pwconv2.", "mlp.fc2."),
    ("layer_scale_parameter", "gamma"),
    ("norm", "norm"),
];

fn convnext_block(stage: &str, rest: &str) -> Option<String> {
    let (block, rest) = rest.split_once('.')?;
    Some(format!("stages.{stage}.blocks.{block}.{}", replace_prefix(rest, &CONVNEXT_BLOCK)))
}

fn huggingface_convnext(name: &str) -> String {
    const OUTSIDE: [(&str, &str); 4] = [
        ("embeddings.patch_embeddings.", "stem.0."),
        ("embeddings.layernorm.", "stem.1."),
        ("layernorm.", "head.norm."),
        ("classifier.", "head.fc."),
    ];
    let name = name.strip_prefix("convnext.").unwrap_or(name);
    let inside = || {
        let (stage, rest) = name.strip_prefix("encoder.stages.")?.split_once('.')?;
        if let Some(rest) = rest.strip_prefix("downsampling_layer.") {
            return Some(format!("stages.{stage}.downsample.{rest}"));
        }
        convnext_block(stage, rest.strip_prefix("layers.")?)
    };
    inside().unwrap_or_else(|| replace_prefix(name, &OUTSIDE))
}

fn original_convnext(name: &str) -> String {
    const OUTSIDE: [(&str, &str); 3] =
        [("downsample_layers.0.", "stem."), ("norm.", "head.norm."), ("head.", "head.fc.")];
    let inside = || {
        if let Some(rest) = name.strip_prefix("downsample_layers.") {
            let (stage, rest) = rest.split_once('.')?;
            return (stage != "0").then(|| format!("stages.{stage}.downsample.{rest}"));
        }
        let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
        convnext_block(stage, rest)
    };
    inside().unwrap_or_else(|| replace_prefix(name, &OUTSIDE))
}
