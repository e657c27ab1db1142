//! Contrasts against PyTorch: the definitions, on a random polynomial.

use crate::methods_goldens::{CLASS, Goldens, SHAPE};
use hsets_core::{Image, Mask, Removal, Silent, Target};
use hsets_detection::{Contrasts, measure_contrasts, pair_effects, partners, ring};

/// `f32` at the field's border, `f64` in PyTorch.
const TOLERANCE: f64 = 1e-5;

fn mask(is_inside: impl Fn(usize, usize) -> bool) -> Mask {
    let pixels = (0..64).filter(|pixel| is_inside(pixel / 8, pixel % 8));
    Mask::of_pixels(8, 8, pixels).unwrap()
}

#[test]
fn rings_effects_partners_and_contrasts() {
    let goldens = Goldens::load();
    let (field, segments, image) =
        (goldens.model(), goldens.segments("fine"), goldens.image("image"));
    let filled = ring(&image, &segments).unwrap();
    let wide = |image: &Image| image.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    goldens.assert_close("contrasts.ring", &wide(&filled), 1e-6);

    let target = Target::LogOdds(CLASS);
    let reference = goldens.image("contrasts.ring");
    let removal = Removal::new(&field, &image, "ring", reference, target).unwrap();
    let effects = pair_effects(&removal, &segments, &Silent).unwrap();
    goldens.assert_close("contrasts.main_effects", &effects.main_effects, TOLERANCE);
    goldens.assert_close("contrasts.pair_effects", &effects.effects, TOLERANCE);

    let mut settings = Contrasts::standard();
    (settings.proposals.noise, settings.proposals.midpoints) = (0.0, 3);
    let region = mask(|y, x| (2..5).contains(&y) && x < 3);
    let other = mask(|y, x| y >= 5 && x >= 4);
    let plane = partners(&field, &removal, &region, &settings, &Silent).unwrap();
    assert_eq!(plane.len(), SHAPE.n_pixels());
    let plane: Vec<f64> = plane.into_iter().map(f64::from).collect();
    goldens.assert_close("contrasts.partners", &plane, TOLERANCE);

    // All segments kept: the four numbers of the picture itself, in every context.
    settings.trials.keep = 1.0 - 1e-12;
    let pairs = [[region, other]];
    let found = measure_contrasts(&[&removal], &segments, &pairs, &settings, &Silent).unwrap();
    let contrast = &found[0].contrast;
    let four =
        [contrast.both, contrast.without_first, contrast.without_second, contrast.without_both];
    goldens.assert_close("contrasts.values", &four, TOLERANCE);
    assert!(contrast.effect.standard_error < 1e-12);
}
