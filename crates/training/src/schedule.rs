//! The learning rate over the steps.

use std::f64::consts::PI;

/// Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Steps of the warm-up.
    pub n_warmup: u64,
    /// All steps.
    pub n_steps: u64,
}

impl Schedule {
    /// Learning rate of a step, from 0: η·(t + 1)/w in the warm-up of w steps, then
    /// η·(1 + cos(π·(t - w)/(T - w)))/2.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.n_warmup {
            return self.peak * (step + 1) as f64 / self.n_warmup as f64;
        }
        let n = self.n_steps.saturating_sub(self.n_warmup).max(1);
        let at = (step - self.n_warmup).min(n) as f64 / n as f64;
        self.peak * 0.5 * (1.0 + (PI * at).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_the_peak_and_falls_to_nothing() {
        let schedule = Schedule { peak: 0.2, n_warmup: 4, n_steps: 24 };
        assert_eq!(schedule.rate(0), 0.05);
        assert_eq!(schedule.rate(3), 0.2);
        assert_eq!(schedule.rate(4), 0.2);
        assert!((schedule.rate(14) - 0.1).abs() < 1e-15);
        assert!(schedule.rate(23) < 0.002 && schedule.rate(23) > 0.0);
    }
}
