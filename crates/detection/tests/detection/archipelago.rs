//! `ArchDetect` against PyTorch.

use crate::methods_goldens::{ARCHIPELAGO_CLASS, Goldens};
use hsets_core::{Silent, Target};
use hsets_detection::{ArchDetect, arch_detect};

#[test]
fn pairs_and_main_effects() {
    let goldens = Goldens::load();
    let (field, segments) = (goldens.model(), goldens.segments("fine"));
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let target = Target::Logit(ARCHIPELAGO_CLASS);
    for settings in [ArchDetect::paper(), ArchDetect { batch: 3, ..ArchDetect::reference() }] {
        let found =
            arch_detect(&field, &baseline, &image, &segments, &target, &settings, &Silent).unwrap();
        let pairs: Vec<usize> =
            found.pairs.iter().flat_map(|p| p.pair).map(|label| label as usize).collect();
        // The weaker half is pairs that do not interact, in the order of their rounding.
        let half = pairs.len() / 2;
        assert_eq!(pairs[..half], goldens.indices("archipelago.pairs")[..half]);
        let strengths: Vec<f64> = found.pairs.iter().map(|pair| pair.strength).collect();
        goldens.assert_close("archipelago.strengths", &strengths, 1e-5);
        goldens.assert_close("archipelago.main_effects", &found.main_effects, 1e-5);
    }
}
