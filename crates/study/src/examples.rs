//! Example figures: a picture with its segments and the map of every method, drawn while it is
//! examined, when all maps are at hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    core::{SaliencyMap, Segmenter},
    models::{Classifier, Prepared},
};
use hsets_report::{
    draw::{Canvas, Font, INK, Line, PAPER},
    output, panel,
};
use serde::{Deserialize, Serialize};

/// Pictures of each model that are shown.
const SHOWN: usize = 2;
/// Panels in a row.
const COLUMNS: usize = 5;
const MARGIN: usize = 16;
const GAP: usize = 12;
const CAPTION: usize = 26;

/// Where the examples of a model are kept: `NAME.png`, and `NAME.json` with what it shows.
#[derive(Debug, Clone)]
pub(crate) struct Gallery {
    folder: PathBuf,
    model: String,
}

/// What an example shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Example {
    /// Name of its picture, without ending.
    pub(crate) name: String,
    /// Name of the picture in the dataset.
    pub(crate) image: String,
    /// What is to be seen.
    pub(crate) caption: String,
}

impl Gallery {
    /// Of a model, in a folder of results.
    pub(crate) fn new(out: &Path, model: &str) -> Self {
        Self { folder: out.join("examples"), model: model.to_owned() }
    }

    /// The name of the example that `image` is or may become.
    pub(crate) fn place(&self, image: &str) -> Option<String> {
        let name = |index: usize| format!("example-{}-{index}", self.model);
        let is_free_or_its = |name: &String| {
            read(&self.folder.join(format!("{name}.json"))).is_none_or(|e| e.image == image)
        };
        (1..=SHOWN).map(name).find(is_free_or_its)
    }

    /// Draws and keeps an example.
    pub(crate) fn keep(
        &self,
        (name, image): (&str, &str),
        (classifier, class): (&Classifier, usize),
        prepared: &Prepared,
        segmenter: &dyn Segmenter,
        maps: &[(String, &SaliencyMap)],
    ) -> Result<()> {
        let photo = &prepared.photo;
        let mut panels = vec![
            ("what the network sees", panel::photo(photo)),
            ("segments", panel::segments(photo, &segmenter.segment(photo)?)),
        ];
        panels.extend(maps.iter().map(|(name, map)| (name.as_str(), panel::overlay(photo, map))));
        let logits = classifier.field().logits(std::slice::from_ref(&prepared.image))?;
        let label = classifier.labels().name(class);
        let percent = 100.0 * classifier.field().link().probability(&logits.concat(), class);
        let example = Example {
            name: name.to_owned(),
            image: image.to_owned(),
            caption: format!("{image}: {} sees {label} ({percent:.0} %)", self.model),
        };
        let path = |ending: &str| self.folder.join(format!("{name}.{ending}"));
        output::write_file(&path("png"), &grid(&panels)?.png()?)?;
        Ok(output::write_file(&path("json"), &serde_json::to_vec(&example)?)?)
    }
}

/// All examples in a folder of results, by name, with their pictures.
pub(crate) fn all(out: &Path) -> Result<Vec<(Example, Vec<u8>)>> {
    let Ok(entries) = fs::read_dir(out.join("examples")) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    paths.sort();
    let with_picture = |example: Example, path: &Path| {
        let path = path.with_extension("png");
        let png = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((example, png))
    };
    paths.iter().filter_map(|path| Some(with_picture(read(path)?, path))).collect()
}

/// What an example shows; `None` if there is none.
fn read(path: &Path) -> Option<Example> {
    path.extension().filter(|ending| *ending == "json")?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Panels in rows, half as large, each under its name.
fn grid(panels: &[(&str, Canvas)]) -> Result<Canvas> {
    let panels: Vec<(&str, Canvas)> =
        panels.iter().map(|(name, panel)| (*name, halved(panel))).collect();
    let (width, height) = panels.first().map_or((1, 1), |(_, p)| (p.width(), p.height()));
    let columns = COLUMNS.min(panels.len());
    let (step_x, step_y) = (width + GAP, height + CAPTION + GAP);
    let rows = panels.len().div_ceil(columns);
    let size = [2 * MARGIN + columns * step_x - GAP, 2 * MARGIN + rows * step_y - GAP];
    let mut canvas = Canvas::new(size[0], size[1], PAPER);
    let font = Font::embedded()?;
    for (index, (name, panel)) in panels.iter().enumerate() {
        let (x, y) = (MARGIN + index % columns * step_x, MARGIN + index / columns * step_y);
        let line = Line { x: x as f32, y: (y + CAPTION - 8) as f32, size: 17.0, color: INK };
        font.draw(&mut canvas, &font.fit(name, line.size, width as f32), line);
        canvas.paste(x, y + CAPTION, panel);
    }
    Ok(canvas)
}

/// The mean of four pixels for each.
fn halved(picture: &Canvas) -> Canvas {
    Canvas::from_fn(picture.width() / 2, picture.height() / 2, |y, x| {
        let around = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let pixels = around.map(|(dy, dx)| picture.get(2 * y + dy, 2 * x + dx));
        [0, 1, 2].map(|c| {
            let sum: u32 = pixels.iter().map(|pixel| u32::from(pixel[c])).sum();
            (sum / 4) as u8
        })
    })
}
