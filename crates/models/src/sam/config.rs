//! What distinguishes one Segment Anything network from another.

/// Sizes of a Segment Anything network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamConfig {
    /// Side of the square the photo is fitted into, a multiple of 16; 1024 in every published one.
    pub image_size: usize,
    /// The image encoder.
    pub encoder: EncoderConfig,
    /// Channels of the image embedding and of the decoder, a multiple of 32; 256.
    pub dim: usize,
    /// Hidden channels of the decoder's MLP; 2048.
    pub mlp_dim: usize,
}

/// Sizes of an image encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncoderConfig {
    /// A plain vision transformer with windowed and global attention (`ViTDet`).
    Vit(VitConfig),
    /// `TinyViT`, of `MobileSAM`.
    TinyVit(TinyVitConfig),
}

/// Sizes of a vision transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitConfig {
    /// Side of a patch: 16.
    pub patch: usize,
    /// Channels.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Side of a window: 14.
    pub window: usize,
    /// Blocks that attend to the whole grid instead.
    pub global: Vec<usize>,
}

/// Sizes of a `TinyViT`, per stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TinyVitConfig {
    /// Channels.
    pub dims: [usize; 4],
    /// Blocks; the first stage has convolutions, the others attention.
    pub depths: [usize; 4],
    /// Heads of each attention; the first is not used.
    pub heads: [usize; 4],
    /// Sides of the windows; the first is not used.
    pub windows: [usize; 4],
}

impl SamConfig {
    /// Names of the published networks, smallest encoder first.
    pub const NAMES: [&str; 4] = ["mobile-sam", "sam-vit-b", "sam-vit-l", "sam-vit-h"];

    /// Sizes of a published network.
    pub fn published(name: &str) -> Option<Self> {
        let vit = |dim, depth, heads| {
            let global = (1..=4).map(|i| i * depth / 4 - 1).collect();
            EncoderConfig::Vit(VitConfig { patch: 16, dim, depth, heads, window: 14, global })
        };
        let encoder = match name {
            "sam-vit-b" => vit(768, 12, 12),
            "sam-vit-l" => vit(1024, 24, 16),
            "sam-vit-h" => vit(1280, 32, 16),
            "mobile-sam" => EncoderConfig::TinyVit(TinyVitConfig {
                dims: [64, 128, 160, 320],
                depths: [2, 2, 6, 2],
                heads: [2, 4, 5, 10],
                windows: [7, 7, 14, 7],
            }),
            _ => return None,
        };
        Some(Self { image_size: 1024, encoder, dim: 256, mlp_dim: 2048 })
    }

    /// Side of the image embedding: 64.
    pub fn grid(&self) -> usize {
        self.image_size / 16
    }
}
