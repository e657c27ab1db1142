//! Agreement of two segmentations.

use hsets_core::{Error, Result, SegmentMap};

/// Adjusted Rand index of two segmentations of one picture (Hubert and Arabie 1985): 1 if they are
/// the same up to the names of the labels, 0 on average for independent ones, at worst -0.5.
///
/// With n_ij pixels in segment i of `a` and j of `b`, sums a_i and b_j, and n pixels,
///
/// ARI = (Σ_ij C(n_ij, 2) - E) / ((Σ_i C(a_i, 2) + Σ_j C(b_j, 2)) / 2 - E),
/// E = Σ_i C(a_i, 2) · Σ_j C(b_j, 2) / C(n, 2).
///
/// Fails if the sizes differ.
#[allow(clippy::doc_markdown)] // a formula
pub fn adjusted_rand_index(a: &SegmentMap, b: &SegmentMap) -> Result<f64> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        let size = |map: &SegmentMap| format!("{}x{}", map.width(), map.height());
        return Err(Error::shape("segment maps to compare", size(a), size(b)));
    }
    let both = pairs(overlaps(a, b));
    let (in_a, in_b) = (pairs(a.areas()), pairs(b.areas()));
    if in_a == both && in_b == both {
        return Ok(1.0); // Also where the index is 0/0: one segment, or one pixel a segment.
    }
    let [both, in_a, in_b] = [both, in_a, in_b].map(|pairs| pairs as f64);
    let expected = in_a * in_b / pairs([a.labels().len()]) as f64;
    Ok((both - expected) / (f64::midpoint(in_a, in_b) - expected))
}

/// Number of pixels of every pair of segments that meet.
fn overlaps(a: &SegmentMap, b: &SegmentMap) -> Vec<usize> {
    let mut meetings: Vec<(u32, u32)> =
        a.labels().iter().copied().zip(b.labels().iter().copied()).collect();
    meetings.sort_unstable();
    meetings.chunk_by(|left, right| left == right).map(<[_]>::len).collect()
}

/// Σ C(n, 2).
fn pairs(counts: impl IntoIterator<Item = usize>) -> u64 {
    counts.into_iter().map(|n| (n * (n - 1) / 2) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ari(a: &[u32], b: &[u32]) -> f64 {
        let map = |labels: &[u32]| SegmentMap::new(labels.len(), 1, labels).unwrap();
        adjusted_rand_index(&map(a), &map(b)).unwrap()
    }

    #[test]
    fn known_values() {
        let cases: [(&[u32], &[u32], f64); 7] = [
            // The same up to names.
            (&[0, 0, 1, 2, 2], &[5, 5, 9, 1, 1], 1.0),
            (&[0, 0, 0], &[1, 1, 1], 1.0),
            (&[0, 1, 2], &[2, 0, 1], 1.0),
            // The examples of sklearn.metrics.adjusted_rand_score.
            (&[0, 0, 1, 2], &[0, 0, 1, 1], 4.0 / 7.0),
            (&[0, 0, 1, 1], &[0, 0, 1, 2], 4.0 / 7.0),
            (&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0),
            (&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5),
        ];
        for (a, b, expected) in cases {
            let index = ari(a, b);
            assert!((index - expected).abs() < 1e-15, "{a:?}, {b:?}: {index} for {expected}");
        }
    }

    #[test]
    fn sizes_must_agree() {
        let (a, b) = (SegmentMap::whole(2, 3).unwrap(), SegmentMap::whole(3, 2).unwrap());
        let error = adjusted_rand_index(&a, &b).unwrap_err().to_string();
        assert_eq!(error, "segment maps to compare: expected 2x3, found 3x2");
    }
}
