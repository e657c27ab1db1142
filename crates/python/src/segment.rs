//! Pictures into segments.

use hsets_pipeline::{
    models::{Exif, Hub, read_photo},
    sam_weights::with_published_weights,
    segmentation::SegmenterChoice,
};
use numpy::PyArray2;
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    arrays::{self, Picture},
    errors::Error,
    run::compute,
};

/// A segmenter by name, for pictures whose shorter side is `side` pixels; Segment Anything with its
/// published weights.
pub(crate) fn segmenter(py: Python<'_>, name: &str, side: usize) -> PyResult<SegmenterChoice> {
    let choice: SegmenterChoice = name.parse().map_err(Error::from)?;
    match choice.for_side(side) {
        SegmenterChoice::Sam(options) => compute(py, false, |progress| {
            let options = with_published_weights(*options, &Hub::from_env(), progress)?;
            Ok(SegmenterChoice::Sam(Box::new(options)))
        }),
        choice => Ok(choice),
    }
}

/// Labels int32 [H, W] of the segments of a picture, at its own size.
///
/// `segmenter`: "quickshift", "grid", "grid:N", "grid:ROWSxCOLUMNS", "none", a label map FILE.png,
/// or Segment Anything: "mobile-sam", "sam-vit-b", "sam-vit-l", "sam-vit-h".
#[pyfunction]
#[pyo3(name = "segment", signature = (image, segmenter = "quickshift", *, progress = false))]
pub(crate) fn segmented<'py>(
    py: Python<'py>,
    image: &Bound<'py, PyAny>,
    segmenter: &str,
    progress: bool,
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let photo = match arrays::picture(image)? {
        Picture::Path(path) => compute(py, false, |_| Ok(read_photo(&path, Exif::Obey)?))?,
        Picture::Pixels(pixels) => arrays::photo(&pixels)?,
        Picture::Normalised(_) => {
            let expected = "segment takes a path, a PIL image or uint8 [H, W, 3]";
            return Err(PyValueError::new_err(expected));
        }
    };
    let choice = self::segmenter(py, segmenter, photo.height().min(photo.width()))?;
    let found = compute(py, progress, |progress| {
        Ok(choice.build()?.segment_with(&photo, progress)?.segments)
    })?;
    arrays::of_segments(py, &found)
}
