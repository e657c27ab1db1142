//! The numbers of sheets, gathered.

use std::collections::BTreeMap;

use hsets_pipeline::metrics::{Bootstrap, Summary};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::Row;

/// A mean and its 95 % interval over pictures; NaN for the ends where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// The mean, or whatever the number is.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    fn of(values: &[f64]) -> Self {
        let (low, high) = Bootstrap::STANDARD.interval(values);
        Self { mean: Summary::of(values).mean, low, high }
    }
}

/// Values by subject, contender and metric, each by (network, picture).
#[derive(Default)]
pub struct Values(BTreeMap<[String; 3], BTreeMap<(String, String), f64>>);

impl Values {
    /// NaN stands for what a method does not have, and is left out.
    pub fn add(&mut self, row: Row) {
        let Row { subject, network, picture, contender, metric, value } = row;
        if !value.is_nan() {
            let of = self.0.entry([subject, contender, metric]).or_default();
            of.insert((network, picture), value);
        }
    }

    /// Whether there is any number of this subject.
    pub fn has(&self, subject: &str) -> bool {
        self.0.keys().any(|[other, ..]| other == subject)
    }

    fn of(
        &self,
        [subject, contender, metric]: [&str; 3],
    ) -> Option<&BTreeMap<(String, String), f64>> {
        self.0.get(&[subject, contender, metric].map(str::to_owned))
    }

    /// Over all pictures of a subject.
    pub fn mean(&self, subject: &str, contender: &str, metric: &str) -> Option<Interval> {
        self.mean_on("", subject, contender, metric)
    }

    /// On networks whose names begin with `architecture`.
    pub fn mean_on(
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

    fn list(&self, subject: &str, contender: &str, metric: &str) -> Vec<f64> {
        let of = self.of([subject, contender, metric]);
        of.into_iter().flat_map(|values| values.values().copied()).collect()
    }

    /// Of several subjects, each with a metric.
    fn pooled(&self, contender: &str, groups: &[[&str; 2]]) -> Vec<f64> {
        groups.iter().flat_map(|[subject, metric]| self.list(subject, contender, metric)).collect()
    }

    /// Over the pictures of several subjects, each with a metric.
    pub fn mean_of(&self, contender: &str, groups: &[[&str; 2]]) -> Option<Interval> {
        let values = self.pooled(contender, groups);
        (!values.is_empty()).then(|| Interval::of(&values))
    }

    /// Pictures that have this metric.
    pub fn count(&self, subject: &str, contender: &str, metric: &str) -> Option<Interval> {
        let n = self.list(subject, contender, metric).len();
        (n > 0).then_some(Interval { mean: n as f64, low: f64::NAN, high: f64::NAN })
    }

    /// Of several subjects together.
    fn differences(&self, subjects: &[&str], [first, second]: [&str; 2], metric: &str) -> Vec<f64> {
        let of_subject = |subject: &&str| {
            let ours = self.of([subject, first, metric]);
            let theirs = self.of([subject, second, metric]);
            let both = ours.zip(theirs).into_iter();
            both.flat_map(|(ours, theirs)| {
                ours.iter().filter_map(|(picture, a)| Some(a - theirs.get(picture)?))
            })
        };
        subjects.iter().flat_map(of_subject).collect()
    }

    /// `first` minus `second` on the pictures that both have.
    pub fn difference(
        &self,
        subjects: &[&str],
        contenders: [&str; 2],
        metric: &str,
    ) -> Option<Interval> {
        let differences = self.differences(subjects, contenders, metric);
        (!differences.is_empty()).then(|| Interval::of(&differences))
    }

    /// The same of a sum of means, each over pictures of its own.
    pub fn difference_of_sums(
        &self,
        terms: &[(&[&str], &str)],
        contenders: [&str; 2],
    ) -> Option<Interval> {
        let of =
            |&(subjects, metric): &(&[&str], &str)| self.differences(subjects, contenders, metric);
        let terms: Vec<Vec<f64>> = terms.iter().map(of).collect();
        if terms.iter().any(Vec::is_empty) {
            return None;
        }
        Some(resampled(&terms, |terms| {
            terms.iter().map(|term| term.iter().sum::<f64>() / term.len() as f64).sum()
        }))
    }

    /// Probability that a picture of the positive subjects has more of their metrics than one of the
    /// negative subjects: the area under the receiver operating characteristic. Ties count half.
    pub fn auroc(
        &self,
        contender: &str,
        positive: &[[&str; 2]],
        negative: &[[&str; 2]],
    ) -> Option<Interval> {
        let groups = [positive, negative].map(|groups| self.pooled(contender, groups));
        if groups.iter().any(Vec::is_empty) {
            return None;
        }
        Some(resampled(&groups, |groups| {
            let won = |a: f64, b: f64| if a > b { 1.0 } else { f64::from(a == b) / 2.0 };
            let all = groups[0].iter().flat_map(|&a| groups[1].iter().map(move |&b| won(a, b)));
            all.sum::<f64>() / (groups[0].len() * groups[1].len()) as f64
        }))
    }

    /// Pearson's correlation of two metrics on the pictures that have both.
    pub fn pearson(&self, subject: &str, contender: &str, metrics: [&str; 2]) -> Option<Interval> {
        let both = self.both(subject, contender, metrics)?;
        (both.len() >= 3).then(|| resampled(&[both], |both| pearson(&both[0])))
    }

    /// Mean of one metric over the mean of another, on the pictures that have both.
    pub fn ratio(&self, subject: &str, contender: &str, metrics: [&str; 2]) -> Option<Interval> {
        let both = self.both(subject, contender, metrics)?;
        let sum = |both: &[(f64, f64)]| both.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        (!both.is_empty()).then(|| {
            resampled(&[both], |both| {
                let (x, y) = sum(&both[0]);
                x / y
            })
        })
    }

    fn both(&self, subject: &str, contender: &str, metrics: [&str; 2]) -> Option<Vec<(f64, f64)>> {
        let [x, y] = metrics.map(|metric| self.of([subject, contender, metric]));
        let (x, y) = (x?, y?);
        Some(x.iter().filter_map(|(picture, &x)| Some((x, *y.get(picture)?))).collect())
    }
}

fn pearson(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let centred = points.iter().map(|(x, y)| (x - sum_x / n, y - sum_y / n));
    let (xx, xy, yy) =
        centred.fold((0.0, 0.0, 0.0), |(xx, xy, yy), (x, y)| (xx + x * x, xy + x * y, yy + y * y));
    xy / (xx * yy).sqrt()
}

/// A number made of several groups of pictures, with the percentile bootstrap over each group. What
/// has no value in a resample, such as the correlation of points that are all one, is left out.
fn resampled<T: Copy>(groups: &[Vec<T>], statistic: impl Fn(&[Vec<T>]) -> f64) -> Interval {
    const RESAMPLES: usize = 2000;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draw = |group: &Vec<T>| -> Vec<T> {
        let n = group.len() as u128;
        let mut one = || group[((u128::from(rng.next_u64()) * n) >> 64) as usize];
        (0..n).map(|_| one()).collect()
    };
    let resample = |_| statistic(&groups.iter().map(&mut draw).collect::<Vec<_>>());
    let mut values: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = values.len().saturating_sub(1) as f64;
        values.get((share * last).round() as usize).copied().unwrap_or(f64::NAN)
    };
    Interval { mean: statistic(groups), low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[(&str, &str, &[f64])]) -> Values {
        let mut values = Values::default();
        for (subject, metric, numbers) in of {
            for (picture, &value) in numbers.iter().enumerate() {
                values.add(Row {
                    subject: (*subject).into(),
                    network: "net".into(),
                    picture: picture.to_string(),
                    contender: "c".into(),
                    metric: (*metric).into(),
                    value,
                });
            }
        }
        values
    }

    #[test]
    fn statistics_by_hand() {
        let found = values(&[
            ("a", "s", &[3.0, 2.0, f64::NAN, 5.0]),
            ("b", "s", &[1.0, 2.0]),
            ("a", "t", &[1.0, 2.0, 9.0, 3.0]),
        ]);
        let auroc = found.auroc("c", &[["a", "s"]], &[["b", "s"]]).unwrap();
        assert!((auroc.mean - 5.5 / 6.0).abs() < 1e-12 && auroc.low < auroc.mean);
        // Of (3, 1), (2, 2), (5, 3): numpy.corrcoef gives 0.6546537.
        let pearson = found.pearson("a", "c", ["s", "t"]).unwrap();
        assert!((pearson.mean - 0.654_653_7).abs() < 1e-6);
        assert_eq!(found.count("a", "c", "s").unwrap().mean, 3.0);
        assert_eq!(found.ratio("a", "c", ["s", "t"]).unwrap().mean, 10.0 / 6.0);
    }

    #[test]
    fn sums_are_of_means_over_their_own_pictures() {
        let mut all = values(&[("a", "s", &[3.0, 1.0]), ("b", "t", &[5.0])]);
        let (subjects_a, subjects_b): (&[&str], &[&str]) = (&["a"], &["b"]);
        for (subject, picture, metric, value) in
            [("a", "0", "s", 1.0), ("a", "1", "s", 1.0), ("b", "0", "t", 1.0)]
        {
            let (network, contender) = ("net".into(), "d".into());
            let (subject, picture, metric) = (subject.into(), picture.into(), metric.into());
            all.add(Row { subject, network, picture, contender, metric, value });
        }
        let terms = [(subjects_a, "s"), (subjects_b, "t")];
        assert_eq!(all.difference_of_sums(&terms, ["c", "d"]).unwrap().mean, 1.0 + 4.0);
        assert!(all.difference_of_sums(&[(subjects_a, "t")], ["c", "d"]).is_none());
    }
}
