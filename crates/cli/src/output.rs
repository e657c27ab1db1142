//! The only place that prints.

use std::io::Write as _;

/// A line of results. A reader that has gone (`| head`) is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// An error, on one line.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "hsets: {line}");
}

/// A number with as many digits as a person reads: three that count.
pub(crate) fn short(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (2 - digits).clamp(0, 6) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        assert_eq!(short(12.345), "12.3");
        assert_eq!(short(0.012_345), "0.0123");
        assert_eq!(short(-1234.5), "-1234");
        assert_eq!(short(0.0), "0.00");
    }
}
