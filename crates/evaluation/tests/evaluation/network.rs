//! A real network: what is explained once for several runs.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use hsets_core::{Progress, Silent};
use hsets_evaluation::{Case, NetworkExaminer};
use hsets_pipeline::{
    Method, Metric, MetricSettings, Settings,
    attribution::{Baseline, methods::ArchipelagoMap},
    models::{Classifier, LoadOptions},
    segmentation::Grid,
};

/// Counts how often every stage begins.
#[derive(Default)]
struct Stages(Mutex<BTreeMap<String, usize>>);

impl Stages {
    fn of(&self, stage: &str) -> usize {
        let stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stages.get(stage).copied().unwrap_or(0)
    }
}

impl Progress for Stages {
    fn begin(&self, stage: &str, _total: u64) {
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *stages.entry(stage.to_owned()).or_default() += 1;
    }

    fn advance(&self, _n: u64) {}

    fn end(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[test]
fn what_no_seed_changes_is_explained_once() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/bundled"));
    let weights = Some(fixtures.join("model.safetensors"));
    let classifier = Classifier::load(&LoadOptions { weights, ..LoadOptions::default() }, &Silent);
    let classifier = classifier.unwrap();
    let prepared = classifier.read(&fixtures.join("pictures/000008-draw.png")).unwrap();
    let mut archipelago = Settings { method: Method::Archipelago, ..Settings::paper() };
    archipelago.archipelago.map = ArchipelagoMap::All;
    let from_noise = Settings { baseline: Baseline::Noise { seed: 0 }, ..archipelago.clone() };
    let mut smooth = Settings { method: Method::SmoothGrad, ..Settings::paper() };
    smooth.smooth_grad.n_samples = 2;
    let examiner = NetworkExaminer {
        classifier: &classifier,
        segmenter: &Grid { rows: 2, columns: 2 },
        methods: vec![archipelago, smooth, from_noise],
        metrics: MetricSettings { metrics: vec![Metric::Gini], ..MetricSettings::paper() },
        masks: None,
    };
    let examine = |methods: &[usize]| {
        let case = |&method: &usize| {
            (0..3).map(move |run| Case { method, run, seed: 10 + u64::from(run) })
        };
        let cases: Vec<Case> = methods.iter().flat_map(case).collect();
        let stages = Stages::default();
        let found = examiner.examine_prepared(&prepared, None, 0, &cases, &stages).unwrap();
        let maps: Vec<_> = found.into_iter().map(|examined| examined.unwrap().map).collect();
        (stages, maps)
    };
    let (stages, maps) = examine(&[0, 1]);
    assert_eq!([stages.of("arch-detect"), stages.of("smooth-grad")], [1, 3]);
    assert!(maps[0] == maps[1] && maps[0] == maps[2] && maps[3] != maps[4]);
    let (stages, maps) = examine(&[2]);
    assert_eq!(stages.of("arch-detect"), 3);
    assert_ne!(maps[0], maps[1]);
}
