//! What those who watch a run share: when to say something, and how times read.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Says now and then that it is time to report.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl Pace {
    /// At once, and then no sooner than `every` after the last time.
    pub fn new(every: Duration) -> Self {
        Self { every, last: Mutex::new(None) }
    }

    /// Whether it is time, also because it `must` be. Begins the next wait if so.
    pub fn is_time(&self, must: bool) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = must || last.is_none_or(|last| last.elapsed() >= self.every);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }
}

/// "45 s", "3 h 12 min"; "unknown time" for none.
pub fn time_left(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "unknown time".into() };
    let total = seconds.round() as u64;
    let (days, hours, minutes) = (total / 86_400, total / 3600 % 24, total / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{total} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", total % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        let shown = [0.4, 59.6, 3599.0, 11_520.0, 200_000.0].map(|s| time_left(Some(s)));
        assert_eq!(shown, ["0 s", "1 min 0 s", "59 min 59 s", "3 h 12 min", "2 d 7 h"]);
        assert_eq!(time_left(None), "unknown time");
    }

    #[test]
    fn the_first_time_and_when_it_must_be() {
        let pace = Pace::new(Duration::from_hours(1));
        assert_eq!(
            [false, false, true, false].map(|must| pace.is_time(must)),
            [true, false, true, false]
        );
        assert!(Pace::new(Duration::ZERO).is_time(false));
    }
}
