//! t, how many subsets of a set are sampled: given, or found.

use std::{fmt, str::FromStr};

use hsets_core::{Error, Result};

/// t, the number of subsets sampled of every set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Samples {
    /// t ≥ 2.
    Fixed(usize),
    /// 20, 30, 40, … until the order of the sets is settled: as long as a set is not told apart from
    /// its neighbours in the ranking, it gets more subsets.
    ///
    /// Two neighbours are told apart where the difference of their scores, by its standard error,
    /// would be as large by chance with probability α/(p·r·(r + 1)) at most, for α = 1 -
    /// `confidence`, p pairs of neighbours, and round r of sampling. Over all pairs and rounds these
    /// add up to α, so that the whole order is right with probability `confidence`, as far as means
    /// of 20 and more dividends are normal.
    UntilSettled {
        /// In 0..1, both excluded.
        confidence: f64,
        /// ≥ 20: largest t of a set.
        at_most: usize,
    },
}

impl Samples {
    /// Subsets of the first round.
    pub(super) const FIRST: usize = 20;
    /// Subsets of each further round.
    pub(super) const BLOCK: usize = 10;

    /// Until the order is settled at 95 % confidence.
    pub const AUTO: Self = Self::until_settled(0.95);

    /// Until the order is settled at `confidence`; at most 200 subsets of a set.
    pub const fn until_settled(confidence: f64) -> Self {
        Self::UntilSettled { confidence, at_most: 200 }
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
            Self::UntilSettled { confidence, .. } => write!(f, "auto:{confidence}"),
        }
    }
}

impl FromStr for Samples {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused =
            || Error::config("samples", text, "expected a number, auto or auto:CONFIDENCE");
        let samples = match text.strip_prefix("auto") {
            Some("") => Self::AUTO,
            Some(rest) => {
                let confidence = rest.strip_prefix(':').ok_or_else(refused)?;
                Self::until_settled(confidence.parse().map_err(|_| refused())?)
            }
            None => Self::Fixed(text.parse().map_err(|_| refused())?),
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
        for text in ["50", "auto:0.95", "auto:0.5"] {
            assert_eq!(text.parse::<Samples>().unwrap().to_string(), text);
        }
        assert_eq!("auto".parse::<Samples>().unwrap(), Samples::AUTO);
        for text in ["1", "some", "auto:", "auto:0", "auto:1", "auto:95", "automatic"] {
            assert!(text.parse::<Samples>().is_err(), "{text}");
        }
    }
}
