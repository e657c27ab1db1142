//! Settings of the methods beside H-Sets. Every function names every field, so that a new setting
//! cannot be forgotten here.

use hsets_pipeline::{
    Archipelago, Controls, HessiansWithin, Method, MoxiSettings, PairedSets, SegmentSummary,
    Settings, XraiBaselines, XraiSettings,
    attribution::{
        PathSettings,
        methods::{
            ArchipelagoMap, Caso, CasoNoise, HessianIntegral, IntegratedHessians, Moxi, MoxiCurve,
            MoxiMap, NoiseScale, Reward, SmoothGrad, SmoothStatistic, Solver, Xrai, XraiChannels,
        },
    },
    detection::{ArchDetect, Contexts},
};
use serde_json::{Value, json};

use super::{as_typed, smoothing_record, steps_record};

/// What the chosen method has beyond detection and attribution of H-Sets; null where nothing.
pub(super) fn of_method(settings: &Settings) -> Value {
    match settings.method {
        Method::Ig => path(&settings.ig),
        Method::SmoothGrad => smooth_grad(&settings.smooth_grad),
        Method::Archipelago => archipelago(&settings.archipelago),
        Method::Cafo => caso(&settings.cafo),
        Method::Caso => caso(&settings.caso),
        Method::Moxi => moxi(&settings.moxi),
        Method::Xrai => xrai(&settings.xrai),
        Method::IntegratedHessians => hessians(&settings.integrated_hessians),
        Method::Contrasts
        | Method::PairEffects
        | Method::Banzhaf
        | Method::InteractionMap
        | Method::MovedContrasts
        | Method::ShuffledBanzhaf => contrasts(settings),
        Method::RandomMap | Method::RandomSets | Method::RandomSegments => {
            json!({ "seed": settings.controls.seed })
        }
        Method::SegmentsByIg => {
            let Controls { seed: _, summary } = settings.controls;
            let summary = match summary {
                SegmentSummary::MeanAbs => "mean-abs",
                SegmentSummary::Sum => "sum",
            };
            json!({ "summary": summary, "path": path(&settings.ig) })
        }
        _ => Value::Null,
    }
}

fn path(settings: &PathSettings) -> Value {
    // Neither of the last two changes a result.
    let PathSettings { steps, quadrature, batch: _, keep_points: _ } = settings;
    json!({ "steps": steps_record(*steps), "quadrature": quadrature.name() })
}

/// In full, whatever of it the method uses.
fn contrasts(settings: &Settings) -> Value {
    let mut record = serde_json::to_value(&settings.contrasts).unwrap_or_default();
    if matches!(settings.method, Method::Banzhaf | Method::ShuffledBanzhaf) {
        record["path"] = path(&settings.ig);
    }
    if settings.method.is_control() {
        record["control_seed"] = json!(settings.controls.seed);
    }
    record
}

fn smooth_grad(settings: &SmoothGrad) -> Value {
    let SmoothGrad { n_samples, noise, statistic, seed, batch: _ } = settings;
    json!({
        "n_samples": n_samples,
        "noise": match *noise {
            NoiseScale::Spread(share) => json!({ "spread": as_typed(share) }),
            NoiseScale::Absolute(deviation) => json!({ "absolute": as_typed(deviation) }),
        },
        "statistic": match statistic {
            SmoothStatistic::Mean => "mean",
            SmoothStatistic::MeanSquare => "mean-square",
            SmoothStatistic::Variance => "variance",
        },
        "seed": seed,
    })
}

fn archipelago(settings: &Archipelago) -> Value {
    let Archipelago { detection, n_pairs, map } = settings;
    let ArchDetect { contexts, negligible, batch: _ } = detection;
    json!({
        "contexts": match contexts {
            Contexts::Both => "both",
            Contexts::Baseline => "baseline",
            Contexts::Image => "image",
        },
        "negligible": negligible,
        "n_pairs": n_pairs,
        "map": match map {
            ArchipelagoMap::PositiveSets { n } => json!({ "positive_sets": n }),
            ArchipelagoMap::All => json!("all"),
        },
    })
}

fn caso(settings: &Caso) -> Value {
    let Caso {
        lambda1,
        lambda2,
        second_order,
        power_steps,
        solver,
        noise,
        magnitude,
        smoothing,
        seed,
    } = settings;
    let noise = noise.map(|CasoNoise { n_samples, spread, own_class }| {
        json!({ "n_samples": n_samples, "spread": as_typed(spread), "own_class": own_class })
    });
    json!({
        "lambda1": lambda1,
        "lambda2": lambda2,
        "second_order": second_order,
        "power_steps": power_steps,
        "solver": match solver {
            Solver::Exact => json!({ "kind": "exact" }),
            Solver::Proximal { iterations, learning_rate } => json!({
                "kind": "proximal",
                "iterations": iterations,
                "learning_rate": learning_rate,
            }),
        },
        "noise": noise,
        "magnitude": magnitude,
        "smoothing": smoothing_record(*smoothing),
        "seed": seed,
    })
}

fn moxi(settings: &MoxiSettings) -> Value {
    let MoxiSettings { order, map } = settings;
    let Moxi { grid, reward, curve, n_patches, batch: _ } = order;
    json!({
        "grid": grid,
        "reward": match reward {
            Reward::LogProbability => "log-probability",
            Reward::LogOdds => "log-odds",
            Reward::Logit => "logit",
        },
        "curve": match curve {
            MoxiCurve::Insertion => "insertion",
            MoxiCurve::Deletion => "deletion",
        },
        "n_patches": n_patches,
        "map": match map {
            MoxiMap::MarginalGain => "marginal-gain",
            MoxiMap::Rank => "rank",
        },
    })
}

fn xrai(settings: &XraiSettings) -> Value {
    let XraiSettings { regions, baselines, path: along } = settings;
    let Xrai { channels, min_new_pixels } = regions;
    json!({
        "channels": match channels {
            XraiChannels::Max => "max",
            XraiChannels::Sum => "sum",
        },
        "min_new_pixels": min_new_pixels,
        "baselines": match baselines {
            XraiBaselines::BlackAndWhite => "black-and-white",
            XraiBaselines::Own => "own",
        },
        "path": path(along),
    })
}

fn hessians(settings: &HessiansWithin) -> Value {
    let HessiansWithin { integral, sets } = settings;
    let IntegratedHessians { integral, smoothing } = integral;
    json!({
        "integral": match *integral {
            HessianIntegral::Line { nodes } => json!({ "kind": "line", "nodes": nodes }),
            HessianIntegral::Nested { quadrature, steps } => json!({
                "kind": "nested",
                "quadrature": quadrature.name(),
                "steps": steps,
            }),
        },
        "smoothing": smoothing_record(*smoothing),
        "sets": match sets {
            PairedSets::Found => json!("found"),
            PairedSets::Given(sets) => json!({ "given": sets.len() }),
        },
    })
}
