//! Contrasts in words that people read.

use hsets_pipeline::detection::{Contrast, Interaction, Sign, Triple};

/// "with both 14.2, without the head 9.1, without the tail 8.8, without both 8.6; if they only added
/// up it would be 3.7".
pub fn contrast_words(contrast: &Contrast, [first, second]: [&str; 2]) -> String {
    let decimals = decimals(contrast.effect.mean);
    let Contrast { both, without_first, without_second, without_both, .. } = contrast;
    let additive = contrast.additive_without_both();
    format!(
        "with both {both:.decimals$}, without the {first} {without_first:.decimals$}, \
         without the {second} {without_second:.decimals$}, without both \
         {without_both:.decimals$}; if they only added up it would be {additive:.decimals$}"
    )
}

/// "they act together: 4.9 more than the sum of both (4.3 to 5.5), p < 0.001; same sign with blur and
/// zero", or that no interaction was found.
pub fn verdict_words(pair: &Interaction) -> String {
    let effect = pair.contrast.effect;
    let decimals = decimals(effect.mean);
    let [low, high] = effect.interval();
    let percent = 100.0 * pair.strength();
    let found = if pair.claim {
        let (size, low, high, how) = match pair.sign() {
            Sign::Synergy => (effect.mean, low, high, "more than the sum of both"),
            Sign::Redundancy => (-effect.mean, -high, -low, "less than the sum of both"),
        };
        let p = p_words(pair.p_value);
        format!(
            "they act together: {size:.decimals$} {how} ({low:.decimals$} to {high:.decimals$}), \
             {percent:.0} % of the scale, {p}"
        )
    } else {
        format!(
            "no interaction found: effect {:.decimals$} ({low:.decimals$} to {high:.decimals$}), \
             {percent:.0} % of the scale",
            effect.mean
        )
    };
    match reference_words(pair) {
        Some(words) => format!("{found}; {words}"),
        None => found,
    }
}

/// "depends on the reference: blur -0.2, zero 1.3", or that the sign is the same; `None` where there
/// is no other reference.
fn reference_words(pair: &Interaction) -> Option<String> {
    if pair.references.is_empty() {
        return None;
    }
    let sign = if pair.depends_on_reference() {
        "depends on the reference"
    } else {
        "same sign under every reference"
    };
    let effect = |other: &hsets_pipeline::detection::ReferenceEffect| {
        let mean = other.contrast.effect.mean;
        format!("{} {:+.*}", other.name, decimals(mean), mean)
    };
    let effects: Vec<String> = pair.references.iter().map(effect).collect();
    Some(format!("{sign}: {}", effects.join(", ")))
}

/// What three regions are worth beyond their pairs.
pub fn group_words(group: &Triple) -> String {
    let decimals = decimals(group.dividend.mean);
    let [low, high] = group.dividend.interval();
    let found =
        if group.claim { "all three act together" } else { "no interaction of three found" };
    format!(
        "{found}: the pair's effect is {:.decimals$} with the third region and {:.decimals$} \
         without, {:.decimals$} ({low:.decimals$} to {high:.decimals$}) apart, {}",
        group.with_third.effect.mean,
        group.without_third.effect.mean,
        group.dividend.mean,
        p_words(group.p_value),
    )
}

fn p_words(p_value: f64) -> String {
    if p_value < 0.001 { "p < 0.001".into() } else { format!("p = {p_value:.3}") }
}

/// Digits after the point that show two of an effect, at least one.
fn decimals(effect: f64) -> usize {
    if effect == 0.0 {
        return 1;
    }
    (1.0 - effect.abs().log10().floor()).clamp(1.0, 4.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Mask;
    use hsets_pipeline::detection::{Estimate, ReferenceEffect};

    fn contrast(mean: f64) -> Contrast {
        Contrast {
            effect: Estimate { mean, standard_error: 0.25, n: 24 },
            both: 14.2,
            without_first: 9.1,
            without_second: 8.8,
            without_both: 3.7 + mean,
        }
    }

    fn pair(mean: f64, claim: bool, references: &[(&str, f64)]) -> Interaction {
        let other = |&(name, mean): &(&str, f64)| ReferenceEffect {
            name: name.into(),
            contrast: contrast(mean),
        };
        Interaction {
            regions: [Mask::empty(2, 2), Mask::empty(2, 2)],
            contrast: contrast(mean),
            scale: 14.2,
            p_value: 0.0003,
            claim,
            references: references.iter().map(other).collect(),
        }
    }

    #[test]
    fn contrasts_read_as_sentences() {
        assert_eq!(
            contrast_words(&contrast(4.9), ["head", "tail"]),
            "with both 14.2, without the head 9.1, without the tail 8.8, without both 8.6; if they \
             only added up it would be 3.7"
        );
        let claimed = verdict_words(&pair(4.9, true, &[("blur", 3.0), ("zero", 1.23)]));
        assert_eq!(
            claimed,
            "they act together: 4.9 more than the sum of both (4.4 to 5.4), 35 % of the scale, \
             p < 0.001; same sign under every reference: blur +3.0, zero +1.2"
        );
        let redundant = verdict_words(&pair(-4.9, true, &[("blur", 0.02)]));
        assert!(
            redundant.starts_with("they act together: 4.9 less than the sum of both (4.4 to 5.4)")
        );
        assert!(redundant.ends_with("depends on the reference: blur +0.020"), "{redundant}");
        let none = verdict_words(&pair(0.3, false, &[]));
        assert_eq!(none, "no interaction found: effect 0.30 (-0.22 to 0.82), 2 % of the scale");
    }
}
