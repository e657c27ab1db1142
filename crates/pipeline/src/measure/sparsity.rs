//! How concentrated a map is.

use hsets_metrics::{entropy, gini, gini_of_equal};

use super::{
    Better,
    metric::{Found, Needs, Spec, named},
};

pub(super) const GINI: Spec = Spec {
    name: "gini",
    needs: Needs::Nothing,
    readings: || {
        named([("gini", Better::Higher, Some("Gini")), ("gini-of-equal", Better::Neither, None)])
    },
    measure: |task| {
        let pixels = task.map.per_pixel(task.settings.reduction);
        let n_marked = pixels.iter().filter(|value| **value != 0.0).count();
        let of_equal = gini_of_equal(n_marked, pixels.len());
        Ok(Found::of([gini(task.map, task.settings.reduction)?, of_equal]))
    },
};

pub(super) const ENTROPY: Spec = Spec {
    name: "entropy",
    needs: Needs::Nothing,
    readings: || named([("entropy", Better::Lower, None)]),
    measure: |task| Ok(Found::of([entropy(task.map, task.settings.reduction)?])),
};
