//! Regions that people give: label maps, tensors, polygons.

use std::{ffi::OsStr, path::Path};

use anyhow::{Context as _, bail, ensure};
use hsets_pipeline::{
    core::{Error, Mask, Photo, Segmenter as _, Shape},
    segmentation::LabelMap,
};
use safetensors::{Dtype, SafeTensors};

use crate::args::Polygon;

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Pairs of regions from a label map or from the tensor `regions`, at the size of what the network
/// sees.
pub(crate) fn read(path: &Path, photo: &Photo) -> anyhow::Result<Vec<[Mask; 2]>> {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    if extension.is_some_and(|extension| extension == "safetensors") {
        return tensor(path, photo).with_context(|| path.display().to_string());
    }
    Ok(vec![labels(path, photo)?])
}

/// The two regions of a picture of three values.
fn labels(path: &Path, photo: &Photo) -> anyhow::Result<[Mask; 2]> {
    let labels = LabelMap::open(path).and_then(|map| map.segment(photo)).map_err(named)?;
    let n = labels.n_segments();
    ensure!(
        n == 3,
        "{}: holds {n} different values, not 3: the lowest where there is no region, then one for the \
         first region, the highest for the second",
        path.display()
    );
    Ok([1, 2].map(|label| Mask::of_segments(&labels, &[label])))
}

/// What is wrong with a label map is wrong with `--regions` here.
fn named(error: Error) -> Error {
    match error {
        Error::Config { setting: _, value, expected } => {
            Error::Config { setting: "regions", value, expected }
        }
        other => other,
    }
}

fn tensor(path: &Path, photo: &Photo) -> anyhow::Result<Vec<[Mask; 2]>> {
    let size = std::fs::metadata(path)?.len();
    ensure!(size <= MAX_BYTES, "{size} bytes are too many for regions");
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes).context("not a safetensors file")?;
    let tensor = file.tensor("regions").context(
        "no tensor 'regions': give the maps.safetensors of `hsets explain --method contrasts`",
    )?;
    let &[n, 2, height, width] = tensor.shape() else {
        bail!("'regions' has the shape {:?}, not [n, 2, H, W]", tensor.shape());
    };
    ensure!(tensor.dtype() == Dtype::U8, "'regions' is {:?}, not U8", tensor.dtype());
    ensure!(n > 0, "'regions' holds no pair: none was proposed");
    ensure!(
        (width, height) == (photo.width(), photo.height()),
        "regions of {width}x{height}, but the network sees {}x{}",
        photo.width(),
        photo.height()
    );
    let mut planes = tensor
        .data()
        .chunks_exact(width * height)
        .map(|plane| Mask::new(width, height, plane.iter().map(|&flag| flag != 0).collect()));
    let mut pairs = Vec::with_capacity(n);
    while let (Some(first), Some(second)) = (planes.next(), planes.next()) {
        pairs.push([first?, second?]);
    }
    Ok(pairs)
}

/// The pixels whose centres lie inside, by the even-odd rule.
pub(crate) fn inside(Polygon(corners): &Polygon, shape: Shape) -> anyhow::Result<Mask> {
    let is_inside = |x: f64, y: f64| {
        let next = corners.iter().cycle().skip(1);
        let crossed = corners.iter().zip(next).filter(|(a, b)| {
            let ([ax, ay], [bx, by]) = (**a, **b);
            (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
        });
        crossed.count() % 2 == 1
    };
    let pixels = (0..shape.n_pixels()).filter(|pixel| {
        is_inside((pixel % shape.width) as f64 + 0.5, (pixel / shape.width) as f64 + 0.5)
    });
    let mask = Mask::of_pixels(shape.width, shape.height, pixels)?;
    ensure!(
        !mask.is_empty(),
        "a polygon that holds no pixel: corners are pixels of what the network sees, {}x{}",
        shape.width,
        shape.height
    );
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_hold_the_pixels_inside() {
        let shape = Shape::new(3, 4, 5);
        let square = Polygon(vec![[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]]);
        let pixels: Vec<usize> = inside(&square, shape).unwrap().pixels().collect();
        assert_eq!(pixels, [6, 7, 11, 12]);
        let triangle = Polygon(vec![[0.0, 0.0], [5.0, 0.0], [0.0, 4.0]]);
        let found = inside(&triangle, shape).unwrap();
        assert!(found.contains(0) && found.contains(3) && !found.contains(19));
        let outside = Polygon(vec![[10.0, 10.0], [12.0, 10.0], [12.0, 12.0]]);
        assert!(inside(&outside, shape).unwrap_err().to_string().contains("5x4"));
    }
}
