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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_smaller_than_the_window_are_segmented() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (5, 4)] {
            let photo = Photo::new(width, height, vec![77; 3 * width * height]).unwrap();
            let map = QuickShift { sigma: 3.0, ..QuickShift::photo() }.segment(&photo).unwrap();
            assert_eq!((map.width(), map.height()), (width, height));
            assert_eq!(map.n_segments(), 1, "one colour, and every pixel sees every other");
        }
    }

    #[test]
    fn no_link_may_be_long_when_max_dist_is_zero() {
        let photo = Photo::new(4, 3, vec![77; 36]).unwrap();
        let map = QuickShift { max_dist: 0.0, ..QuickShift::photo() }.segment(&photo).unwrap();
        assert_eq!(map.n_segments(), 12);
    }

    #[test]
    fn bad_settings_are_refused_before_the_work() {
        let photo = Photo::new(1, 1, vec![0; 3]).unwrap();
        let error = QuickShift { sigma: -1.0, ..QuickShift::photo() }.segment(&photo).unwrap_err();
        assert_eq!(error.to_string(), "sigma = -1: a finite number, at least 0");
    }
}
