//! All networks on their scenes, whose counterfactuals are drawn: each method is asked for its first
//! pair of regions.

use anyhow::Result;
use hsets_pipeline::{
    Explainer, Subject,
    attribution::Normalisation,
    core::{Photo, Silent},
    models::{Classifier, Prepared},
    normalisation,
    segmentation::QuickShift,
};

use super::{
    Sheet, TruthNetwork,
    counterfactual::Counterfactual,
    interactions::{PairCase, PairContender, jpeg, noisy, pair_overlap, score_pairs},
    truth_networks,
};

/// What pictures are for: no picture is for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Choosing settings.
    Choose,
    /// Reporting.
    Report,
}

impl Purpose {
    /// The sequence of scenes.
    fn seed(self) -> u64 {
        match self {
            Self::Choose => 31,
            Self::Report => 32,
        }
    }

    /// What results of a kind of network are gathered under.
    fn subject(self, kind: &str) -> String {
        match self {
            Self::Choose => format!("choose-{kind}"),
            Self::Report => format!("pairs-{kind}"),
        }
    }
}

/// Networks that are trained to combine two parts, and do not show it on every picture.
const LIVE_AT_TIMES: [&str; 2] = ["xor", "and"];

/// What the truth of a picture lies under, beside what contenders make of it.
pub const TRUTH: &str = "truth";

/// Kinds of networks, and whether first pairs are found again after JPEG and noise.
const KINDS: [(&str, bool); 6] = [
    ("xor", true),
    ("and", false),
    ("prod", true),
    ("additive", false),
    ("bag", false),
    ("bagmix", false),
];

/// Which methods are asked, and on which pictures.
pub struct PairStudy<'a> {
    /// What the pictures are for.
    pub purpose: Purpose,
    /// Who is asked.
    pub contenders: Vec<PairContender>,
    /// Pictures for each network of a kind.
    pub pictures: u64,
    /// Of those, the first so many are asked about in any case, the others only if they are live,
    /// for the networks that are live on some pictures alone.
    pub whether_live_or_not: u64,
    /// Whether networks of this kind and name are asked about.
    pub looks_at: &'a dyn Fn(&str, &TruthNetwork) -> bool,
    /// Whether this picture is among those of this run.
    pub has: &'a dyn Fn(u64) -> bool,
}

impl PairStudy<'_> {
    /// Adds to the sheet what it lacks; tells the name of every network that is done.
    pub fn run(&self, sheet: &mut Sheet, tell: &dyn Fn(&str)) -> Result<()> {
        for network in truth_networks()? {
            let kind = KINDS.into_iter().find(|(kind, _)| *kind == network.subject());
            let Some((kind, is_again)) = kind else { continue };
            if (self.looks_at)(kind, &network) {
                let subject = self.purpose.subject(kind);
                self.on_network(&network, &subject, is_again, sheet)?;
                tell(&format!("{subject} {}", network.name));
            }
        }
        Ok(())
    }

    fn on_network(
        &self,
        network: &TruthNetwork,
        subject: &str,
        is_again: bool,
        sheet: &mut Sheet,
    ) -> Result<()> {
        let classifier = network.load()?;
        let first = network.seed * self.pictures;
        let is_shown = |index: &u64| (self.has)(*index) && network.sees(*index);
        for index in (first..first + self.pictures).filter(is_shown) {
            let picture = index.to_string();
            let of = [subject, &network.name, &picture];
            let is_open = |contender: &&PairContender| !sheet.has(key(of, contender));
            let open: Vec<&PairContender> = self.contenders.iter().filter(is_open).collect();
            if open.is_empty() {
                continue;
            }
            let seed = self.purpose.seed();
            let truth = Counterfactual::draw(&classifier, network.task, seed, index)?;
            let of_truth = [of[0], of[1], of[2], TRUTH];
            if !sheet.has(of_truth) {
                sheet.add(of_truth, &truth.numbers())?;
            }
            let is_dead = LIVE_AT_TIMES.contains(&network.subject()) && !truth.is_live();
            if is_dead && index >= first + self.whether_live_or_not {
                continue;
            }
            let photo = &truth.scene.photo;
            let seen = Seen::of(&classifier, photo)?;
            let disturbed = [
                ("overlap-jpeg", Seen::of(&classifier, &jpeg(photo, 95)?)?),
                ("overlap-noise", Seen::of(&classifier, &noisy(photo, index)?)?),
            ];
            let case = seen.case(&classifier)?;
            let again: Vec<(&str, PairCase<'_>)> = disturbed
                .iter()
                .filter(|_| is_again)
                .map(|(metric, seen)| Ok((*metric, seen.case(&classifier)?)))
                .collect::<Result<_>>()?;
            for contender in open {
                let answer = contender.ask(&case, index)?;
                let mut scores = score_pairs(&answer, &truth)?;
                for (metric, case) in &again {
                    if self.is_asked_again(contender, metric) {
                        let other = contender.ask(case, index)?;
                        let overlap = pair_overlap(answer.first.as_ref(), other.first.as_ref())?;
                        scores.push((*metric, overlap));
                    }
                }
                sheet.add(key(of, contender), &scores)?;
            }
        }
        Ok(())
    }

    /// Variants are chosen by JPEG alone.
    fn is_asked_again(&self, contender: &PairContender, metric: &str) -> bool {
        match self.purpose {
            Purpose::Choose => metric == "overlap-jpeg",
            Purpose::Report => contender.is_asked_again(),
        }
    }
}

/// What the scores of a contender on a picture lie under.
fn key<'a>([subject, network, picture]: [&'a str; 3], of: &'a PairContender) -> [&'a str; 4] {
    [subject, network, picture, &of.name]
}

/// A picture as the network sees it.
struct Seen {
    prepared: Prepared,
    normalisation: Normalisation,
}

impl Seen {
    fn of(classifier: &Classifier, photo: &Photo) -> Result<Self> {
        let preprocessing = classifier.preprocessing();
        let prepared = preprocessing.prepare(photo)?;
        Ok(Self { prepared, normalisation: normalisation(preprocessing) })
    }

    fn case<'a>(&'a self, classifier: &'a Classifier) -> Result<PairCase<'a>> {
        let (image, photo) = (&self.prepared.image, &self.prepared.photo);
        let subject = Subject { image, photo, normalisation: &self.normalisation };
        let segmenter = QuickShift::photo_of(image.shape().width.min(image.shape().height));
        let explainer = Explainer::new(classifier.field(), &subject, &segmenter, &Silent)?;
        PairCase::new(classifier.field(), image, explainer)
    }
}
