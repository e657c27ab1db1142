//! Equality with quantus 0.6.0 and POT 0.9, on goldens of `fixtures/metrics/make_newer_goldens.py`.

use crate::common::Goldens;
use hsets_core::ChannelReduction;
use hsets_metrics::mask_agreement;

/// Exact on both sides: POT's network simplex works in f64, ours in units of 2^-40.
#[test]
fn earth_movers_distance_as_pot() {
    let goldens = Goldens::newer();
    for name in ["noise", "heavy"] {
        let map = goldens.map(&format!("emd.{name}.map"));
        let (_, mask) = goldens.shape_and_bytes(&format!("emd.{name}.mask"));
        let mask: Vec<bool> = mask.into_iter().map(|flag| flag == 1).collect();
        let found = mask_agreement(&map, &mask, ChannelReduction::Sum, 32).unwrap();
        let expected = goldens.f64s(&format!("emd.{name}"))[0];
        assert!((found.earth_mover - expected).abs() < 1e-9, "{found:?} against {expected}");
        let coarse = mask_agreement(&map, &mask, ChannelReduction::Sum, 7).unwrap();
        assert_eq!(coarse.grid, [7, 7]);
        assert!((coarse.earth_mover - expected).abs() < 0.05, "{coarse:?} against {expected}");
    }
}
