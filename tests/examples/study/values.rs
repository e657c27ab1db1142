//! The numbers of sheets, gathered.

use std::collections::BTreeMap;

use hsets_pipeline::metrics::{Bootstrap, Summary};
use hsets_tests::study::Row;

/// A mean and its 95 % interval over pictures; NaN for the ends of a single one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Interval {
    fn of(values: &[f64]) -> Self {
        let (low, high) = Bootstrap::STANDARD.interval(values);
        Self { mean: Summary::of(values).mean, low, high }
    }
}

/// Values by subject, contender and metric, each by (network, picture).
#[derive(Default)]
pub(crate) struct Values(BTreeMap<[String; 3], BTreeMap<(String, String), f64>>);

impl Values {
    /// NaN stands for what a method does not have, and is left out.
    pub(crate) fn add(&mut self, row: Row) {
        let Row { subject, network, picture, contender, metric, value } = row;
        if !value.is_nan() {
            let of = self.0.entry([subject, contender, metric]).or_default();
            of.insert((network, picture), value);
        }
    }

    pub(crate) fn has(&self, subject: &str) -> bool {
        self.0.keys().any(|[other, ..]| other == subject)
    }

    fn of(
        &self,
        [subject, contender, metric]: [&str; 3],
    ) -> Option<&BTreeMap<(String, String), f64>> {
        self.0.get(&[subject, contender, metric].map(str::to_owned))
    }

    pub(crate) fn mean(&self, subject: &str, contender: &str, metric: &str) -> Option<Interval> {
        self.mean_on("", subject, contender, metric)
    }

    /// On networks whose names begin with `architecture`.
    pub(crate) fn mean_on(
        &self,
        architecture: &str,
        subject: &str,
        contender: &str,
        metric: &str,
    ) -> Option<Interval> {
        let all = self.of([subject, contender, metric])?.iter();
        let values: Vec<f64> = all
            .filter(|((network, _), _)| network.starts_with(architecture))
            .map(|(_, &value)| value)
            .collect();
        (!values.is_empty()).then(|| Interval::of(&values))
    }

    /// `first` minus `second` on the pictures that both have.
    pub(crate) fn difference(
        &self,
        subject: &str,
        [first, second]: [&str; 2],
        metric: &str,
    ) -> Option<Interval> {
        let ours = self.of([subject, first, metric])?;
        let theirs = self.of([subject, second, metric])?;
        let pairs = ours.iter().filter_map(|(picture, a)| Some(a - theirs.get(picture)?));
        let differences: Vec<f64> = pairs.collect();
        (!differences.is_empty()).then(|| Interval::of(&differences))
    }
}
