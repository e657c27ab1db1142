//! What is seen, as files: those of `hsets explain`, what was done by hand, and the command that
//! does it again.

use std::path::PathBuf;

use hsets_core::{Error, Progress as _, SegmentMap, Target};
use hsets_pipeline::{
    Method, Settings,
    detection::{GivenSeed, HessianSets},
    segmentation::SegmenterChoice,
};
use hsets_report::{Provenance, Results, output::Folder};
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use serde_json::{Value, json};

use crate::{
    answer::Context, by_hand::ByHand, catalog::Source, desk::Desk, error::Refusal, png::png,
    question::Save,
};

/// Where things are saved, and how the command line names the network.
pub(crate) struct Place {
    pub(crate) out: PathBuf,
    pub(crate) model_arguments: Vec<String>,
    pub(crate) software: String,
}

/// The preset of the settings.
const PRESET: &str = "paper";
/// Files that can be fetched again, with their content types.
const KINDS: [(&str, &str); 4] = [
    ("html", "text/html; charset=utf-8"),
    ("png", "image/png"),
    ("json", "application/json"),
    ("safetensors", "application/octet-stream"),
];

impl Place {
    /// A file that was saved.
    pub(crate) fn read(
        &self,
        folder: &str,
        file: &str,
    ) -> Result<(&'static str, Vec<u8>), Refusal> {
        let missing = || Refusal::not_found("there is nothing at this address");
        let ending = file.rsplit_once('.').map(|(_, ending)| ending);
        let kind = KINDS.iter().find(|(known, _)| Some(*known) == ending);
        let (_, kind) = kind.filter(|_| is_name(folder) && is_name(file)).ok_or_else(missing)?;
        let path = self.out.join(folder).join(file);
        // A link that leads out of the folder is none of ours.
        let real = path.canonicalize().map_err(|_| missing())?;
        let out = self.out.canonicalize().map_err(|_| missing())?;
        if !real.starts_with(out) {
            return Err(missing());
        }
        Ok((kind, std::fs::read(real).map_err(|_| missing())?))
    }
}

/// A name of a file, and of nothing else.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || " -_.,()+".contains(c);
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(is_plain)
}

impl Context<'_> {
    pub(crate) fn save(&self, desk: &mut Desk<'_>, save: &Save) -> Result<Value, Refusal> {
        if !is_name(&save.name) {
            let message = "the name may have letters, digits, spaces and any of - _ . , ( ) +";
            return Err(Refusal::bad(message));
        }
        let shape = self.shape();
        let method: Method = save.method.parse()?;
        let (key, found) = self.segmentation(&save.segments)?;
        let mut settings =
            Settings { method, target: self.target.clone(), ..self.settings.clone() };
        settings.given_sets = save.by_hand.sets(shape)?;
        if let Some([x, y, rows]) = save.grown {
            settings.detection.given_seeds = vec![GivenSeed::Pixel { x, y }];
            settings.detection.max_rows = Some(rows);
        }
        settings.check()?;
        let destination = self.saving.out.join(&save.name);
        if destination.exists() {
            let message = format!("'{}' is there already: choose another name", save.name);
            return Err(Refusal::bad(message));
        }
        // Before minutes of work, not after.
        let mut folder = Folder::begin(&destination)?;
        let classifier = desk.classifier;
        let prepared = desk.prepared;
        let explainer = desk.explainer(&self.target, &key, &found)?;
        let explanation = explainer.explain(&settings, self.ticket)?;
        // What the page measured is known to the explainer.
        let steps = save.by_hand.repeat(
            classifier,
            prepared,
            &explanation,
            explainer,
            &settings,
            self.ticket,
        )?;
        let label = |class: usize| classifier.labels().name(class).to_owned();
        let labels = destination.join("label-map.png");
        let choice = SegmenterChoice::LabelMap { file: labels };
        let original = self.original()?;
        let input = match &original {
            Original::There(path) => path.display().to_string(),
            Original::Copied(name, _) => destination.join(name).display().to_string(),
        };
        let provenance = Provenance {
            input: &input,
            model: self.model,
            label: &label,
            segmenter: &choice,
            baseline: "zero",
            preset: PRESET,
            software: &self.saving.software,
        };
        let photo = &prepared.photo;
        let results = Results::new(&explanation, photo, &settings, &provenance);
        let drawn = results.with_steps_by_hand(steps).draw()?;
        let command = self.command(save, &settings, &input);
        drawn.add_to(&mut folder)?;
        folder.add("label-map.png", &label_map(&explanation.segments)?)?;
        let by_hand = json!(save.by_hand).to_string() + "\n";
        folder.add("by-hand.json", by_hand.as_bytes())?;
        if let Original::Copied(name, bytes) = original {
            folder.add(name, &bytes)?;
        }
        folder.add("command.txt", format!("{command}\n#{}\n", save.link).as_bytes())?;
        if self.ticket.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        let written = folder.publish()?;
        Ok(json!({
            "folder": written.display().to_string(),
            "name": save.name,
            "files": drawn.files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "command": command,
        }))
    }

    fn original(&self) -> Result<Original, Refusal> {
        Ok(match &self.entry.source {
            Source::File(path) => Original::There(path.clone()),
            Source::Drawn(photo) => Original::Copied("input.png", png(photo)?.to_vec()),
            Source::Upload(bytes) => Original::Copied(upload_name(bytes), bytes.to_vec()),
        })
    }

    /// The command that does the same.
    fn command(&self, save: &Save, settings: &Settings, input: &str) -> String {
        let folder = self.saving.out.join(&save.name);
        let file = |name: &str| folder.join(name).display().to_string();
        let mut words: Vec<String> = vec!["hsets".into(), "explain".into(), input.into()];
        words.extend(self.saving.model_arguments.iter().cloned());
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        match self.target {
            Target::Difference { class, against } => {
                option("--target", class.to_string());
                option("--against", against.to_string());
            }
            Target::Logit(class) => option("--target", class.to_string()),
            _ => {}
        }
        option("--method", settings.method.to_string());
        option("--segmenter", file("label-map.png"));
        let paper = HessianSets::paper();
        if settings.detection.max_features != paper.max_features {
            option("--nu", settings.detection.max_features.to_string());
        }
        if let Some([x, y, rows]) = save.grown {
            option("--seed-pixel", format!("{x},{y}"));
            option("--max-rows", rows.to_string());
        }
        if settings.attribution.seed != 0 {
            option("--seed", settings.attribution.seed.to_string());
        }
        if save.by_hand != ByHand::default() {
            option("--by-hand", file("by-hand.json"));
        }
        option("--out", self.saving.out.join("repeated").display().to_string());
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// The picture as it was given.
enum Original {
    /// In a file.
    There(PathBuf),
    /// In no file: its name and content beside what is saved.
    Copied(&'static str, Vec<u8>),
}

/// A name that says what the content is.
fn upload_name(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, ..] => "input.jpg",
        [b'G', b'I', b'F', ..] => "input.gif",
        [b'B', b'M', ..] => "input.bmp",
        [b'R', b'I', b'F', b'F', ..] => "input.webp",
        [b'I', b'I', ..] | [b'M', b'M', ..] => "input.tiff",
        _ => "input.png",
    }
}

/// A word of a command line of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Labels as grey values of 16 bits, which `--segmenter` reads.
fn label_map(segments: &SegmentMap) -> Result<Vec<u8>, Refusal> {
    if segments.n_segments() > 1 << 16 {
        return Err(Refusal::bad("too many segments for a label map"));
    }
    let labels = segments.labels().iter();
    let bytes: Vec<u8> = labels.flat_map(|&label| (label as u16).to_ne_bytes()).collect();
    let (width, height) = (segments.width() as u32, segments.height() as u32);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&bytes, width, height, ExtendedColorType::L16)
        .map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{Photo, Segmenter as _};
    use hsets_pipeline::segmentation::LabelMap;

    #[test]
    fn names_are_names_and_no_paths() {
        for name in ["a", "cat 2 (left)", "explanation.html", "größe"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a\\b", ".hidden", "a\0", "C:x", "a\nb"] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("--model"), "--model");
        assert_eq!(quoted("my cat.jpg"), "'my cat.jpg'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn label_maps_are_read_back() {
        let labels: Vec<u32> = (0..600).map(|pixel| pixel % 300).collect();
        let segments = SegmentMap::new(30, 20, &labels).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.png");
        std::fs::write(&path, label_map(&segments).unwrap()).unwrap();
        let photo = Photo::new(30, 20, vec![0; 1800]).unwrap();
        let map = LabelMap::open(&path).unwrap().segment(&photo).unwrap();
        assert_eq!(map, segments);
    }

    #[test]
    fn only_what_was_saved_can_be_fetched() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        std::fs::create_dir_all(out.join("a")).unwrap();
        std::fs::write(out.join("a/figure.png"), "x").unwrap();
        std::fs::write(out.join("a/secret.txt"), "x").unwrap();
        std::fs::write(root.path().join("secret.png"), "x").unwrap();
        let place = Place { out, model_arguments: vec![], software: String::new() };
        assert_eq!(place.read("a", "figure.png").unwrap(), ("image/png", b"x".to_vec()));
        for (folder, file) in
            [("..", "secret.png"), ("a", "../../secret.png"), ("a", "secret.txt"), ("a", "b.png")]
        {
            assert!(place.read(folder, file).is_err(), "{folder} {file}");
        }
    }
}
