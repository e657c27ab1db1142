//! Examples that are kept from training.

use hsets_datasets::Sample;

use crate::random::{Purpose, permutation, stream};

/// Divides samples into those for training and those that are held out: of each class the same
/// `share`, rounded, chosen by seed.
pub fn hold_out(samples: Vec<Sample>, share: f64, seed: u64) -> (Vec<Sample>, Vec<Sample>) {
    let n_classes = samples.iter().map(|sample| sample.class + 1).max().unwrap_or(0);
    let mut is_held_out = vec![false; samples.len()];
    for class in 0..n_classes {
        let members: Vec<usize> =
            (0..samples.len()).filter(|&index| samples[index].class == class).collect();
        let n = (share * members.len() as f64).round() as usize;
        let mut rng = stream(seed, Purpose::HeldOut, class as u64, 0);
        for at in permutation(members.len(), &mut rng).into_iter().take(n) {
            is_held_out[members[at]] = true;
        }
    }
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for (sample, is_held_out) in samples.into_iter().zip(is_held_out) {
        if is_held_out { held_out.push(sample) } else { training.push(sample) }
    }
    (training, held_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_datasets::Annotations;

    #[test]
    fn every_class_gives_its_share() {
        let sample = |index: usize| Sample {
            id: index.to_string(),
            path: index.to_string().into(),
            class: usize::from(index >= 30),
            annotations: Annotations::default(),
        };
        let samples: Vec<Sample> = (0..40).map(sample).collect();
        let (training, held_out) = hold_out(samples.clone(), 0.2, 1);
        let of_class = |class| held_out.iter().filter(|sample| sample.class == class).count();
        assert_eq!((of_class(0), of_class(1), training.len()), (6, 2, 32));
        assert_eq!(held_out, hold_out(samples.clone(), 0.2, 1).1);
        assert_ne!(held_out, hold_out(samples, 0.2, 2).1);
    }
}
