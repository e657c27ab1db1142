//! Maps as files, small: 16-bit floats in a compressed `.safetensors`.

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use half::f16;
use hsets_core::SaliencyMap;
use safetensors::{Dtype, tensor::TensorView};

use crate::{Candidate, Error, Examined, Plan, Result};

/// Writes the maps of all methods and runs of a picture to
/// `FOLDER/MODEL/IMAGE.safetensors.gz`, as tensors `METHOD/RUN` \[C, H, W\] of 16-bit floats.
///
/// Each is divided by its largest magnitude, which is in the metadata under the same name: maps
/// may be far smaller than what 16 bits hold.
pub(crate) fn write(
    folder: &Path,
    candidate: &Candidate,
    plan: &Plan,
    results: &[Result<Examined, String>],
) -> Result<()> {
    let path = file(folder, &candidate.model, &candidate.image);
    let names = plan
        .methods
        .iter()
        .flat_map(|method| (0..plan.runs).map(move |run| format!("{}/{run}", method.name)));
    let maps =
        names.zip(results).filter_map(|(name, result)| Some((name, &result.as_ref().ok()?.map)));
    let bytes = encode(maps.collect()).map_err(|error| Error::io(&path, error))?;
    hsets_files::write(&path, &bytes).map_err(|error| Error::io(&path, error))
}

/// The file of a picture's maps, inside `folder` whatever the picture is called. Parts of its name
/// stay folders.
pub fn file(folder: &Path, model: &str, image: &str) -> PathBuf {
    let inside = |part: &str| match part {
        // Pictures whose names differ have files that differ.
        ".." => "%2E%2E".to_owned(),
        "." => "%2E".to_owned(),
        part => part.replace(':', "%3A"),
    };
    let parts = std::iter::once(model).chain([image]).flat_map(|name| name.split(['/', '\\']));
    let path = parts.filter(|part| !part.is_empty()).map(inside);
    let mut name = path.fold(folder.to_owned(), |path, part| path.join(part)).into_os_string();
    name.push(".safetensors.gz");
    name.into()
}

fn encode(maps: Vec<(String, &SaliencyMap)>) -> std::io::Result<Vec<u8>> {
    let mut scales = HashMap::new();
    let mut tensors = Vec::new();
    for (name, map) in maps {
        let largest = map.data().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 && largest.is_finite() { largest } else { 1.0 };
        let halves =
            map.data().iter().flat_map(|&value| f16::from_f32(value / scale).to_le_bytes());
        let shape = map.shape();
        let dimensions = vec![shape.channels, shape.height, shape.width];
        scales.insert(name.clone(), scale.to_string());
        tensors.push((name, dimensions, halves.collect::<Vec<u8>>()));
    }
    let views: std::io::Result<Vec<_>> = tensors
        .iter()
        .map(|(name, dimensions, bytes)| {
            let view = TensorView::new(Dtype::F16, dimensions.clone(), bytes);
            Ok((name.clone(), view.map_err(std::io::Error::other)?))
        })
        .collect();
    let plain = safetensors::serialize(views?, Some(scales)).map_err(std::io::Error::other)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain)?;
    encoder.finish()
}
