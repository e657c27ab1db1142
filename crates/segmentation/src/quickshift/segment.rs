//! The steps of QuickShift in order.

use hsets_core::{Error, Photo, Result, SegmentMap, Segmenter};

use super::{QuickShift, color, density, gaussian, noise::Normals, tree};

/// Standard deviation of the noise that breaks ties.
const NOISE: f64 = 1e-5;

impl Segmenter for QuickShift {
    fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
        self.check()?;
        let (width, height) = (photo.width(), photo.height());
        if u32::try_from(width * height).is_err() {
            return Err(Error::shape("photo", "fewer than 2^32 pixels", width * height));
        }
        let reach = ((3.0 * self.kernel_size).ceil() as usize).min(width.max(height));
        let planes = color::planes(photo, self.convert_to_lab)
            .map(|plane| gaussian::smooth(&plane, width, self.sigma))
            .map(|plane| plane.iter().map(|value| value * self.ratio).collect::<Vec<_>>());

        let noise = Normals::new(self.seed).map(|normal| NOISE * normal);
        let mut density: Vec<f64> = noise.take(width * height).collect();
        density::add_densities(&mut density, &planes, width, self.kernel_size, reach);

        let points = tree::Points { planes: &planes, density: &density, width };
        let parents = points.parents(reach, self.max_dist);
        SegmentMap::new(width, height, &tree::roots(parents))
    }
}
