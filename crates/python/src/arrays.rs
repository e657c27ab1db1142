//! Arrays in, arrays out.

use std::path::PathBuf;

use hsets_pipeline::core::{
    Error as CoreError, FeatureSet, Image, Mask, Photo, SaliencyMap, SegmentMap, Shape,
};
use numpy::{
    PyArray2, PyArray3, PyArray4, PyReadonlyArray2, PyReadonlyArray3, PyReadonlyArray4,
    PyUntypedArrayMethods as _, ndarray,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    errors::{Error, Result},
    network::Segments,
};

/// A picture as Python has it.
#[derive(FromPyObject)]
pub(crate) enum Picture<'py> {
    /// uint8 \[H, W, 3\].
    Pixels(PyReadonlyArray3<'py, u8>),
    /// float32 \[C, H, W\], normalised.
    Normalised(PyReadonlyArray3<'py, f32>),
    /// A file.
    Path(PathBuf),
}

/// Calls what turns the many things that users have (PIL, torch, other types) into what
/// [`FromPyObject`] above knows, or says why not.
fn helped<'py>(given: &Bound<'py, PyAny>, helper: &str) -> PyResult<Bound<'py, PyAny>> {
    given.py().import("hsets._inputs")?.call_method1(helper, (given,))
}

/// Numbers in an array or a tuple as a list, others as they are.
pub(crate) fn listed<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    helped(given, "listed")
}

/// Any picture.
pub(crate) fn picture<'py>(given: &Bound<'py, PyAny>) -> PyResult<Picture<'py>> {
    helped(given, "picture")?.extract()
}

/// The name of a segmenter, or labels.
pub(crate) fn segmenter<'py>(given: &Bound<'py, PyAny>) -> PyResult<Segments<'py>> {
    helped(given, "segments")?.extract()
}

/// Normalised images \[N, C, H, W\]. A C-contiguous float32 array is borrowed, others are copies.
pub(crate) struct Batch<'py> {
    array: PyReadonlyArray4<'py, f32>,
    /// Whether they came as one image \[C, H, W\].
    single: bool,
}

impl<'py> Batch<'py> {
    /// Images \[N, C, H, W\], or one \[C, H, W\].
    pub(crate) fn new(given: &Bound<'py, PyAny>) -> PyResult<Self> {
        let (array, single) = helped(given, "batch")?.extract()?;
        let batch = Self { array, single };
        if batch.array.is_empty() {
            let found = batch.array.shape();
            return Err(PyValueError::new_err(format!("an array {found:?} holds no image")));
        }
        Ok(batch)
    }

    /// The shape of each.
    pub(crate) fn shape(&self) -> Shape {
        shape3(&self.array.shape()[1..])
    }

    /// The elements \[C·H·W\] of each.
    pub(crate) fn slices(&self) -> PyResult<Vec<&[f32]>> {
        let all =
            self.array.as_slice().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(all.chunks_exact(self.shape().len()).collect())
    }

    /// The only image of `what`: a copy, since the engine must know that nobody writes into it.
    pub(crate) fn one(&self, what: &str) -> PyResult<Image> {
        match self.slices()?[..] {
            [only] => Ok(Image::new(self.shape(), only.to_vec()).map_err(Error::from)?),
            _ => Err(PyValueError::new_err(format!("{what} takes one image, [C, H, W]"))),
        }
    }

    /// One map for each image, in the shape that the images came in.
    pub(crate) fn shaped(
        &self,
        py: Python<'py>,
        maps: Vec<Vec<f32>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let shape = self.shape();
        let size = (maps.len(), shape.channels, shape.height, shape.width);
        let maps = ndarray::Array4::from_shape_vec(size, maps.concat()).map_err(unshaped)?;
        let maps = PyArray4::from_owned_array(py, maps).into_any();
        if self.single { maps.get_item(0) } else { Ok(maps) }
    }
}

/// A region, bool \[H, W\].
pub(crate) fn region(given: &Bound<'_, PyAny>) -> PyResult<Mask> {
    let region: PyReadonlyArray2<'_, bool> = helped(given, "region")?.extract()?;
    let (height, width) = (region.shape()[0], region.shape()[1]);
    let inside = region.as_array().iter().copied().collect();
    Ok(Mask::new(width, height, inside).map_err(Error::from)?)
}

/// A region at the size of images: which pixels \[H·W\] are inside.
pub(crate) fn mask(given: &Bound<'_, PyAny>, shape: Shape) -> PyResult<Vec<bool>> {
    let mask = region(given)?;
    if (mask.height(), mask.width()) != (shape.height, shape.width) {
        let size = |height, width| format!("[{height}, {width}]");
        let (expected, found) =
            (size(shape.height, shape.width), size(mask.height(), mask.width()));
        return Err(Error::from(CoreError::shape("mask", expected, found)).into());
    }
    Ok(mask.inside().to_vec())
}

/// Labels \[H, W\] of any numbers that are not negative.
pub(crate) fn segments(labels: &PyReadonlyArray2<'_, i32>) -> PyResult<SegmentMap> {
    let (height, width) = (labels.shape()[0], labels.shape()[1]);
    let numbers: std::result::Result<Vec<u32>, _> =
        labels.as_array().iter().map(|&label| u32::try_from(label)).collect();
    let numbers =
        numbers.map_err(|_| PyValueError::new_err("segments: labels must not be negative"))?;
    Ok(SegmentMap::new(width, height, &numbers).map_err(Error::from)?)
}

/// float32 \[C, H, W\] as an image.
pub(crate) fn image(array: &PyReadonlyArray3<'_, f32>) -> Result<Image> {
    Ok(Image::new(shape3(array.shape()), array.as_array().iter().copied().collect())?)
}

/// A map \[H, W\] or \[C, H, W\]; one number a pixel is spread over the channels of `shape`.
pub(crate) fn map(given: &Bound<'_, PyAny>, shape: Option<Shape>) -> PyResult<SaliencyMap> {
    let map: PyReadonlyArray3<'_, f32> = helped(given, "map")?.extract()?;
    let found = shape3(map.shape());
    let values: Vec<f32> = map.as_array().iter().copied().collect();
    let (shape, values) = match shape {
        Some(shape) if found.channels == 1 && shape.channels > 1 => {
            let divided = |value: &f32| value / shape.channels as f32;
            let plane: Vec<f32> = values.iter().map(divided).collect();
            (Shape::new(shape.channels, found.height, found.width), plane.repeat(shape.channels))
        }
        _ => (found, values),
    };
    Ok(SaliencyMap::new(shape, values).map_err(Error::from)?)
}

/// uint8 \[H, W, 3\] as a photo.
pub(crate) fn photo(array: &PyReadonlyArray3<'_, u8>) -> PyResult<Photo> {
    let &[height, width, 3] = array.shape() else {
        let found = array.shape();
        return Err(PyValueError::new_err(format!("uint8 pictures are [H, W, 3], not {found:?}")));
    };
    let rgb = array.as_array().iter().copied().collect();
    Ok(Photo::new(width, height, rgb).map_err(Error::from)?)
}

fn shape3(shape: &[usize]) -> Shape {
    Shape::new(shape[0], shape[1], shape[2])
}

/// \[C, H, W\] float32.
pub(crate) fn of_map(
    py: Python<'_>,
    shape: Shape,
    data: Vec<f32>,
) -> PyResult<Bound<'_, PyArray3<f32>>> {
    let dimensions = (shape.channels, shape.height, shape.width);
    array3(py, dimensions, data)
}

/// \[C, H, W\] bool, true for members.
pub(crate) fn of_features<'py>(
    py: Python<'py>,
    shape: Shape,
    features: &FeatureSet,
) -> PyResult<Bound<'py, PyArray3<bool>>> {
    let mut members = vec![false; shape.len()];
    features.iter().for_each(|feature| members[feature] = true);
    array3(py, (shape.channels, shape.height, shape.width), members)
}

/// \[H, W, 3\] uint8.
pub(crate) fn of_photo<'py>(py: Python<'py>, photo: &Photo) -> PyResult<Bound<'py, PyArray3<u8>>> {
    array3(py, (photo.height(), photo.width(), 3), photo.rgb().to_vec())
}

/// \[H, W\] int32.
pub(crate) fn of_segments<'py>(
    py: Python<'py>,
    segments: &SegmentMap,
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let labels = segments.labels().iter().map(|&label| label as i32).collect();
    array2(py, (segments.height(), segments.width()), labels)
}

fn array3<T: numpy::Element>(
    py: Python<'_>,
    dimensions: (usize, usize, usize),
    data: Vec<T>,
) -> PyResult<Bound<'_, PyArray3<T>>> {
    let array = ndarray::Array3::from_shape_vec(dimensions, data).map_err(unshaped)?;
    Ok(PyArray3::from_owned_array(py, array))
}

pub(crate) fn array2<T: numpy::Element>(
    py: Python<'_>,
    dimensions: (usize, usize),
    data: Vec<T>,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    let array = ndarray::Array2::from_shape_vec(dimensions, data).map_err(unshaped)?;
    Ok(PyArray2::from_owned_array(py, array))
}

#[allow(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub(crate) fn unshaped(error: ndarray::ShapeError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
