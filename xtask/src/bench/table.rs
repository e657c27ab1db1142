//! What was timed, as a table of Markdown.

use std::fmt::Write as _;

use anyhow::Result;

/// Timings of one kind of work on one network.
pub(super) struct Row {
    pub(super) model: String,
    pub(super) work: &'static str,
    /// Images or Hessian rows that each timing is for.
    pub(super) units: f64,
    /// Least ratio that is aimed at.
    pub(super) target: Option<f64>,
    /// Milliseconds, run by run.
    pub(super) theirs: Vec<f64>,
    pub(super) ours: Vec<f64>,
    /// Largest resident memory in MiB while at it.
    pub(super) memory: [f64; 2],
    /// Floating-point operations: by the definition, and by the algorithms in use.
    pub(super) operations: [f64; 2],
}

impl Row {
    /// `rate` is that of a matrix product, in operations per second.
    fn write(&self, rate: f64, out: &mut String) -> std::fmt::Result {
        let pairs = self.theirs.iter().zip(&self.ours);
        let ratio = quartiles(pairs.map(|(theirs, ours)| theirs / ours).collect())[1];
        let target = self.target.map_or(String::new(), |target| format!(" (≥ {target})"));
        let [_, median, _] = quartiles(self.ours.clone());
        let [direct, own] = self.operations.map(|n| 100.0 * n / rate / (median / 1e3));
        writeln!(
            out,
            "| {} | {} | {} | {} | {ratio:.2}{target} | {direct:.0} % | {own:.0} % | {:.0} / {:.0} |",
            self.model,
            self.work,
            self.spread(&self.theirs),
            self.spread(&self.ours),
            self.memory[0],
            self.memory[1],
        )
    }

    /// Median and quartiles for one image or row.
    fn spread(&self, times: &[f64]) -> String {
        let [low, median, high] = quartiles(times.iter().map(|time| time / self.units).collect());
        format!("{median:.1} ({low:.1}–{high:.1})")
    }
}

/// The table under a line that says how it was made.
pub(super) fn render(heading: &str, rows: &[Row], rate: f64) -> Result<String> {
    let mut table = format!(
        "{heading}\n\n\
         | network | work | PyTorch, ms | ours, ms | ratio (aim) | of the floor | of our own floor \
         | peak memory, MiB (PyTorch / ours) |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        row.write(rate, &mut table)?;
    }
    Ok(table)
}

/// Lower quartile, median and upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_seven() {
        assert_eq!(quartiles(vec![7.0, 1.0, 3.0, 2.0, 6.0, 5.0, 4.0]), [2.0, 4.0, 5.0]);
        assert_eq!(quartiles(vec![2.0]), [2.0; 3]);
    }

    #[test]
    fn a_row_gives_medians_of_pairs_and_shares_of_the_floor() {
        let row = Row {
            model: "net".into(),
            work: "8 Hessian rows",
            units: 8.0,
            target: Some(4.0),
            theirs: vec![800.0, 1600.0, 800.0],
            ours: vec![80.0, 80.0, 160.0],
            memory: [300.0, 200.0],
            operations: [4e9, 2e9],
        };
        let mut line = String::new();
        row.write(1e11, &mut line).expect("writing to a string");
        assert_eq!(
            line,
            "| net | 8 Hessian rows | 100.0 (100.0–100.0) | 10.0 (10.0–10.0) | 10.00 (≥ 4) \
             | 50 % | 25 % | 300 / 200 |\n"
        );
    }
}
