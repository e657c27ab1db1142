//! For tests: networks with the random weights of `fixtures/sam/networks.py`, and a drawn photo.

use hsets_core::Photo;

use hsets_models::{
    Device,
    sam::{SamNetwork, SamWeights},
};

use super::{EncoderConfig, Sam, SamConfig, TinyVitConfig, VitConfig};

/// Uniform numbers that depend on the name and the shape of a tensor only.
pub(super) fn random_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed =
        name.replace("q_proj", "k_proj").bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
    let n: usize = shape.iter().product();
    let (mut offset, mut scale) = if name.ends_with("running_var") {
        (1.0_f32, 0.5_f64)
    } else if shape.len() == 1 {
        (f32::from(u8::from(name.ends_with("weight"))), 0.1)
    } else if name.contains("pos_embed") {
        (0.0, 0.5)
    } else if shape[0] <= 4 && shape.len() == 2 || name.contains("attention_biases") {
        (0.0, 1.5)
    } else {
        (0.0, (3.0 * shape[0] as f64 / n as f64).sqrt())
    };
    if name.contains("k_proj.weight") || name.contains("q_proj.weight") {
        scale *= if name.contains("self_attn") { 1.0 } else { 2.0 };
    } else if name.contains("image_to_token.out_proj.weight") {
        scale *= 3.0;
    } else if name.contains("neck.3.") {
        (offset, scale) = (0.3 * offset, 0.3 * scale);
    } else if name.contains("hypernetworks") && name.ends_with("layers.2.bias") {
        offset = -0.6;
    }
    let number = |i: usize| {
        let z = seed.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        let u = (z >> 40) as f32 / 8_388_608.0 - 1.0;
        u * scale as f32 + offset
    };
    (1..=n).map(number).collect()
}

/// The tiny network `tiny` of `networks.py`: a ViT.
pub fn tiny_config() -> SamConfig {
    let vit = VitConfig { patch: 16, dim: 32, depth: 4, heads: 2, window: 3, global: vec![1, 3] };
    SamConfig { image_size: 128, encoder: EncoderConfig::Vit(vit), dim: 256, mlp_dim: 64 }
}

/// The tiny network `tiny-vit-encoder` of `networks.py`: a `TinyViT`.
pub fn tiny_mobile_config() -> SamConfig {
    let vit = TinyVitConfig {
        dims: [8, 16, 24, 320],
        depths: [1, 1, 2, 1],
        heads: [1, 2, 3, 10],
        windows: [7, 7, 5, 3],
    };
    SamConfig { image_size: 128, encoder: EncoderConfig::TinyVit(vit), dim: 256, mlp_dim: 64 }
}

/// A network with random weights. They depend on the names and shapes of its tensors only.
///
/// # Panics
///
/// If the sizes do not fit each other.
#[allow(clippy::unwrap_used, reason = "for tests")]
pub fn network(config: SamConfig) -> Sam {
    let weights = SamWeights::generated(random_tensor);
    Sam::of(SamNetwork::new(config, &weights, Device::Cpu).unwrap())
}

/// A drawn photo: a disc and a bar on a gradient; the same as `golden.py` draws.
///
/// # Panics
///
/// If a side is 0.
#[allow(clippy::unwrap_used, reason = "for tests")]
pub fn drawn_photo(width: usize, height: usize) -> Photo {
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (3 * x as i64 - width as i64, 2 * y as i64 - height as i64);
            if dx * dx + dy * dy < (height * height / 3) as i64 {
                rgb.extend([220, (40 + x % 7) as u8, 30]);
            } else if x > 2 * width / 3 && y > height / 4 {
                rgb.extend([20, (60 + y % 5) as u8, 200]);
            } else {
                rgb.extend([(255 * x / width) as u8, (255 * y / height) as u8, 128]);
            }
        }
    }
    Photo::new(width, height, rgb).unwrap()
}
