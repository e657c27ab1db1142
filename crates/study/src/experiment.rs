//! Experiments as data: each is one evaluation with a file of results of its own.

use hsets_pipeline::{Settings, metrics::RoadSettings, segmentation::SegmenterChoice};

/// What an experiment is about. Its name is that of its file of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// All methods and controls: the paper's main tables.
    Methods,
    /// Features of a set.
    Nu,
    /// Threshold of the rows.
    Mu,
    /// Subsets sampled of a set.
    Samples,
    /// Steps of the path.
    Steps,
    /// Where segments come from, and what ranks the seeds.
    Prior,
    /// Readings of ROAD: how channels become one number, and the order of equal pixels.
    Readings,
    /// Every method alone, to be timed.
    Cost,
    /// All methods on real photos (demo).
    Photos,
}

impl Kind {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 9] = [
        Self::Methods,
        Self::Nu,
        Self::Mu,
        Self::Samples,
        Self::Steps,
        Self::Prior,
        Self::Readings,
        Self::Cost,
        Self::Photos,
    ];

    /// The name, as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::Nu => "nu",
            Self::Mu => "mu",
            Self::Samples => "samples",
            Self::Steps => "steps",
            Self::Prior => "prior",
            Self::Readings => "readings",
            Self::Cost => "cost",
            Self::Photos => "photos",
        }
    }

    /// What is varied, if it is a number.
    pub(crate) fn varied(self) -> Option<&'static str> {
        match self {
            Self::Nu => Some("ν, features of a set"),
            Self::Mu => Some("µ, threshold of the scaled row"),
            Self::Samples => Some("t, subsets sampled of a set"),
            Self::Steps => Some("m, steps of the path"),
            _ => None,
        }
    }

    /// Name of the variant with this value of what is varied.
    pub(crate) fn variant(self, value: impl std::fmt::Display) -> String {
        format!("{}={value}", self.name())
    }

    /// The value in the name of a variant.
    pub(crate) fn value(self, variant: &str) -> Option<f64> {
        variant.strip_prefix(self.name())?.strip_prefix('=')?.parse().ok()
    }
}

/// One evaluation.
pub(crate) struct Experiment {
    /// What it is about.
    pub(crate) kind: Kind,
    /// Names of models of the study; all of one dataset.
    pub(crate) models: Vec<String>,
    /// What is compared.
    pub(crate) variants: Vec<Variant>,
    /// Pictures for each model.
    pub(crate) samples: usize,
    /// Explanations of each picture.
    pub(crate) runs: u32,
}

impl Experiment {
    /// Whether it is about time: every explanation by itself, and nothing measured but Gini.
    pub(crate) fn is_timed(&self) -> bool {
        self.kind == Kind::Cost
    }
}

/// A method with all its settings.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// Its name in the results.
    pub(crate) name: String,
    /// Method and settings.
    pub(crate) settings: Settings,
    /// Where segments come from.
    pub(crate) prior: Prior,
    /// How ROAD ranks pixels.
    pub(crate) road: RoadSettings,
}

/// Where segments come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Prior {
    /// A segmenter.
    Segments(SegmenterChoice),
    /// No segmentation: every pixel by itself.
    Pixels,
}

impl Prior {
    /// Its name in results.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Segments(choice) => choice.to_string(),
            Self::Pixels => "none".into(),
        }
    }
}
