//! All files of one explanation, as `hsets explain` writes them.

use hsets_core::{Photo, Target};
use hsets_pipeline::{Explanation, Settings};
use rayon::prelude::*;
use serde_json::Value;

use crate::{
    Figure, Provenance, Record, Result,
    draw::Canvas,
    html::{ImageReport, image_page},
    maps,
    output::Folder,
    panel::Panels,
};

/// One explanation with its record and what heads its pictures.
pub struct Results<'a> {
    explanation: &'a Explanation,
    photo: &'a Photo,
    record: Record,
    title: String,
    subtitle: String,
}

/// What was drawn.
pub struct Drawn {
    /// Name and content of each file.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The photo with its map, or with the regions or segments that are its verdict, for an index.
    pub overlay: Canvas,
}

/// Name of a file, and what it takes to make it.
type File<'a> = (&'static str, &'a (dyn Fn() -> Result<Vec<u8>> + Sync));

impl<'a> Results<'a> {
    /// Of an explanation of `photo`, as the network sees it, made with these settings.
    pub fn new(
        explanation: &'a Explanation,
        photo: &'a Photo,
        settings: &Settings,
        from: &Provenance<'_>,
    ) -> Self {
        let Explanation { target, logits, link, measures, .. } = explanation;
        let share = target.class().map(|class| link.probability(logits, class));
        let mut facts = vec![from.model.name.clone()];
        facts.extend(share.map(|share| format!("probability {share:.3}")));
        facts.push(format!("{} ({})", settings.method, from.preset));
        facts.push(format!("Gini {:.3}", measures.gini));
        Self {
            explanation,
            photo,
            record: Record::new(explanation, settings, from),
            title: described(target, logits, from.label),
            subtitle: facts.join("   ·   "),
        }
    }

    /// With what a person did, and what came of it, in the record.
    #[must_use]
    pub fn with_steps_by_hand(self, steps: Value) -> Self {
        Self { record: self.record.with_steps_by_hand(steps), ..self }
    }

    /// `explanation.json`.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is explained, for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// `explanation.html`: a page that needs nothing but itself.
    pub fn page(&self) -> Result<String> {
        image_page(&ImageReport::new(&self.title, self.photo, &[(self.explanation, &self.record)])?)
    }

    /// `figure.png`: everything side by side.
    pub fn figure(&self) -> Result<Canvas> {
        self.figure_of(&self.panels()?)
    }

    /// Draws and encodes all files.
    pub fn draw(&self) -> Result<Drawn> {
        let (page, panels) = rayon::join(|| self.page(), || self.panels());
        let (page, panels) = (page?, panels?);
        let files: [File<'_>; 6] = [
            ("figure.png", &|| self.figure_of(&panels)?.png()),
            ("overlay.png", &|| panels.overlay.png()),
            ("sets.png", &|| panels.sets.png()),
            ("segments.png", &|| panels.segments.png()),
            ("maps.safetensors", &|| maps(self.explanation).encode()),
            ("explanation.json", &|| Ok(self.record.to_pretty_json()?.into_bytes())),
        ];
        let drawn = files.par_iter().map(|(name, bytes)| Ok((*name, bytes()?)));
        let mut files: Vec<_> = drawn.collect::<Result<_>>()?;
        files.push(("explanation.html", page.into_bytes()));
        let is_verdict = self.explanation.interactions.contrasts.is_some();
        let overlay = if is_verdict { panels.sets } else { panels.overlay };
        Ok(Drawn { files, overlay })
    }

    fn panels(&self) -> Result<Panels> {
        let Explanation { segments, sets, interactions, map, .. } = self.explanation;
        let sets: Vec<_> = sets.iter().map(|set| &set.features).collect();
        Panels::draw(self.photo, segments, &sets, interactions, map)
    }

    fn figure_of(&self, panels: &Panels) -> Result<Canvas> {
        let figure = Figure {
            title: &self.title,
            subtitle: &self.subtitle,
            photo: self.photo,
            segments: &self.explanation.segments,
            sets: &self.explanation.sets,
            interactions: &self.explanation.interactions,
            panels,
        };
        figure.draw()
    }
}

impl Drawn {
    /// Adds all files to a folder.
    pub fn add_to(&self, folder: &mut Folder) -> Result<()> {
        self.files.iter().try_for_each(|(name, bytes)| folder.add(name, bytes))
    }
}

/// A target for people; `logits` tell which class [`Target::Top`] is, `label` its name.
pub fn described(target: &Target, logits: &[f32], label: &dyn Fn(usize) -> String) -> String {
    match target.fixed(logits) {
        Target::LogProbability(class) | Target::LogSigmoid(class) => {
            format!("log-probability of {}", label(class))
        }
        Target::Difference { class, against } => {
            format!("{} rather than {}", label(class), label(against))
        }
        // Who did not ask for another scalar gets the one that suits the method.
        Target::Logit(class) | Target::LogOdds(class) => label(class),
        Target::Top | Target::Weighted(_) => "weighted logits".into(),
    }
}
