//! `hsets segment`: the label map of a picture.

use std::io::Cursor;

use hsets_pipeline::{
    core::{Error, SegmentMap, Segmentation},
    models::read_photo,
    segmentation::SegmenterChoice,
};
use hsets_report::output::write_file;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat};
use serde_json::json;

use crate::{
    args::{General, SegmentArgs},
    output,
    progress::{self, Bars},
    segmenter::described,
};

pub(crate) fn run(args: &SegmentArgs, general: &General) -> anyhow::Result<()> {
    output::keep_inputs(&args.out, [args.image.as_path()])?;
    if ImageFormat::from_path(&args.out).is_ok_and(|format| format != ImageFormat::Png) {
        return Err(Error::config("out", args.out.display(), "a .png: label maps are such").into());
    }
    let choice = args.segmenter.choice(general)?;
    if let SegmenterChoice::LabelMap { file } = &choice {
        output::keep_inputs(&args.out, [file.as_path()])?;
    }
    let photo = read_photo(&args.image, args.exif)?;
    let choice = choice.for_side(photo.width().min(photo.height()));
    let bars = Bars::new(general.quiet, String::new());
    let Segmentation { segments, masks } = choice.build()?.segment_with(&photo, &bars)?;
    progress::check()?;
    write_file(&args.out, &encode(&segments)?)?;
    let (input, out) = (args.image.display(), args.out.display());
    if general.json {
        let mut record = json!({
            "input": input.to_string(),
            "segmenter": choice.to_string(),
            "n_segments": segments.n_segments(),
            "width": segments.width(),
            "height": segments.height(),
            "out": out.to_string(),
            "seed": general.seed,
        });
        if let Some(masks) = &masks {
            record["masks"] = json!(masks);
        }
        output::say(&record.to_string());
    } else if !general.quiet {
        output::say(&format!("{input}: {} segments -> {out}", segments.n_segments()));
        if let Some(masks) = &masks {
            output::say(&format!("  {}", described(masks)));
        }
    }
    Ok(())
}

/// Grey PNG; 16 bits where 8 do not suffice.
fn encode(segments: &SegmentMap) -> anyhow::Result<Vec<u8>> {
    let (width, height) = (segments.width() as u32, segments.height() as u32);
    let labels = segments.labels().iter();
    let picture = if segments.n_segments() <= 256 {
        let labels = labels.map(|&label| label as u8).collect();
        GrayImage::from_raw(width, height, labels).map(DynamicImage::from)
    } else {
        anyhow::ensure!(
            segments.n_segments() <= 1 << 16,
            "{} segments do not fit into a label map; make fewer",
            segments.n_segments()
        );
        let labels = labels.map(|&label| label as u16).collect();
        ImageBuffer::from_raw(width, height, labels).map(DynamicImage::ImageLuma16)
    };
    let picture = picture.ok_or_else(|| anyhow::anyhow!("the label map has the wrong size"))?;
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_pipeline::segmentation::LabelMap;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for n_labels in [7u32, 300] {
            let labels: Vec<u32> = (0..600).map(|pixel| pixel % n_labels).collect();
            let segments = SegmentMap::new(30, 20, &labels).unwrap();
            let path = folder.path().join("labels.png");
            std::fs::write(&path, encode(&segments).unwrap()).unwrap();
            assert_eq!(LabelMap::open(&path).unwrap().map(), &segments);
        }
    }
}
