//! Gradients with and without a region, averaged over noisy copies.

use hsets_core::{Differentiable, Error, Image, Mask, Progress, Removal, Result};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use super::{config::Proposals, region::Plane};

/// Images made and differentiated at a time; the field splits them further as its memory allows.
const CHUNK: usize = 32;

/// Gradients of the target of a [`Removal`]. The same noise serves every picture: of a difference,
/// only what the removed region causes remains.
pub(super) struct Slopes<'a> {
    field: &'a dyn Differentiable,
    pub(super) removal: &'a Removal<'a>,
    /// One number per feature and copy; rows and refinements use the first of them.
    noise: Vec<Vec<f32>>,
    row_copies: usize,
    copies: usize,
    midpoints: usize,
    progress: &'a dyn Progress,
}

impl<'a> Slopes<'a> {
    pub(super) fn new(
        field: &'a dyn Differentiable,
        removal: &'a Removal<'a>,
        settings: &Proposals,
        seed: u64,
        progress: &'a dyn Progress,
    ) -> Self {
        let image = removal.image();
        let top = image.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let bottom = image.data().iter().copied().fold(f32::INFINITY, f32::min);
        let deviation = settings.noise as f32 * (top - bottom);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || {
            let normal: f32 = StandardNormal.sample(&mut rng);
            deviation * normal
        };
        let mut copy = |_| image.data().iter().map(|_| normal()).collect();
        let Proposals { row_copies, copies, midpoints, .. } = *settings;
        let noise = (0..row_copies.max(copies)).map(&mut copy).collect();
        Self { field, removal, noise, row_copies, copies, midpoints, progress }
    }

    /// Gradients that [`along`](Self::along) takes for one region.
    pub(super) fn n_along(&self) -> u64 {
        (self.copies * self.midpoints) as u64
    }

    /// Gradients that [`at`](Self::at) takes for one region.
    pub(super) fn n_at(&self) -> u64 {
        self.row_copies as u64
    }

    /// ∇g(x without each region), a mean over copies, \[C·H·W\] each, handed to `each` in order.
    pub(super) fn at(
        &self,
        removed: &[Mask],
        each: impl FnMut(Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let images = removed.iter().flat_map(|mask| {
            let copies = self.noise[..self.row_copies].iter();
            copies.map(move |noise| noisy(self.removal.without(mask)?, noise))
        });
        self.means(images, self.row_copies, each)
    }

    /// Mean of ∇g over the path from b to x without a region, and over copies, \[C·H·W\]: times x - b,
    /// its Integrated Gradients.
    pub(super) fn along(&self, removed: &Mask) -> Result<Vec<f32>> {
        let end = self.removal.without(removed)?;
        let start = self.removal.reference();
        let fractions = (0..self.midpoints).map(|m| (m as f32 + 0.5) / self.midpoints as f32);
        let images = fractions.flat_map(|fraction| {
            let point = end.interpolate(start, fraction);
            self.noise[..self.copies].iter().map(move |noise| noisy(point.clone(), noise))
        });
        let mut mean = Vec::new();
        self.means(images, self.copies * self.midpoints, |found| {
            mean = found;
            Ok(())
        })?;
        Ok(mean)
    }

    /// Σ over channels of (x - b) ⊙ (present - absent), zero inside `removed`: by how much the
    /// region's being there changes what every other pixel adds.
    pub(super) fn partners(&self, present: &[f32], absent: &[f32], removed: &Mask) -> Plane {
        let (image, reference) = (self.removal.image(), self.removal.reference());
        let n_pixels = image.shape().n_pixels();
        let mut plane = vec![0.0; n_pixels];
        let terms = image.data().iter().zip(reference.data()).zip(present.iter().zip(absent));
        for (feature, ((x, b), (present, absent))) in terms.enumerate() {
            plane[feature % n_pixels] += (x - b) * (present - absent);
        }
        for pixel in removed.pixels() {
            plane[pixel] = 0.0;
        }
        plane
    }

    /// Means of the gradients at every `n` images that follow one another.
    fn means(
        &self,
        mut images: impl Iterator<Item = Result<Image>>,
        n: usize,
        mut each: impl FnMut(Vec<f32>) -> Result<()>,
    ) -> Result<()> {
        let (mut mean, mut seen) = (vec![0.0; self.removal.image().shape().len()], 0);
        loop {
            if self.progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let chunk: Vec<Image> = images.by_ref().take(CHUNK).collect::<Result<_>>()?;
            if chunk.is_empty() {
                return Ok(());
            }
            for evaluation in self.field.gradients(&chunk, self.removal.target())? {
                let gradient = evaluation.gradient.iter();
                mean.iter_mut().zip(gradient).for_each(|(mean, g)| *mean += g / n as f32);
                seen += 1;
                if seen == n {
                    let empty = vec![0.0; mean.len()];
                    each(std::mem::replace(&mut mean, empty))?;
                    seen = 0;
                }
            }
            self.progress.advance(chunk.len() as u64);
        }
    }
}

fn noisy(image: Image, noise: &[f32]) -> Result<Image> {
    let shape = image.shape();
    let mut data = image.into_data();
    data.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
    Image::new(shape, data)
}
