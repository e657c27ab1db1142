//! Whatever decides the rows shows in the plan: settings that differ hash apart.

use std::collections::BTreeSet;

use hsets_core::{FeatureSet, Smoothing, Target};
use hsets_evaluation::{MethodPlan, ModelPlan, Plan, metric_plan, segmenter_plan};
use hsets_pipeline::{
    MetricSettings, PairedSets, Settings,
    attribution::{
        Samples, Steps,
        methods::{CasoNoise, HessianIntegral, Solver},
    },
    detection::GivenSeed,
    metrics::Ties,
    segmentation::{SamOptions, SamVariant, SegmenterChoice},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support;

/// Settings with something in every list and option.
fn full() -> Vec<Settings> {
    let mut first = Settings::paper();
    first.target = Target::Difference { class: 3, against: 5 };
    first.detection.given_seeds = vec![GivenSeed::Pixel { x: 1, y: 2 }, GivenSeed::Feature(7)];
    first.attribution.samples = Samples::AUTO;
    first.ig.steps = Steps::AUTO;
    first.caso.noise = Some(CasoNoise { n_samples: 3, spread: 0.1, own_class: true });
    first.caso.solver = Solver::Proximal { iterations: 10, learning_rate: 0.03 };
    first.moxi.order.n_patches = Some(4);
    first.integrated_hessians.sets = PairedSets::Given(vec![FeatureSet::new([1, 2])]);
    first.detection.smoothing = Smoothing::Softplus { beta: 10.0 };
    let mut second = Settings::reference();
    second.target = Target::Weighted(vec![0.5, -1.0]);
    second.integrated_hessians.integral.integral = HessianIntegral::Line { nodes: 20 };
    vec![Settings::paper(), Settings::reference(), Settings::complete(), first, second]
}

/// Every value with one thing in it changed.
fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(number), _) => vec![json!(number + 1)],
            // The smallest change of an f32, and so of any number here.
            (None, Some(number)) => {
                vec![json!((number as f32).next_up().to_string().parse::<f64>().unwrap())]
            }
            (None, None) => vec![],
        },
        Value::String(_) => {
            NAMES.iter().map(|name| json!(name)).filter(|new| new != value).collect()
        }
        Value::Null => vec![json!(1)],
        Value::Array(items) => {
            let longer = items.first().map(|first| {
                let mut items = items.clone();
                items.push(first.clone());
                json!(items)
            });
            let inside = items.iter().enumerate().flat_map(|(at, item)| {
                changed(item).into_iter().map(move |new| {
                    let mut items = items.clone();
                    items[at] = new;
                    json!(items)
                })
            });
            longer.into_iter().chain(inside).collect()
        }
        Value::Object(fields) => {
            let inside = fields.iter().flat_map(|(name, field)| {
                changed(field).into_iter().map(move |new| {
                    let mut fields = fields.clone();
                    fields[name] = new;
                    json!(fields)
                })
            });
            inside.collect()
        }
    }
}

/// Names of choices; those that do not fit where they are tried are refused.
const NAMES: &[&str] = &[
    "min-max",
    "max-abs",
    "depth-first",
    "none",
    "inside-only",
    "fixed",
    "smoothed-top",
    "gradient",
    "integrated-gradients",
    "exact",
    "every",
    "top",
    "top-at-each-point",
    "projection",
    "elementwise",
    "of-norms",
    "norm-of-mean",
    "mean",
    "sum",
    "riemann",
    "trapezoid",
    "gauss-legendre",
    "sets",
    "complete",
    "variance",
    "both",
    "baseline",
    "image",
    "all",
    "logit",
    "log-odds",
    "insertion",
    "deletion",
    "rank",
    "marginal-gain",
    "max",
    "own",
    "black-and-white",
    "found",
    "mean-abs",
    "moxi",
    "ig",
    "zero",
    "white",
    "last-first",
    "abs-sum",
    "sum-abs",
    "output",
    "per-input",
    "gini",
    "entropy",
    "sam-vit-b",
    "mobile-sam",
    "nearest",
    "highest-seeds",
    "best-first",
    "inside-first",
    "mean-square",
    "other",
    "0123",
];

/// Settings of one kind that differ have plans that differ. Returns how many were told apart.
fn told_apart<T>(settings: &[T], hash: impl Fn(&T) -> String) -> usize
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut n = 0;
    for settings in settings {
        let written = json!(settings);
        let read: T = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(&read, settings, "a settings file reads back as itself");
        let mut hashes = BTreeSet::from([hash(settings)]);
        // The same change may be made in two ways: `none` and null.
        let mut seen = vec![read];
        for new in changed(&written) {
            let Ok(new) = serde_json::from_value::<T>(new) else { continue };
            if seen.contains(&new) {
                continue;
            }
            assert!(hashes.insert(hash(&new)), "hashes as another: {new:?}");
            seen.push(new);
            n += 1;
        }
    }
    n
}

/// Every field that `Debug` names is written.
fn nothing_is_left_out<T: Serialize + std::fmt::Debug>(settings: &[T], renamed: &[(&str, &str)]) {
    let mut written = BTreeSet::new();
    keys(&json!(settings), &mut written);
    let shown = format!("{settings:?}");
    let word = |text: &str| {
        let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        text[start..].to_owned()
    };
    let fields: BTreeSet<String> = shown.split(": ").map(word).filter(|w| !w.is_empty()).collect();
    for field in &fields {
        let name =
            renamed.iter().find(|(field_, _)| field_ == field).map_or(&field[..], |(_, n)| n);
        assert!(name.is_empty() || written.contains(name), "{field} is not written");
    }
    assert!(fields.len() > 4, "{shown}");
}

fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            into.insert(name.clone());
            keys(value, into);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        _ => {}
    }
}

fn hash(change: impl FnOnce(&mut Plan)) -> String {
    let mut plan = support::plan(&support::dataset(3, &[]), None);
    change(&mut plan);
    let (model, method): (&ModelPlan, &MethodPlan) = (&plan.models[0], &plan.methods[0]);
    plan.settings_hash(model, method)
}

#[test]
fn methods_that_differ_in_any_setting_hash_apart() {
    let all = full();
    nothing_is_left_out(
        &all,
        &[("max_features", "nu"), ("max_share", "share"), ("threshold", "mu")],
    );
    let n =
        told_apart(&all, |settings| hash(|plan| plan.methods[0] = MethodPlan::new("m", settings)));
    assert!(n > 400, "{n}");
}

#[test]
fn metrics_that_differ_in_any_setting_hash_apart() {
    let mut all = vec![MetricSettings::paper(), MetricSettings::paper()];
    all[1].road.ties = Ties::LastFirst;
    nothing_is_left_out(&all, &[]);
    let n = told_apart(&all, |settings| hash(|plan| plan.metric_settings = metric_plan(settings)));
    assert!(n > 60, "{n}");
}

#[test]
fn segmenters_that_differ_in_any_setting_hash_apart() {
    let mut options = SamOptions::new(Some(SamVariant::VitH));
    options.masks.point_grids = Some(vec![vec![(0.25, 0.5)]]);
    options.sha256 = None;
    let sam = SegmenterChoice::Sam(Box::new(options));
    let all: Vec<SegmenterChoice> = ["quickshift", "grid:3x4", "none", "mobile-sam"]
        .iter()
        .map(|name| name.parse().unwrap())
        .chain([sam])
        .collect();
    // Where a network runs is not asked for: plans have it beside their models.
    nothing_is_left_out(&all, &[("masks", ""), ("device", "")]);
    // Files count by what is in them, which is another test's.
    let elsewhere = |settings: &SegmenterChoice| match settings {
        SegmenterChoice::Sam(options) => options.weights.is_some() || options.cache.is_some(),
        SegmenterChoice::LabelMap { .. } => true,
        _ => false,
    };
    let n = told_apart(&all, |settings| {
        assert!(!elsewhere(settings));
        hash(|plan| plan.models[0].settings = segmenter_plan(settings).unwrap())
    });
    assert!(n > 30, "{n}");
}
