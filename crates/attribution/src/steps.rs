//! m, how many steps a path takes: given, or found.

use std::{fmt, str::FromStr};

use hsets_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// m, the number of steps of a path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Steps {
    /// m ≥ 1.
    Fixed(usize),
    /// The first of 8, 16, 32, … at which the completeness gap |Σ IG - (f(x) - f(x'))| is at most
    /// `gap` of |f(x) - f(x')|, and was at most four times that at half as many steps: the gap
    /// changes its sign as m grows, so it is also small by accident. The largest of them up to
    /// `at_most` where that is never so.
    UntilGap {
        /// Relative gap > 0.
        gap: f64,
        /// ≥ 8.
        at_most: usize,
    },
}

impl Steps {
    /// The first number of steps that is tried.
    pub(crate) const FIRST: usize = 8;

    /// How many times `gap` the gap may be at half as many steps.
    pub(crate) const SLACK: f64 = 4.0;

    /// Until the completeness gap is a tenth of what there is to attribute.
    pub const AUTO: Self = Self::until_gap(0.1);

    /// Until the relative completeness gap is at most `gap`; at most 256 steps.
    pub const fn until_gap(gap: f64) -> Self {
        Self::UntilGap { gap, at_most: 256 }
    }

    /// The largest number of steps this may come to.
    pub fn largest(self) -> usize {
        match self {
            Self::Fixed(steps) => steps,
            Self::UntilGap { at_most, .. } => at_most,
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Fixed(0) => Err(Error::config("steps", 0, "at least 1")),
            Self::UntilGap { gap, .. } if !(gap > 0.0 && gap.is_finite()) => {
                Err(Error::config("steps", self, "a gap above 0"))
            }
            Self::UntilGap { at_most, .. } if at_most < Self::FIRST => {
                Err(Error::config("at most", at_most, format!("at least {}", Self::FIRST)))
            }
            Self::Fixed(_) | Self::UntilGap { .. } => Ok(()),
        }
    }
}

impl From<usize> for Steps {
    fn from(steps: usize) -> Self {
        Self::Fixed(steps)
    }
}

/// As it is typed; a cap other than the default is not shown.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(steps) => steps.fmt(f),
            Self::UntilGap { gap, .. } => write!(f, "auto:{gap}"),
        }
    }
}

impl FromStr for Steps {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::config("steps", text, "expected a number, auto or auto:GAP");
        let steps = match text.strip_prefix("auto") {
            Some("") => Self::AUTO,
            Some(rest) => {
                let gap = rest.strip_prefix(':').ok_or_else(refused)?;
                Self::until_gap(gap.parse().map_err(|_| refused())?)
            }
            None => Self::Fixed(text.parse().map_err(|_| refused())?),
        };
        steps.check()?;
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_typed_as_they_are_shown() {
        for text in ["50", "auto:0.1", "auto:0.25"] {
            assert_eq!(text.parse::<Steps>().unwrap().to_string(), text);
        }
        assert_eq!("auto".parse::<Steps>().unwrap(), Steps::AUTO);
        for text in ["0", "many", "auto:", "auto:0", "auto:-1", "auto:inf", "automatic"] {
            assert!(text.parse::<Steps>().is_err(), "{text}");
        }
    }
}
