//! t, how many subsets of a set are sampled: given, or found.

use std::{fmt, str::FromStr};

use hsets_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// t, the number of subsets sampled of every set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Samples {
    /// t ≥ 2.
    Fixed(usize),
    /// 20, 30, 40, … until the order of the sets is settled: as long as a set may stand in front of a
    /// better one, it gets more subsets.
    ///
    /// Two neighbours in the ranking are in order where the difference of their scores and `tie`, by
    /// its standard error, would be as large by chance with probability α/(p·r·(r + 1)) at most, for
    /// α = 1 - `confidence`, p pairs of neighbours, and round r of sampling. Over all pairs and rounds
    /// these add up to α, so that with probability `confidence` no set stands in front of a neighbour
    /// that is better by more than `tie`, as far as means of 20 and more dividends are normal. With a
    /// tie of 0 that is the whole order, but sets that are all but equal never settle.
    ///
    /// Sets are disjoint as a rule and their subsets drawn apart, so there is nothing to pair.
    UntilSettled {
        /// In 0..1, both excluded.
        confidence: f64,
        /// In 0..1: sets whose scores differ by less than this share of the largest are as good as
        /// equal, in either order (an indifference zone; Bechhofer 1954).
        tie: f64,
        /// ≥ 20: largest t of a set.
        at_most: usize,
    },
}

impl Samples {
    /// Subsets of the first round.
    pub(super) const FIRST: usize = 20;
    /// Subsets of each further round.
    pub(super) const BLOCK: usize = 10;
    const TIE: f64 = 0.1;
    const AT_MOST: usize = 1000;

    /// Until the order is settled at 95 % confidence.
    pub const AUTO: Self = Self::until_settled(0.95);

    /// Until the order is settled at `confidence`, scores that differ by a tenth of the largest being as
    /// good as equal; at most 1000 subsets of a set, which ask the network for nothing.
    pub const fn until_settled(confidence: f64) -> Self {
        Self::UntilSettled { confidence, tie: Self::TIE, at_most: Self::AT_MOST }
    }

    /// Fails on a setting outside its range.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Fixed(samples @ 0..2) => {
                let why = "at least 2, or there is no standard error";
                Err(Error::config("samples", samples, why))
            }
            Self::UntilSettled { confidence, .. } if !(confidence > 0.0 && confidence < 1.0) => {
                Err(Error::config("samples", self, "a confidence between 0 and 1"))
            }
            Self::UntilSettled { tie, .. } if !(0.0..1.0).contains(&tie) => {
                Err(Error::config("samples", self, "a tie of at least 0 and below 1"))
            }
            Self::UntilSettled { at_most, .. } if at_most < Self::FIRST => {
                Err(Error::config("at most", at_most, format!("at least {}", Self::FIRST)))
            }
            Self::Fixed(_) | Self::UntilSettled { .. } => Ok(()),
        }
    }
}

impl From<usize> for Samples {
    fn from(samples: usize) -> Self {
        Self::Fixed(samples)
    }
}

/// As it is typed; a cap other than the default is not shown.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(samples) => samples.fmt(f),
            Self::UntilSettled { confidence, tie, .. } => write!(f, "auto:{confidence}:{tie}"),
        }
    }
}

impl FromStr for Samples {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = "expected a number, auto, auto:CONFIDENCE or auto:CONFIDENCE:TIE";
        let refused = || Error::config("samples", text, expected);
        let number = |text: &str| text.parse().map_err(|_| refused());
        let samples = match text.split(':').collect::<Vec<_>>()[..] {
            ["auto"] => Self::AUTO,
            ["auto", confidence] => Self::until_settled(number(confidence)?),
            ["auto", confidence, tie] => Self::UntilSettled {
                confidence: number(confidence)?,
                tie: number(tie)?,
                at_most: Self::AT_MOST,
            },
            [samples] => Self::Fixed(samples.parse().map_err(|_| refused())?),
            _ => return Err(refused()),
        };
        samples.check()?;
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_typed_as_they_are_shown() {
        for text in ["50", "auto:0.95:0.1", "auto:0.5:0"] {
            assert_eq!(text.parse::<Samples>().unwrap().to_string(), text);
        }
        for text in ["auto", "auto:0.95"] {
            assert_eq!(text.parse::<Samples>().unwrap(), Samples::AUTO);
        }
        for text in [
            "auto:0.9:1",
            "auto:0.9:",
            "auto:0.9:0:0",
            "1",
            "some",
            "auto:",
            "auto:0",
            "auto:1",
            "auto:95",
            "automatic",
        ] {
            assert!(text.parse::<Samples>().is_err(), "{text}");
        }
    }
}
