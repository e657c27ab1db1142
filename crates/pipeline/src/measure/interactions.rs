//! Whether effects of pairs predict what the network does when segments go.

use hsets_core::{Error, Result};
use hsets_metrics::{PairTrials, SecondOrder, interaction_curves};

use super::{
    Better, Curve, Pairs, Task,
    metric::{Found, Needs, Spec, named},
};

pub(super) const FAITHFULNESS: Spec = Spec {
    name: "interaction-faithfulness",
    needs: Needs::PairEffects,
    readings: || {
        named([
            ("interaction-faithfulness", Better::Higher, Some("pairs")),
            ("interaction-split-half", Better::Neither, None),
            ("interaction-ceiling", Better::Neither, Some("at most")),
            ("interaction-faithfulness-of-mains", Better::Neither, None),
            ("interaction-faithfulness-second-reference", Better::Higher, None),
            ("interaction-ceiling-second-reference", Better::Neither, None),
        ])
    },
    measure: |task| {
        let Pairs { effects, segments, removal, second } = pairs(task)?;
        let (settings, progress) = (&task.settings.pairs, task.progress);
        let trials = PairTrials::measure(&removal, segments, settings, progress)?;
        let predicted = |trials: &PairTrials| trials.faithfulness(|[a, b]| effects.effect(a, b));
        let elsewhere = match second {
            Some(second) => {
                // The same pairs in the same contexts.
                let trials = trials.repeated(&second, segments, progress)?;
                [predicted(&trials), trials.ceiling()]
            }
            None => [f64::NAN; 2],
        };
        Ok(Found::of([
            predicted(&trials),
            trials.split_half(),
            trials.ceiling(),
            trials.faithfulness_of_mains(),
            elsewhere[0],
            elsewhere[1],
        ]))
    },
};

pub(super) const CURVES: Spec = Spec {
    name: "interaction-curves",
    needs: Needs::PairEffects,
    readings: || {
        named([
            ("second-order-area", Better::Higher, Some("area by pairs")),
            ("second-order-area-of-first-order", Better::Neither, None),
        ])
    },
    measure: |task| {
        let Pairs { effects, segments, removal, .. } = pairs(task)?;
        let explanation = SecondOrder::of_removal(&effects.main_effects, &effects.effects)?;
        let curves = |of: &SecondOrder| interaction_curves(&removal, segments, of, task.progress);
        let found = curves(&explanation)?;
        let first_order = curves(&explanation.first_order(0.5))?;
        let caption = "Segments come in as the effects of pairs say. The wider apart both curves \
                       are, the more faithful are the effects.";
        let curve = |name, title, values: &[f64]| {
            let (none, all) = (values[0], values[values.len() - 1]);
            let last = (values.len() - 1).max(1) as f64;
            let place = |(n, value): (usize, &f64)| {
                (100.0 * n as f64 / last, (value - none) / (all - none))
            };
            Curve {
                name,
                title,
                caption,
                share_of: "segments that are in",
                quantity: "share of what the whole picture is worth",
                points: values.iter().enumerate().map(place).collect(),
                correct: Vec::new(),
            }
        };
        Ok(Found {
            values: vec![found.area_between(), first_order.area_between()],
            curves: vec![
                curve("interaction-most", "Insertion by pairs, most first", &found.most),
                curve("interaction-least", "Insertion by pairs, least first", &found.least),
            ],
            note: None,
        })
    },
};

fn pairs<'t>(task: &Task<'t>) -> Result<Pairs<'t>> {
    let missing = || Error::config("metrics", "of pairs", Needs::PairEffects.description());
    task.method()?.pairs()?.ok_or_else(missing)
}
