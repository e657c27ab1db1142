//! `hsets explain`: pictures, record and tensors of each input.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hsets_explorer::ByHand;
use hsets_files::name_of;
use hsets_pipeline::{
    Adaptive, AdaptiveSamples, AdaptiveSteps, Explainer, Explanation, Settings, Subject, Work,
    attribution::Normalisation,
    core::{Error, Mask, Segmenter},
    detection::Contrasted,
    explain,
    models::Prepared,
    segmentation::SegmenterChoice,
};
use hsets_report::{
    Provenance, Results, contrast_words, group_words, html::IndexEntry, output::Folder,
    verdict_words,
};

use serde_json::Value;

use super::index;
use crate::{
    args::{ExplainArgs, General},
    failure::{Failure, for_each_input},
    network::Network,
    output::{say, short},
    progress::{self, Bars},
    segmenter::described,
    settings::single_settings,
};

/// Program and version, as results name them.
pub(super) const SOFTWARE: &str = concat!("hsets ", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &ExplainArgs, general: &General) -> Result<(), Failure> {
    // What is missing of the segmenter shows before a network is loaded.
    let choice = args.settings.segmenter.choice(general)?;
    let network = Network::load(&args.model, general, &args.inputs)?;
    let choice = choice.for_side(network.side());
    let segmenter = choice.build()?;
    let mut settings = single_settings(&args.settings, &args.single, general, &network)?;
    settings.method = args.method;
    settings.target = network.target(&args.target)?;
    let by_hand = args.by_hand.as_deref().map(ByHand::open).transpose()?;
    if let Some(by_hand) = &by_hand {
        settings.given_sets = by_hand.sets(network.classifier().shape())?;
        settings.check()?;
    }
    let job = Job {
        network: &network,
        settings: &settings,
        segmenter: segmenter.as_ref(),
        names: Names {
            segmenter: &choice,
            baseline: args.settings.baseline.clone(),
            preset: args.settings.preset.name(),
        },
        by_hand: by_hand.as_ref(),
        general,
    };
    let folders = folders(&args.out, &args.inputs);
    let mut pages = Vec::new();
    let outcome = for_each_input(
        &args.inputs,
        |input| input.display().to_string(),
        |index, input| {
            progress::check()?;
            let name = input.display().to_string();
            // Before minutes of work, not after.
            let folder = Folder::begin(&folders[index])?;
            let prepared = network.read(input)?;
            let prefix = match args.inputs.len() {
                1 => String::new(),
                n => format!("[{}/{n}] ", index + 1),
            };
            let explanation = job.explain(&prepared, prefix)?;
            pages.push(job.write(&explanation, &prepared, &name, folder)?);
            Ok(())
        },
    );
    index::write_after(outcome, &args.out, "Explanations", network.name(), pages)
}

/// What was asked for, as the user named it.
pub(super) struct Names<'a> {
    pub(super) segmenter: &'a SegmenterChoice,
    pub(super) baseline: String,
    pub(super) preset: &'static str,
}

/// How inputs are explained and written.
pub(super) struct Job<'a> {
    pub(super) network: &'a Network,
    pub(super) settings: &'a Settings,
    pub(super) segmenter: &'a dyn Segmenter,
    pub(super) names: Names<'a>,
    /// Steps to repeat.
    pub(super) by_hand: Option<&'a ByHand>,
    pub(super) general: &'a General,
}

impl Job<'_> {
    pub(super) fn explain(
        &self,
        prepared: &Prepared,
        prefix: String,
    ) -> anyhow::Result<Explanation> {
        let field = self.network.field();
        let normalisation = self.network.normalisation();
        let subject = subject(prepared, &normalisation);
        let bars = Bars::new(self.general.quiet, prefix);
        Ok(explain(field, &subject, self.segmenter, self.settings, &bars)?)
    }

    /// Writes all files of one input, then says what was found; gives what the index shows of it.
    pub(super) fn write(
        &self,
        explanation: &Explanation,
        prepared: &Prepared,
        input: &str,
        mut folder: Folder,
    ) -> anyhow::Result<IndexEntry> {
        let provenance = Provenance {
            input,
            model: &self.network.record(),
            label: &|class| self.network.label(class),
            segmenter: self.names.segmenter,
            baseline: &self.names.baseline,
            preset: self.names.preset,
            software: SOFTWARE,
        };
        let mut results = Results::new(explanation, &prepared.photo, self.settings, &provenance);
        if let Some(by_hand) = self.by_hand {
            results = results.with_steps_by_hand(self.repeated(by_hand, explanation, prepared)?);
        }
        let drawn = results.draw()?;
        drawn.add_to(&mut folder)?;
        if progress::is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        let written = folder.publish()?;
        if self.general.json {
            say(&results.record().to_json_line()?);
        } else if !self.general.quiet {
            self.summarise(explanation, input, &written);
        }
        let title = results.title().to_owned();
        let entry = index::entry(&written, "explanation.html", input, title, &drawn.overlay)?;
        Ok(match &explanation.interactions.contrasts {
            Some(found) => entry.found(counted(found)),
            None => entry,
        })
    }

    /// What a person did, done again.
    fn repeated(
        &self,
        by_hand: &ByHand,
        explanation: &Explanation,
        prepared: &Prepared,
    ) -> anyhow::Result<Value> {
        let normalisation = self.network.normalisation();
        let subject = subject(prepared, &normalisation);
        let segments = explanation.segments.clone();
        let explainer = Explainer::with_segments(self.network.field(), &subject, segments)?;
        let bars = Bars::new(self.general.quiet, String::new());
        let classifier = self.network.classifier();
        let steps =
            by_hand.repeat(classifier, prepared, explanation, &explainer, self.settings, &bars)?;
        Ok(steps)
    }

    fn summarise(&self, explanation: &Explanation, input: &str, written: &Path) {
        let target = self.network.described(&explanation.target, &explanation.logits);
        let percent = explanation.target.class().map_or(String::new(), |class| {
            format!(" ({:.1} %)", 100.0 * explanation.link.probability(&explanation.logits, class))
        });
        say(&format!("{input}: {target}{percent}"));
        let shape = explanation.image.shape();
        for (rank, set) in explanation.sets.iter().enumerate() {
            let around = set.grown.map_or(String::new(), |grown| {
                let (_, y, x) = shape.position(grown.seed);
                format!(" around x {x}, y {y}")
            });
            say(&format!(
                "  set {}  score {} ± {}  {} features{around}",
                rank + 1,
                short(set.score),
                short(set.standard_error),
                set.features.len(),
            ));
        }
        if let Some(found) = &explanation.interactions.contrasts {
            interactions(found).iter().for_each(|line| say(&format!("  {line}")));
        }
        if let Some(masks) = &explanation.masks {
            say(&format!("  {}", described(masks)));
        }
        let cost = &explanation.cost;
        let seconds: f64 = cost.timings.iter().map(|(_, took)| took.as_secs_f64()).sum();
        let gap = explanation
            .measures
            .completeness
            .map_or(String::new(), |gap| format!(", completeness gap {}", short(gap.absolute())));
        say(&format!(
            "  Gini {:.3}{gap}; {} in {} s",
            explanation.measures.gini,
            work(&cost.alone),
            short(seconds),
        ));
        for line in adaptive(explanation, self.settings, self.names.preset) {
            say(&format!("  {line}"));
        }
        say(&format!("  {}", written.join("explanation.html").display()));
    }
}

fn subject<'a>(prepared: &'a Prepared, normalisation: &'a Normalisation) -> Subject<'a> {
    Subject { image: &prepared.image, photo: &prepared.photo, normalisation }
}

/// What acts together, and what does not.
fn interactions(found: &Contrasted) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(counted(found));
    for (rank, pair) in found.interactions.iter().enumerate() {
        let place = |region: &Mask| {
            let [x, y] = region.centre().unwrap_or_default();
            format!("x {x:.0}, y {y:.0}")
        };
        let [first, second] = &pair.regions;
        lines.push(format!(
            "pair {} around {} and {}: {}",
            rank + 1,
            place(first),
            place(second),
            verdict_words(pair)
        ));
        // Those without a claim are one line each.
        if pair.claim {
            lines.push(format!("  {}", contrast_words(&pair.contrast, ["first", "second"])));
        }
    }
    lines.extend(
        found.triples.iter().map(|group| format!("with a third region: {}", group_words(group))),
    );
    lines
}

/// How many pairs are claimed.
fn counted(found: &Contrasted) -> String {
    match found.interactions.iter().filter(|pair| pair.claim).count() {
        0 => "no interaction found".into(),
        1 => "1 pair of regions acts together".into(),
        n => format!("{n} pairs of regions act together"),
    }
}

/// What adaptive settings came to, one line each.
fn adaptive(explanation: &Explanation, settings: &Settings, preset: &str) -> Vec<String> {
    let fixed = Settings::named(preset).unwrap_or_else(Settings::paper);
    let Adaptive { steps, samples } = Adaptive::new(explanation, settings, &fixed);
    let steps = steps.map(|found| {
        let AdaptiveSteps { asked, used, closed, n_gradients, n_gradients_fixed } = found;
        let open = if closed { "" } else { "; the gap is not closed, and there are no further" };
        format!("steps {asked}: {used}, {n_gradients} gradients, not {n_gradients_fixed}{open}")
    });
    let samples = samples.map(|found| {
        let AdaptiveSamples { asked, largest, open, n_subsets, n_subsets_fixed } = found;
        let open = match open.as_slice() {
            [] => String::new(),
            open => {
                let ranks = open.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
                format!("; the order of sets {ranks} is not settled, and there are no further")
            }
        };
        format!(
            "samples {asked}: {largest} at most, {n_subsets} subsets, not {n_subsets_fixed}{open}"
        )
    });
    steps.into_iter().chain(samples).collect()
}

/// What was asked of the network, without what was not.
pub(super) fn work(work: &Work) -> String {
    let Work { n_forwards, n_gradients, n_linearisations: _, n_rows } = *work;
    let counts = [
        (n_forwards, "forward pass", "es"),
        (n_gradients, "gradient", "s"),
        (n_rows, "Hessian row", "s"),
    ];
    let asked = counts.into_iter().filter(|(n, ..)| *n > 0).map(|(n, what, plural)| {
        let ending = if n == 1 { "" } else { plural };
        format!("{n} {what}{ending}")
    });
    let asked: Vec<String> = asked.collect();
    if asked.is_empty() { "nothing asked of the network".into() } else { asked.join(" and ") }
}

/// A folder in `out` for each input, named after it; inputs of the same name are numbered.
pub(super) fn folders(out: &Path, inputs: &[PathBuf]) -> Vec<PathBuf> {
    let mut taken = BTreeSet::new();
    let name = |input: &PathBuf| {
        let stem = name_of(input);
        let numbered = (2..).map(|n| format!("{stem}-{n}"));
        let mut candidates = std::iter::once(stem.clone()).chain(numbered);
        // Some systems do not tell large letters from small ones.
        let free = candidates.find(|name| taken.insert(name.to_lowercase()));
        out.join(free.unwrap_or(stem))
    };
    inputs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_kind_is_singular() {
        let asked = Work { n_forwards: 1, n_gradients: 1, n_rows: 1, ..Work::default() };
        assert_eq!(work(&asked), "1 forward pass and 1 gradient and 1 Hessian row");
        let asked = Work { n_forwards: 2, n_gradients: 32, ..Work::default() };
        assert_eq!(work(&asked), "2 forward passes and 32 gradients");
        assert_eq!(work(&Work::default()), "nothing asked of the network");
    }

    #[test]
    fn inputs_of_one_name_get_folders_of_their_own() {
        let inputs = ["a/cat.jpg", "b/cat.png", "dog.jpg", "cat-2.jpg", "Dog.png", "...png", ".."];
        let inputs = inputs.map(PathBuf::from);
        let names = ["cat", "cat-2", "dog", "cat-2-2", "Dog-2", "unnamed", "unnamed-2"]
            .map(|name| Path::new("out").join(name));
        assert_eq!(folders(Path::new("out"), &inputs), names);
    }
}
