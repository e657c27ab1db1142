//! What stands in the cells of tables.

use std::time::Duration;

use hsets_pipeline::metrics::Summary;

use super::Text;

/// A number and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// How sure it is.
    pub spread: Spread,
}

/// How sure a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Not known, or exact.
    None,
    /// Standard deviation, of runs or pictures.
    Std(f64),
    /// Standard error of the number.
    StandardError(f64),
    /// Ends of an interval, 95 % unless the table says otherwise.
    Interval(f64, f64),
}

impl Estimate {
    /// A number alone.
    pub fn exact(value: f64) -> Self {
        Self { value, spread: Spread::None }
    }

    /// mean ± standard deviation.
    pub fn std(value: f64, std: f64) -> Self {
        Self { value, spread: Spread::Std(std) }
    }

    /// value ± standard error.
    pub fn standard_error(value: f64, error: f64) -> Self {
        Self { value, spread: Spread::StandardError(error) }
    }

    /// value \[low, high\].
    pub fn interval(value: f64, low: f64, high: f64) -> Self {
        Self { value, spread: Spread::Interval(low, high) }
    }

    /// Mean with its 95 % interval.
    pub fn mean_interval(summary: &Summary) -> Self {
        let (low, high) = summary.interval();
        Self::interval(summary.mean, low, high)
    }

    /// "0.95 ± 0.01" or "0.95 [0.94, 0.96]", with so many digits after the point.
    pub fn written(&self, decimals: usize) -> String {
        let value = number(self.value, decimals);
        match self.spread {
            Spread::None => value,
            Spread::Std(reach) | Spread::StandardError(reach) => {
                format!("{value} ± {}", number(reach, decimals))
            }
            Spread::Interval(low, high) => {
                format!("{value} [{}, {}]", number(low, decimals), number(high, decimals))
            }
        }
    }

    /// Where it lies from a published number, of which `decimals` were printed: within if that is
    /// inside its interval or its deviation, or, without either, if both round alike.
    pub fn agreement(&self, published: f64, decimals: usize) -> Agreement {
        // What was printed stands for all numbers that round to it.
        let rounding = 0.5 * 10f64.powi(-(decimals as i32)) * (1.0 + 1e-9);
        let (low, high) = match self.spread {
            Spread::None => (self.value, self.value),
            Spread::Std(reach) | Spread::StandardError(reach) => {
                (self.value - reach, self.value + reach)
            }
            Spread::Interval(low, high) => (low, high),
        };
        if published < low - rounding {
            Agreement::Above
        } else if published > high + rounding {
            Agreement::Below
        } else {
            Agreement::Within
        }
    }
}

impl From<&Summary> for Estimate {
    /// mean ± standard deviation.
    fn from(summary: &Summary) -> Self {
        Self::std(summary.mean, summary.std)
    }
}

/// Where one of our numbers lies from a published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The published number is within what ours may be.
    Within,
    /// Ours is higher.
    Above,
    /// Ours is lower.
    Below,
}

impl Agreement {
    /// One sign, so that nothing is told by colour alone.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Within => "=",
            Self::Above => "▲",
            Self::Below => "▼",
        }
    }

    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Within => "as published",
            Self::Above => "higher than published",
            Self::Below => "lower than published",
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing to say.
    Missing,
    /// Should be there and is not: why.
    Failed(String),
    /// Text.
    Text(Text),
    /// A whole number.
    Count(u64),
    /// A number.
    Number(Estimate),
    /// One of our numbers beside the published one.
    Beside {
        /// Ours.
        ours: Estimate,
        /// The published one.
        published: f64,
    },
    /// A time.
    Time(Duration),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A number alone.
    pub fn number(value: f64) -> Self {
        Self::Number(Estimate::exact(value))
    }

    /// One of our numbers beside the published one.
    pub fn beside(ours: Estimate, published: f64) -> Self {
        Self::Beside { ours, published }
    }

    /// The number by which rows are compared.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Missing | Self::Failed(_) | Self::Text(_) => None,
            Self::Count(count) => Some(*count as f64),
            Self::Number(ours) | Self::Beside { ours, .. } => Some(ours.value),
            Self::Time(time) => Some(time.as_secs_f64()),
        }
    }

    /// Whether the cell is aligned as numbers are.
    pub(super) fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Failed(_))
    }
}

impl From<Estimate> for Cell {
    fn from(ours: Estimate) -> Self {
        Self::Number(ours)
    }
}

/// "0.95", with a real minus.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    match text.strip_prefix('-') {
        Some(digits) if is_zero => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// "▼ −0.03": how ours differs from the published number, as they are printed.
pub(super) fn difference(ours: &Estimate, published: f64, decimals: usize) -> (Agreement, String) {
    let agreement = ours.agreement(published, decimals);
    let text = number(ours.value - published, decimals);
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    let plus = if text.starts_with('−') || is_zero { "" } else { "+" };
    (agreement, format!("{} {plus}{text}", agreement.sign()))
}

/// "350 ms", "12.3 s", "4 min 5 s", "3 h 20 min".
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", 1e6 * s),
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(-0.0004, 2), "0.00");
        assert_eq!(number(-1.25, 1), "−1.2");
        assert_eq!(Estimate::interval(0.5, 0.25, 0.75).written(2), "0.50 [0.25, 0.75]");
        assert_eq!(time(Duration::from_millis(350)), "350 ms");
        assert_eq!(time(Duration::from_secs(245)), "4 min 5 s");
    }

    #[test]
    fn agreement_follows_the_spread() {
        let of = |estimate: Estimate, published| estimate.agreement(published, 2);
        assert_eq!(of(Estimate::exact(0.954), 0.95), Agreement::Within);
        assert_eq!(of(Estimate::exact(0.956), 0.95), Agreement::Above);
        assert_eq!(of(Estimate::std(0.90, 0.03), 0.95), Agreement::Below);
        assert_eq!(of(Estimate::std(0.90, 0.05), 0.95), Agreement::Within);
        assert_eq!(of(Estimate::interval(0.90, 0.89, 0.97), 0.95), Agreement::Within);
        assert_eq!(difference(&Estimate::std(0.90, 0.01), 0.95, 2).1, "▼ −0.05");
        assert_eq!(difference(&Estimate::exact(0.9501), 0.95, 2).1, "= 0.00");
    }
}
