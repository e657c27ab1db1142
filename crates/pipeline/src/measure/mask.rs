//! A map against the place where the evidence is known to be.

use hsets_core::Error;
use hsets_metrics::mask_agreement;

use super::{
    Better,
    metric::{Found, Needs, Spec, named},
};

pub(super) const MASK: Spec = Spec {
    name: "mask",
    needs: Needs::Mask,
    readings: || {
        named([
            ("mask-precision", Better::Higher, Some("in mask")),
            ("mask-precision-of-chance", Better::Neither, None),
            ("mask-earth-mover", Better::Higher, Some("1 - EMD")),
            ("mask-earth-mover-of-uniform", Better::Neither, None),
        ])
    },
    measure: |task| {
        let mask = task
            .of
            .mask
            .ok_or_else(|| Error::config("metrics", "mask", Needs::Mask.description()))?;
        let (reduction, side) = (task.settings.reduction, task.settings.emd_side);
        let found = mask_agreement(task.map, mask, reduction, side)?;
        Ok(Found::of([
            found.precision,
            found.precision_of_chance,
            found.earth_mover,
            found.earth_mover_of_uniform,
        ]))
    },
};
