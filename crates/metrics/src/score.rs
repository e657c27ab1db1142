//! What a metric reads off the logits.

use hsets_core::{Error, Image, Link, Result, Scored, Target};

/// Outcome for one class at one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// Whether the class is what the network says.
    pub(crate) correct: bool,
    /// Its probability.
    pub(crate) probability: f64,
}

pub(crate) fn score(link: Link, logits: &[f32], class: usize) -> Score {
    Score {
        correct: link.is_predicted(logits, class),
        probability: link.probability(logits, class),
    }
}

/// Values of `target` at `images`, `batch_size` at a time.
pub(crate) fn values(
    field: &dyn Scored,
    images: impl IntoIterator<Item = Image>,
    target: &Target,
    batch_size: usize,
) -> Result<Vec<f64>> {
    let mut images = images.into_iter();
    let mut values = Vec::new();
    loop {
        let batch: Vec<Image> = images.by_ref().take(batch_size).collect();
        if batch.is_empty() {
            return Ok(values);
        }
        for logits in field.logits(&batch)? {
            let widened: Vec<f64> = logits.into_iter().map(f64::from).collect();
            values.push(target.value(&widened));
        }
    }
}

pub(crate) fn check_batch_size(batch_size: usize) -> Result<()> {
    if batch_size == 0 {
        return Err(Error::config("batch-size", 0, "at least 1"));
    }
    Ok(())
}

pub(crate) fn check_class(field: &dyn Scored, class: usize) -> Result<()> {
    Target::Logit(class).check(field.n_classes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_says_what_logits_mean() {
        let of = |logit: f32| score(Link::Sigmoid, &[3.0, logit], 1);
        assert!(of(2.0).correct && !of(-2.0).correct);
        assert!((of(2.0).probability - 0.880_797_077_977_882_4).abs() < 1e-12);
        let even = score(Link::Softmax, &[1.0, 1.0], 1);
        assert!((even.probability - 0.5).abs() < 1e-12 && !even.correct);
    }
}
