//! Vision transformers (Dosovitskiy et al. 2020, "An Image Is Worth 16x16 Words"), DeiT (Touvron et
//! al. 2021) and DINOv2 with a linear head (Oquab et al. 2023), as in timm, torchvision and Hugging
//! Face's transformers.
//!
//! The names are timm's. At other sizes than trained the position embeddings are interpolated, as
//! timm does.

use candle_core::{DType, Device, Tensor};
use hsets_autodiff::{Activation, Conv2d, NodeId, Weights};

use crate::error::{Error, Result};
use crate::layers::Layers;
use crate::preprocessing::Preprocessing;
use crate::resample::{Interpolation, weights};
use crate::weights::Naming;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vit {
    width: usize,
    n_heads: usize,
    /// Side of a patch.
    patch: usize,
    /// Side of the pictures it was trained on.
    side: usize,
    origin: Origin,
}

/// Who trained it: decides how pictures are prepared, and for DINOv2 the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// timm's `vit_`: mean and standard deviation 0.5.
    Augreg,
    /// `deit_`.
    DeiT,
    /// torchvision's `vit_b_16`.
    Torchvision,
    /// With a scale for each branch.
    DinoV2,
    /// As Hugging Face has it: the head reads the mean of the patches, too.
    DinoV2Mean,
}

const N_BLOCKS: usize = 12;

impl Vit {
    const fn new([width, n_heads]: [usize; 2], patch: usize, side: usize, origin: Origin) -> Self {
        Self { width, n_heads, patch, side, origin }
    }

    /// That of its weights: timm's, or torchvision's.
    pub(crate) fn preprocessing(self) -> Preprocessing {
        let bicubic =
            Preprocessing { interpolation: Interpolation::Bicubic, ..Preprocessing::IMAGENET };
        let base = match self.origin {
            Origin::Torchvision => return Preprocessing::IMAGENET,
            Origin::Augreg => Preprocessing { mean: [0.5; 3], std: [0.5; 3], ..bicubic },
            Origin::DeiT | Origin::DinoV2 | Origin::DinoV2Mean => bicubic,
        };
        let fraction = if self.side > 224 { 1.0 } else { 0.9 };
        base.with_input_size([self.side; 2]).with_crop_fraction(fraction)
    }

    /// eps of layer norm.
    pub(crate) fn norm_eps(self, naming: Naming) -> f64 {
        if naming == Naming::HuggingFace && !self.scales_branches() { 1e-12 } else { 1e-6 }
    }

    /// The same network as the one whose weights these are: torchvision prepares pictures in another
    /// way than timm.
    pub(crate) fn named_by(self, naming: Naming) -> Self {
        match (naming, self.origin) {
            (Naming::Torchvision, Origin::Augreg) => Self { origin: Origin::Torchvision, ..self },
            _ => self,
        }
    }

    fn scales_branches(self) -> bool {
        matches!(self.origin, Origin::DinoV2 | Origin::DinoV2Mean)
    }

    /// Rows and columns of patches of a picture.
    fn grid(self, [height, width]: [usize; 2]) -> [usize; 2] {
        [height / self.patch, width / self.patch]
    }

    /// Side of the pictures that position embeddings of this shape were trained on: square ones.
    pub(crate) fn side_of(self, positions: &[usize]) -> Option<usize> {
        let &[1, n, _] = positions else { return None };
        let side = n.checked_sub(1)?.isqrt();
        (side > 0 && side * side + 1 == n).then_some(side * self.patch)
    }

    pub(crate) fn build(self, g: &mut Layers) -> hsets_autodiff::Result<NodeId> {
        let image = g.input();
        let eps = g.norm_eps();
        let patches = Conv2d::new(self.width, self.patch).with_stride(self.patch).with_bias();
        let x = g.conv2d(image, "patch_embed.proj", patches)?;
        let shape = g.shape(x);
        let (width, n_patches) = (shape.channels, shape.n_pixels());
        if width != self.width {
            let reason = format!("{width} channels, not {}: the heads can't be told", self.width);
            let name = "patch_embed.proj".into();
            return Err(hsets_autodiff::Error::Graph { op: "vit", name, reason });
        }
        // Tokens are columns: a linear layer runs along the first axis.
        let x = g.reshape(x, &[width, n_patches])?;
        let token = g.parameter("cls_token", &[1, 1, width])?;
        let token = g.reshape(token, &[width, 1])?;
        let x = g.concat_along(1, &[token, x])?;
        let positions = g.parameter("pos_embed", &[1, 1 + n_patches, width])?;
        let positions = g.reshape(positions, &[1 + n_patches, width])?;
        let positions = g.transpose(positions)?;
        let mut x = g.add(x, positions)?;
        for block in 0..N_BLOCKS {
            let named = |part: &str| format!("blocks.{block}.{part}");
            let y = g.layer_norm(x, &named("norm1"), 0, eps)?;
            let y = self.attention(g, y, &named("attn"))?;
            x = self.branch(g, x, y, &named("ls1.gamma"))?;
            let y = g.layer_norm(x, &named("norm2"), 0, eps)?;
            let y = g.linear_along(y, &named("mlp.fc1"), 4 * width, 0, true)?;
            let y = g.activation(y, Activation::Gelu);
            let y = g.linear_along(y, &named("mlp.fc2"), width, 0, true)?;
            x = self.branch(g, x, y, &named("ls2.gamma"))?;
        }
        // A head on the first token alone needs no other to be normalised.
        let with_mean = self.origin == Origin::DinoV2Mean;
        let token = if with_mean { x } else { g.slice(x, 1, 0, 1)? };
        let x = g.layer_norm(token, "norm", 0, eps)?;
        let x = if with_mean {
            let token = g.slice(x, 1, 0, 1)?;
            let patches = g.slice(x, 1, 1, n_patches)?;
            let mean = g.mean(patches, &[1])?;
            g.concat_along(0, &[token, mean])?
        } else {
            x
        };
        let x = g.flatten(x);
        g.classifier(x, "head")
    }

    /// x + y, with a scale of y in DINOv2.
    fn branch(
        self,
        g: &mut Layers,
        x: NodeId,
        y: NodeId,
        gamma: &str,
    ) -> hsets_autodiff::Result<NodeId> {
        let y = if self.scales_branches() { g.scale_along(y, gamma, 0)? } else { y };
        g.add(x, y)
    }

    /// W·(V·softmax(QᵀK/√d)ᵀ) + b, head by head.
    fn attention(self, g: &mut Layers, x: NodeId, name: &str) -> hsets_autodiff::Result<NodeId> {
        let [width, n_tokens] = *g.dims(x).sizes() else { unreachable!("tokens are columns") };
        let (heads, d) = (self.n_heads, width / self.n_heads);
        let qkv = g.linear_along(x, &format!("{name}.qkv"), 3 * width, 0, true)?;
        let mut parts = [qkv; 3];
        for (i, part) in parts.iter_mut().enumerate() {
            let rows = g.slice(qkv, 0, i * width, width)?;
            *part = g.reshape(rows, &[heads, d, n_tokens])?;
        }
        let [q, k, v] = parts;
        let q = g.scale(q, 1.0 / (d as f64).sqrt());
        let scores = g.matmul_transposed(q, k, [true, false])?;
        let shares = g.softmax(scores, 2)?;
        let y = g.matmul_transposed(v, shares, [false, true])?;
        let y = g.reshape(y, &[width, n_tokens])?;
        g.linear_along(y, &format!("{name}.proj"), width, 0, true)
    }

    /// The weights with position embeddings for pictures of another size: the grid they were trained
    /// for is square.
    pub(crate) fn resized(self, weights: Weights, size: [usize; 2]) -> Result<Weights> {
        let Some(positions) = weights.get("pos_embed") else { return Ok(weights) };
        let &[1, n, width] = positions.dims() else { return Ok(weights) };
        let grid = self.grid(size);
        let side = self.side_of(positions.dims()).map(|side| side / self.patch);
        let Some(side) = side.filter(|_| n != 1 + grid[0] * grid[1]) else {
            return Ok(weights); // fits, or is refused with the other shapes
        };
        let failed = |error: candle_core::Error| Error::Network(error.into());
        let values = positions.to_dtype(DType::F64).and_then(|t| t.flatten_all()?.to_vec1());
        let values: Vec<f64> = values.map_err(failed)?;
        let (token, patches) = values.split_at(width);
        let moved = [token, &interpolated(patches, [side; 2], grid)].concat();
        let dims = (1, 1 + grid[0] * grid[1], width);
        let moved = Tensor::from_vec(moved, dims, &Device::Cpu).map_err(failed)?;
        let rest = weights.iter().filter(|(name, _)| *name != "pos_embed");
        let rest = rest.map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        let rest: Vec<_> = rest.collect();
        Ok(Weights::new(rest.into_iter().chain([("pos_embed".to_owned(), moved)])))
    }
}

/// Rows of vectors \[h·w, n\] on another grid, bicubically with antialias (PyTorch's
/// `interpolate(mode="bicubic", antialias=True)`).
fn interpolated(values: &[f64], from: [usize; 2], to: [usize; 2]) -> Vec<f64> {
    let n = values.len() / (from[0] * from[1]);
    let taps = |axis: usize| {
        let of = |i| weights(i, from[axis], to[axis], Interpolation::Bicubic);
        (0..to[axis]).map(of).collect::<Vec<_>>()
    };
    let (rows, columns) = (taps(0), taps(1));
    let mut narrow = Vec::with_capacity(from[0] * to[1] * n);
    for y in 0..from[0] {
        for (first, weights) in &columns {
            let start = narrow.len();
            narrow.resize(start + n, 0.0);
            for (i, weight) in weights.iter().enumerate() {
                let at = (y * from[1] + first + i) * n;
                let sums = narrow[start..].iter_mut().zip(&values[at..at + n]);
                sums.for_each(|(sum, value)| *sum += weight * value);
            }
        }
    }
    let mut wide = Vec::with_capacity(to[0] * to[1] * n);
    for (first, weights) in &rows {
        let start = wide.len();
        wide.resize(start + to[1] * n, 0.0);
        for (i, weight) in weights.iter().enumerate() {
            let at = (first + i) * to[1] * n;
            let sums = wide[start..].iter_mut().zip(&narrow[at..at + to[1] * n]);
            sums.for_each(|(sum, value)| *sum += weight * value);
        }
    }
    wide
}

const TINY: [usize; 2] = [192, 3];
const SMALL: [usize; 2] = [384, 6];
const BASE: [usize; 2] = [768, 12];

/// All members, by name.
pub(crate) const VITS: [(&str, Vit); 20] = [
    ("vit_tiny_patch16_224", Vit::new(TINY, 16, 224, Origin::Augreg)),
    ("vit_tiny_patch16_384", Vit::new(TINY, 16, 384, Origin::Augreg)),
    ("vit_small_patch16_224", Vit::new(SMALL, 16, 224, Origin::Augreg)),
    ("vit_small_patch16_384", Vit::new(SMALL, 16, 384, Origin::Augreg)),
    ("vit_small_patch32_224", Vit::new(SMALL, 32, 224, Origin::Augreg)),
    ("vit_small_patch32_384", Vit::new(SMALL, 32, 384, Origin::Augreg)),
    ("vit_base_patch16_224", Vit::new(BASE, 16, 224, Origin::Augreg)),
    ("vit_base_patch16_384", Vit::new(BASE, 16, 384, Origin::Augreg)),
    ("vit_base_patch32_224", Vit::new(BASE, 32, 224, Origin::Augreg)),
    ("vit_base_patch32_384", Vit::new(BASE, 32, 384, Origin::Augreg)),
    ("vit_b_16", Vit::new(BASE, 16, 224, Origin::Torchvision)),
    ("vit_b_32", Vit::new(BASE, 32, 224, Origin::Torchvision)),
    ("deit_tiny_patch16_224", Vit::new(TINY, 16, 224, Origin::DeiT)),
    ("deit_small_patch16_224", Vit::new(SMALL, 16, 224, Origin::DeiT)),
    ("deit_base_patch16_224", Vit::new(BASE, 16, 224, Origin::DeiT)),
    ("deit_base_patch16_384", Vit::new(BASE, 16, 384, Origin::DeiT)),
    ("vit_small_patch14_dinov2", Vit::new(SMALL, 14, 518, Origin::DinoV2)),
    ("vit_base_patch14_dinov2", Vit::new(BASE, 14, 518, Origin::DinoV2)),
    ("dinov2_small", Vit::new(SMALL, 14, 518, Origin::DinoV2Mean)),
    ("dinov2_base", Vit::new(BASE, 14, 518, Origin::DinoV2Mean)),
];
