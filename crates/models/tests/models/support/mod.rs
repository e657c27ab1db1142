//! What tests against golden files share.

use std::collections::BTreeMap;

use hsets_autodiff::{Backend, Network};
use hsets_core::{Smoothing, Target};
use hsets_kernels::Scalar;
use serde_json::Value;

/// splitmix64 from the FNV-1a hash of `name`, as numbers in [-1, 1).
pub(crate) fn uniform(name: &str, n: usize) -> Vec<f64> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// All vectors of one case by name.
pub(crate) fn quantities<B: Backend>(
    network: &Network<B>,
    image: &[f64],
    features: &[usize],
    names: &[String],
    (class, steps): (usize, usize),
) -> BTreeMap<String, Vec<f64>> {
    let wide = |values: &[B::Scalar]| values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
    let target = Target::Logit(class);
    let point = |k: usize| -> Vec<B::Scalar> {
        image.iter().map(|&x| B::Scalar::from_f64(x * (k as f64 / steps as f64))).collect()
    };
    let path: Vec<Vec<B::Scalar>> = (0..=steps).map(point).collect();
    let path: Vec<&[B::Scalar]> = path.iter().map(Vec::as_slice).collect();
    let gradients = network.gradients_of(&path, &target, Smoothing::Exact).expect("gradients");
    let mean = |i: usize| {
        gradients.iter().map(|g| g.gradient[i].to_f64()).sum::<f64>() / gradients.len() as f64
    };
    let integrated = (0..image.len()).map(|i| image[i] * mean(i)).collect();
    let mut result = BTreeMap::from([
        ("logits".to_owned(), wide(&gradients[steps].logits)),
        ("gradient".to_owned(), wide(&gradients[steps].gradient)),
        ("integrated_gradients".to_owned(), integrated),
    ]);
    let smoothings = [
        ("sqrt", Smoothing::PAPER),
        ("sqrt_unclipped", Smoothing::REFERENCE),
        ("sqrt_modules", Smoothing::REFERENCE),
    ];
    for (name, smoothing) in smoothings {
        if !names.contains(&format!("{name}_row_0")) {
            continue;
        }
        let linearized = network.linearized_at(path[steps], &target, smoothing).expect("linear");
        let rows = linearized.rows(features).expect("rows");
        assert_symmetric(&rows, features);
        for (i, row) in rows.iter().enumerate() {
            result.insert(format!("{name}_row_{i}"), wide(row));
        }
    }
    result
}

/// H[i, j] = H[j, i].
fn assert_symmetric<T: Scalar>(rows: &[Vec<T>], features: &[usize]) {
    let scale = rows.iter().flatten().map(|v| v.to_f64().abs()).fold(0.0, f64::max);
    let (a, b) = (rows[0][features[1]].to_f64(), rows[1][features[0]].to_f64());
    let tolerance = if size_of::<T>() == 8 { 1e-12 } else { 1e-4 };
    assert!((a - b).abs() <= tolerance * scale, "H is not symmetric: {a} and {b}");
}

/// Euclidean.
pub(crate) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// ‖a - b‖/‖b‖.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(b)
}

/// Largest error of the sampled entries and of the norm, relative to the golden values.
pub(crate) fn error(values: &[f64], golden: &Value) -> f64 {
    let indices = golden["indices"].as_array().expect("indices").iter();
    let found: Vec<f64> = indices.map(|i| values[i.as_u64().expect("an index") as usize]).collect();
    let expected: Vec<f64> =
        golden["values"].as_array().expect("values").iter().map(number).collect();
    let whole = number(&golden["norm"]);
    distance(&found, &expected).max((norm(values) - whole).abs() / whole)
}

/// A number of a golden file.
pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
