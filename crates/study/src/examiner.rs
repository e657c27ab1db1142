//! Explains and measures: methods that differ in their segmenter, and every number of the report.

use std::time::Instant;

use hsets_evaluation::{Case, Examined, Examiner, Failure, NetworkExaminer, datasets::Sample};
use hsets_pipeline::{
    Metric, MetricSettings,
    core::{Image, Link, Progress, Segmenter},
    metrics::{Aopc, Road, RoadPoint, road},
    models::{Classifier, Prepared},
};

use crate::{examples::Gallery, experiment::Variant, watch::tell};

/// At most so many points of a curve of ROAD are kept.
const CURVE_POINTS: usize = 13;

/// The columns of results.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// Gini alone, or everything.
    pub(crate) only_gini: bool,
    /// Percentages of ROAD.
    pub(crate) percentages: Vec<f64>,
}

/// A point of a curve: which removal first, what is measured, at which percentage.
const CURVES: [(&str, &str); 4] =
    [("morf", "accuracy"), ("lerf", "accuracy"), ("morf", "probability"), ("lerf", "probability")];

impl Columns {
    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = gini().reading_names();
        if self.only_gini {
            return names;
        }
        names.extend(Aopc::ALL.iter().map(|aopc| format!("road-{}", aopc.name())));
        names.push("road-tied-share".into());
        for (removal, what) in CURVES {
            let kept = kept(&self.percentages);
            names.extend(kept.map(|percentage| curve_column(removal, what, *percentage)));
        }
        names
    }
}

/// What the evaluation measures by itself.
fn gini() -> MetricSettings {
    MetricSettings { metrics: vec![Metric::Gini], ..MetricSettings::paper() }
}

fn kept<T>(points: &[T]) -> impl Iterator<Item = &T> {
    points.iter().step_by(points.len().div_ceil(CURVE_POINTS).max(1))
}

/// Name of the column of a point.
pub(crate) fn curve_column(removal: &str, what: &str, percentage: f64) -> String {
    format!("road-{removal}-{what}-{percentage:02}")
}

/// What a column is a point of: removal and quantity, percentage.
pub(crate) fn curve_point<'a>(column: &'a str, removal: &str, what: &str) -> Option<f64> {
    let rest: &'a str = column.strip_prefix("road-")?.strip_prefix(removal)?;
    rest.strip_prefix('-')?.strip_prefix(what)?.strip_prefix('-')?.parse().ok()
}

/// Explains pictures of one model by the variants of an experiment.
pub(crate) struct StudyExaminer<'a> {
    classifier: &'a Classifier,
    variants: &'a [Variant],
    columns: Columns,
    /// One for each segmenter.
    parts: Vec<NetworkExaminer<'a>>,
    /// The part of each variant.
    part_of: Vec<usize>,
    /// Nothing is shared between explanations, so that each can be timed.
    alone: bool,
    /// Keeps the first pictures with all their maps.
    pub(crate) gallery: Option<Gallery>,
}

impl<'a> StudyExaminer<'a> {
    /// `segmenters` are those of the variants, in their order; the same one is used together.
    pub(crate) fn new(
        classifier: &'a Classifier,
        variants: &'a [Variant],
        segmenters: &[&'a dyn Segmenter],
        columns: Columns,
        alone: bool,
    ) -> Self {
        let mut distinct: Vec<&dyn Segmenter> = Vec::new();
        let mut part_of = Vec::new();
        for segmenter in segmenters {
            let same = |other: &&dyn Segmenter| std::ptr::addr_eq(*other, *segmenter);
            let part = distinct.iter().position(same).unwrap_or(distinct.len());
            if part == distinct.len() {
                distinct.push(*segmenter);
            }
            part_of.push(part);
        }
        let methods: Vec<_> = variants.iter().map(|variant| variant.settings.clone()).collect();
        let part = |segmenter| NetworkExaminer {
            classifier,
            segmenter,
            methods: methods.clone(),
            metrics: gini(),
            masks: None,
        };
        let parts = distinct.into_iter().map(part).collect();
        Self { classifier, variants, columns, parts, part_of, alone, gallery: None }
    }

    /// Cases that are explained together: those of a segmenter.
    fn groups(&self, n_cases: usize, cases: &[Case]) -> Vec<Vec<usize>> {
        if self.alone {
            return (0..n_cases).map(|case| vec![case]).collect();
        }
        let of_part = |part| {
            let is_of = |case: &usize| self.part_of[cases[*case].method] == part;
            (0..n_cases).filter(is_of).collect()
        };
        (0..self.parts.len()).map(of_part).collect()
    }

    /// Keeps the picture as an example if one is still wanted. Failing to draw fails nothing else.
    fn show(
        &self,
        sample: &Sample,
        class: usize,
        prepared: &Prepared,
        cases: &[Case],
        results: &[Result<Examined, Failure>],
    ) {
        let Some(gallery) = &self.gallery else { return };
        let Some(name) = gallery.place(&sample.id) else { return };
        let first_run = cases.iter().zip(results).filter(|(case, _)| case.run == 0);
        let maps: Vec<_> = first_run
            .filter_map(|(case, result)| {
                let map = &result.as_ref().ok()?.map;
                let is_zero = map.data().iter().all(|value| *value == 0.0);
                let name = &self.variants[case.method].name;
                let name = if is_zero { format!("{name}: all zero") } else { name.clone() };
                Some((name, map))
            })
            .collect();
        let segmenter = self.parts[0].segmenter;
        let (names, class) = ((name.as_str(), sample.id.as_str()), (self.classifier, class));
        if let Err(error) = gallery.keep(names, class, prepared, segmenter, &maps) {
            tell(&format!("no example of {}: {error:#}", sample.id));
        }
    }

    /// With the numbers that the evaluation itself does not have.
    fn measured(
        &self,
        image: &Image,
        class: usize,
        case: &Case,
        examined: Examined,
        progress: &dyn Progress,
    ) -> Result<Examined, Failure> {
        let Examined { map, mut metrics, mut timings, .. } = examined;
        if !self.columns.only_gini {
            let begun = Instant::now();
            let road_of_variant = self.variants[case.method].road.clone();
            let settings = MetricSettings { road: road_of_variant, ..gini() }.with_seed(case.seed);
            let field = self.classifier.field();
            let found = road(field, image, &map, class, &settings.road, progress)?;
            metrics.extend(readings(&found));
            timings.push(("road".into(), begun.elapsed()));
        }
        Ok(Examined { map, metrics, timings, ..examined })
    }
}

impl Examiner for StudyExaminer<'_> {
    fn classify(&self, sample: &Sample) -> Result<Vec<f32>, Failure> {
        self.parts[0].classify(sample)
    }

    fn link(&self) -> Link {
        self.parts[0].link()
    }

    fn examine(
        &self,
        sample: &Sample,
        class: usize,
        cases: &[Case],
        progress: &dyn Progress,
    ) -> Result<Vec<Result<Examined, Failure>>, Failure> {
        let prepared = self.classifier.read(&sample.path)?;
        let image = &prepared.image;
        let mut results: Vec<Option<Result<Examined, Failure>>> = vec![None; cases.len()];
        for group in self.groups(cases.len(), cases) {
            let Some(first) = group.first() else { continue };
            let part = &self.parts[self.part_of[cases[*first].method]];
            let chosen: Vec<Case> = group.iter().map(|&case| cases[case]).collect();
            let found = part.examine_prepared(&prepared, None, class, &chosen, progress)?;
            for (&at, examined) in group.iter().zip(found) {
                let measure =
                    |examined| self.measured(image, class, &cases[at], examined, progress);
                results[at] = Some(examined.and_then(measure));
            }
        }
        let missing = || Err(Failure::Reason("was not explained".into()));
        let results: Vec<_> =
            results.into_iter().map(|result| result.unwrap_or_else(missing)).collect();
        self.show(sample, class, &prepared, cases, &results);
        Ok(results)
    }
}

/// In the order of [`Columns::names`].
fn readings(road: &Road) -> Vec<f64> {
    let mut numbers: Vec<f64> = Aopc::ALL.iter().map(|aopc| aopc.of(road)).collect();
    numbers.push(road.tied_share);
    let value = |point: &RoadPoint, what: &str| match what {
        "accuracy" => f64::from(u8::from(point.correct)),
        _ => point.probability,
    };
    for (removal, what) in CURVES {
        let curve = if removal == "morf" { &road.morf } else { &road.lerf };
        numbers.extend(kept(&curve.points).map(|point| value(point, what)));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_say_what_they_are_a_point_of() {
        let percentages = MetricSettings::paper().road.percentages;
        let names = Columns { only_gini: false, percentages }.names();
        let of = |removal, what| names.iter().filter_map(move |n| curve_point(n, removal, what));
        let found: Vec<f64> = of("lerf", "probability").collect();
        assert_eq!(found, (0..13).map(|i| f64::from(1 + 8 * i)).collect::<Vec<_>>());
        assert_eq!(of("morf", "accuracy").count(), 13);
        assert_eq!(curve_point("road-1-accuracy", "morf", "accuracy"), None);
    }
}
