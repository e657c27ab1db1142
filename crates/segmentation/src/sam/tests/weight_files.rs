//! Weight files: both namings, and what is wrong with some.

use std::path::Path;

use hsets_core::Silent;
use hsets_models::{
    Device,
    sam::{SamNetwork, SamWeights, hugging_face_name},
};

use super::{
    super::{
        testing::{drawn_photo, network, tiny_config},
        *,
    },
    save, settings, tensors,
};

const HALF: &[u8] = include_bytes!("../../../../../fixtures/sam/half.pth");
const NESTED: &[u8] = include_bytes!("../../../../../fixtures/sam/nested.pth");
const LEGACY: &[u8] = include_bytes!("../../../../../fixtures/sam/legacy.pth");

#[test]
fn both_namings_load_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let (meta, hugging_face) =
        (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
    save(&meta, tensors());
    let renamed = |name: &str| match hugging_face_name(name) {
        // The published files keep one copy of this matrix.
        name if name.ends_with("positional_embedding") => {
            "shared_image_embedding.positional_embedding".into()
        }
        name => name,
    };
    save(&hugging_face, tensors().into_iter().map(|(name, tensor)| (renamed(&name), tensor)));
    let photo = drawn_photo(30, 40);
    let masks = |path: &Path| {
        let weights = SamWeights::open(path).unwrap();
        assert_eq!(weights.network().unwrap(), "sam-vit-b");
        let sam = Sam::of(SamNetwork::new(tiny_config(), &weights, Device::Cpu).unwrap());
        find_masks(&sam, &photo, &settings(), &Silent).unwrap()
    };
    let expected = find_masks(&network(tiny_config()), &photo, &settings(), &Silent).unwrap();
    assert!(masks(&meta) == expected, "Meta's names");
    assert!(masks(&hugging_face) == expected, "Hugging Face's names");
}

/// Names as in `facebook/sam-vit-base`.
#[test]
fn hugging_face_names() {
    for (meta, expected) in [
        ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
        ("image_encoder.patch_embed.proj.bias", "vision_encoder.patch_embed.projection.bias"),
        ("image_encoder.blocks.3.norm1.weight", "vision_encoder.layers.3.layer_norm1.weight"),
        ("image_encoder.blocks.3.attn.rel_pos_h", "vision_encoder.layers.3.attn.rel_pos_h"),
        ("image_encoder.neck.3.bias", "vision_encoder.neck.layer_norm2.bias"),
        ("prompt_encoder.point_embeddings.2.weight", "prompt_encoder.point_embed.2.weight"),
        ("prompt_encoder.mask_downscaling.6.bias", "prompt_encoder.mask_embed.conv3.bias"),
        (
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
            "prompt_encoder.shared_embedding.positional_embedding",
        ),
        ("mask_decoder.output_upscaling.3.weight", "mask_decoder.upscale_conv2.weight"),
        (
            "mask_decoder.transformer.norm_final_attn.bias",
            "mask_decoder.transformer.layer_norm_final_attn.bias",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.1.layers.1.weight",
            "mask_decoder.output_hypernetworks_mlps.1.layers.0.weight",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.1.layers.2.weight",
            "mask_decoder.output_hypernetworks_mlps.1.proj_out.weight",
        ),
        (
            "mask_decoder.iou_prediction_head.layers.0.weight",
            "mask_decoder.iou_prediction_head.proj_in.weight",
        ),
        (
            "mask_decoder.iou_prediction_head.layers.1.weight",
            "mask_decoder.iou_prediction_head.layers.0.weight",
        ),
    ] {
        assert_eq!(hugging_face_name(meta), expected);
    }
}

#[test]
fn pickled_half_floats_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.pth");
    std::fs::write(&path, HALF).unwrap();
    let weights = SamWeights::open(&path).unwrap();
    let values = weights.get("image_encoder.a", &[2, 3]).unwrap();
    assert_eq!(values, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    assert_eq!(weights.get("b", &[2]).unwrap(), [1.5, -2.0]);
    let error = weights.get("b", &[3]).unwrap_err().to_string();
    assert!(error.contains("tensor b has shape [2], expected [3]"), "{error}");
    let error = weights.network().unwrap_err().to_string();
    assert!(error.contains("not the weights of a Segment Anything network"), "{error}");
}

/// What training scripts save: the network's tensors in a dict of a dict, under the marks of
/// wrappers, beside others; the form before zip files.
#[test]
fn checkpoints_of_fine_tunes_are_read() {
    for bytes in [NESTED, LEGACY] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        std::fs::write(&path, bytes).unwrap();
        let weights = SamWeights::open(&path).unwrap();
        assert_eq!(weights.network().unwrap(), "sam-vit-b");
        let values = weights.get("image_encoder.blocks.0.norm1.weight", &[3]).unwrap();
        assert_eq!(values, [0.5, 1.5, -2.0]);
        assert!(weights.get("best_loss", &[]).is_err());
    }
}

#[test]
fn bad_weight_files_are_named_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save(&path, tensors());
    let error = Sam::load(&path, Some(SamVariant::VitH), Device::Cpu).unwrap_err();
    assert!(matches!(&error, WeightsError::WrongNetwork { found, .. } if found == "sam-vit-b"));
    assert!(error.to_string().contains("holds the weights of sam-vit-b, not of sam-vit-h"));
    // The tiny network has the blocks of no published one.
    assert!(matches!(Sam::load(&path, None, Device::Cpu), Err(WeightsError::Shape { .. })));
    let whole = std::fs::read(&path).unwrap();
    for (name, bytes) in [
        ("cut.safetensors", &whole[..whole.len() / 2]),
        ("empty.safetensors", &[]),
        ("cut.pth", &HALF[..HALF.len() / 2]),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = Sam::load(&path, None, Device::Cpu).unwrap_err();
        assert!(matches!(error, WeightsError::Read { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = Sam::load_verified(&path, None, Device::Cpu, &"0".repeat(64)).unwrap_err();
    assert!(matches!(&error, WeightsError::Digest { found, .. } if found.len() == 64), "{error}");
    let absent = Sam::load(&folder.path().join("absent.pth"), None, Device::Cpu).unwrap_err();
    assert!(matches!(absent, WeightsError::Read { .. }));
}
