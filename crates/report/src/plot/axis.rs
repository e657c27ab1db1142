//! Axes: what they measure, their range, and ticks at round numbers.

/// How values become lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal steps for equal differences.
    #[default]
    Linear,
    /// Equal steps for equal ratios; values ≤ 0 are left out.
    Log10,
}

/// An axis of a plot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// What is measured.
    pub label: String,
    /// In which unit; empty for pure numbers.
    pub unit: String,
    /// Smallest and largest value; from the data if there is none.
    pub range: Option<(f64, f64)>,
    /// Linear or logarithmic.
    pub scale: Scale,
}

impl Axis {
    /// An axis whose range comes from the data.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// With a unit.
    #[must_use]
    pub fn unit(self, unit: impl Into<String>) -> Self {
        Self { unit: unit.into(), ..self }
    }

    /// From `low` to `high`.
    #[must_use]
    pub fn range(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// Logarithmic.
    #[must_use]
    pub fn log10(self) -> Self {
        Self { scale: Scale::Log10, ..self }
    }

    /// "time (s)".
    pub fn title(&self) -> String {
        match self.unit.as_str() {
            "" => self.label.clone(),
            unit => format!("{} ({unit})", self.label),
        }
    }

    /// The axis laid over `values`.
    pub(super) fn over(&self, values: impl Iterator<Item = f64>) -> Ruler {
        let usable = |v: &f64| v.is_finite() && (self.scale == Scale::Linear || *v > 0.0);
        let (low, high) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let found = if low <= high { (low, high) } else { (1.0, 10.0) };
        match self.scale {
            Scale::Linear => linear(self.range, found),
            Scale::Log10 => logarithmic(self.range.unwrap_or(found)),
        }
    }
}

/// A range with its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruler {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Ruler {
    /// Where `value` lies: 0 at the low end, 1 at the high end, within both.
    /// `None` where it cannot be drawn.
    pub(super) fn place(&self, value: f64) -> Option<f32> {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log10 => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        share.is_finite().then(|| share.clamp(0.0, 1.0) as f32)
    }
}

/// Ends at the given range, or at round numbers beyond the data.
fn linear(given: Option<(f64, f64)>, (mut low, mut high): (f64, f64)) -> Ruler {
    if let Some(range) = given {
        (low, high) = range;
    }
    if high - low <= f64::EPSILON * high.abs().max(1.0) {
        let reach = 0.5 * low.abs().max(1.0);
        (low, high) = (low - reach, high + reach);
    }
    let step = round_step((high - low) / 5.0);
    if given.is_none() {
        (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    }
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    // 2.5 and 0.25 need a digit more than their magnitude says.
    let scaled = step * 10f64.powi(decimals as i32);
    let digits = decimals + usize::from((scaled - scaled.round()).abs() > 1e-6);
    let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
    let tick = |i: i64| (i as f64 * step, format!("{:.digits$}", i as f64 * step));
    Ruler { scale: Scale::Linear, low, high, ticks: (first..=last).map(tick).collect() }
}

/// Ends at powers of ten; a tick at each, or at every second, third, … if there are many.
fn logarithmic((low, high): (f64, f64)) -> Ruler {
    let (first, mut last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    last = last.max(first + 1);
    let stride = ((last - first) as usize).div_ceil(7);
    let tick = |power: i32| {
        let value = 10f64.powi(power);
        let text = if (-3..=5).contains(&power) { value.to_string() } else { format!("1e{power}") };
        (value, text)
    };
    Ruler {
        scale: Scale::Log10,
        low: 10f64.powi(first),
        high: 10f64.powi(last),
        ticks: (first..=last).step_by(stride).map(tick).collect(),
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `rough`.
fn round_step(rough: f64) -> f64 {
    let magnitude = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let fits = |step: &&f64| **step * magnitude >= rough * (1.0 - 1e-9);
    magnitude * steps.iter().find(fits).copied().unwrap_or(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ruler: &Ruler) -> Vec<&str> {
        ruler.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let ruler = Axis::new("").over([0.03, 0.98].into_iter());
        assert_eq!(texts(&ruler), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let ruler = Axis::new("").over([0.0, 1.1].into_iter());
        assert_eq!(texts(&ruler), ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25"]);
        let ruler = Axis::new("").range(0.0, 100.0).over(std::iter::empty());
        assert_eq!(texts(&ruler), ["0", "20", "40", "60", "80", "100"]);
    }

    #[test]
    fn every_power_of_ten_is_a_tick() {
        let ruler = Axis::new("").log10().over([0.0, 0.02, 30.0].into_iter());
        assert_eq!(texts(&ruler), ["0.01", "0.1", "1", "10", "100"]);
        assert!((ruler.place(1.0).unwrap() - 0.5).abs() < 1e-6);
        assert_eq!(ruler.place(-1.0), None);
    }

    #[test]
    fn degenerate_ranges_can_be_drawn() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0, 0.0], vec![-1e9, 1e9]] {
            for axis in [Axis::new(""), Axis::new("").log10()] {
                let ruler = axis.over(values.iter().copied());
                assert!((2..=12).contains(&ruler.ticks.len()), "{values:?}: {ruler:?}");
                assert!(ruler.place(ruler.ticks[0].0).is_some());
            }
        }
    }
}
