//! Exact games against shapiq, on goldens of `fixtures/games/make_goldens.py`.

use std::path::Path;

use hsets_attribution::{ExactGame, IdgVis, InteractionIndex, PathGradients, dividend};
use hsets_core::{
    FeatureSet, Image, Removal, SegmentMap, Shape, Silent, Target, analytic::Polynomial,
};
use safetensors::SafeTensors;

#[test]
fn games_as_shapiq_plays_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/games");
    let bytes = std::fs::read(folder.join("goldens.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let golden = |name: &str| -> Vec<f64> {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let game = ExactGame::new(golden("values")).unwrap();
    let n = game.n_players();
    let pairs = |index| -> Vec<f64> {
        let values = game.pair_values(index);
        (0..n).flat_map(|i| (i + 1..n).map(move |j| i * n + j)).map(|at| values[at]).collect()
    };
    let (shapley, banzhaf) = (InteractionIndex::Shapley, InteractionIndex::Banzhaf { p: 0.5 });
    for (name, found) in [
        ("dividends", game.dividends.clone()),
        ("shapley", game.player_values(shapley)),
        ("banzhaf", game.player_values(banzhaf)),
        ("shapley_interactions", pairs(shapley)),
        ("banzhaf_interactions", pairs(banzhaf)),
    ] {
        let expected = golden(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (at, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() < 1e-12, "{name} {at}: {a} against {b}");
        }
    }
}

/// What the published method calls dividends are sizes of directional gradients: a sum has one where
/// the game has none, and a product one of another size.
#[test]
fn published_dividends_do_not_tell_a_sum_from_a_product() {
    let shape = Shape::new(1, 1, 2);
    let (image, zero) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
    let of = |terms: Vec<(f64, Vec<usize>)>| {
        let field = Polynomial::new(shape, vec![terms]);
        let target = Target::Logit(0);
        let removal = Removal::new(&field, &image, "zero", zero.clone(), target.clone()).unwrap();
        let segments = SegmentMap::new(2, 1, &[0, 1]).unwrap();
        let game = ExactGame::of_segments(&removal, &segments, &Silent).unwrap();
        let settings = IdgVis::paper();
        let path = PathGradients::along(&field, &zero, &image, &settings.path(), &target, &Silent);
        let published = dividend(&path.unwrap(), &FeatureSet::new([0, 1]), &settings).unwrap();
        (game.dividends[3], published)
    };
    let (true_of_sum, published_of_sum) = of(vec![(1.0, vec![0]), (1.0, vec![1])]);
    let (true_of_product, published_of_product) = of(vec![(2.0, vec![0, 1])]);
    assert_eq!((true_of_sum, true_of_product), (0.0, 2.0));
    // (1 + 1)/√2 of both: the mean gradient of the product along the path is (1, 1), too.
    assert!((published_of_sum - 2f64.sqrt()).abs() < 1e-6, "{published_of_sum}");
    assert!((published_of_product - published_of_sum).abs() < 0.05, "{published_of_product}");
}
