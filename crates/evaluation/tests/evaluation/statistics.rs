//! Tables against sums by hand.

use hsets_evaluation::Statistics;
use hsets_metrics::Bootstrap;

use crate::support::{Bench, dataset};

#[test]
fn means_over_pictures_and_deviations_over_runs() {
    let bench = Bench::new(dataset(40, &[(9, "hard")]), None);
    bench.run("r.db");
    let results = bench.results("r.db");
    let rows = results.rows().unwrap();
    let statistics = Statistics::of(&results).unwrap();
    let cells = statistics.cells(&Bootstrap::STANDARD);
    assert_eq!(cells.len(), 2 * 2 * 2);
    for cell in &cells {
        let metric = bench.plan.metrics.iter().position(|name| *name == cell.metric).unwrap();
        let of_run = |run: u32| {
            let mut sum = (0.0, 0);
            for row in &rows {
                let is_it = (&row.model, &row.method) == (&cell.model, &cell.method);
                let complete = rows.iter().filter(|other| {
                    (&other.model, &other.method, &other.image)
                        == (&row.model, &row.method, &row.image)
                });
                let complete = complete.clone().all(|other| other.metrics[metric].is_some());
                if is_it && complete && row.run == run {
                    sum = (sum.0 + row.metrics[metric].unwrap(), sum.1 + 1);
                }
            }
            sum
        };
        let [a, b] = [of_run(0), of_run(1)];
        assert_eq!(a.1, cell.pictures.n);
        let means = [a.0 / a.1 as f64, b.0 / b.1 as f64];
        let mean = f64::midpoint(means[0], means[1]);
        // Of two values the deviation is their distance over the root of 2.
        let std = (means[0] - means[1]).abs() / 2f64.sqrt();
        assert!((cell.runs.mean - mean).abs() < 1e-12 && (cell.runs.std - std).abs() < 1e-12);
        assert!((cell.pictures.mean - mean).abs() < 1e-12);
        assert!(cell.interval.0 < mean && mean < cell.interval.1);
    }
    let left_out: usize = cells.iter().map(|cell| cell.n_left_out).sum();
    assert!(left_out > 0);
}

#[test]
fn pairs_are_the_same_pictures() {
    let bench = Bench::new(dataset(40, &[(9, "hard")]), None);
    bench.run("r.db");
    let results = bench.results("r.db");
    let statistics = Statistics::of(&results).unwrap();
    let comparisons = statistics.against("poor", &Bootstrap::STANDARD);
    assert_eq!(comparisons.len(), 2 * 2);
    for comparison in comparisons.iter().filter(|comparison| comparison.metric == "gini") {
        assert_eq!((comparison.method.as_str(), comparison.against.as_str()), ("good", "poor"));
        let (low, high) = comparison.interval;
        assert!(0.8 < low && high < 1.2, "{comparison:?}");
        let rows = results.rows().unwrap();
        let images = rows.iter().filter(|row| {
            row.model == comparison.model
                && (row.method.as_str(), row.run) == ("poor", 0)
                && row.failure.is_none()
        });
        assert_eq!(comparison.difference.n, images.count());
    }
    assert!(statistics.against("unknown", &Bootstrap::STANDARD).is_empty());
}
