//! The curves of a training.

use std::fmt::Write as _;

/// What an epoch gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// Number, from 1.
    pub epoch: u64,
    /// Steps up to its end.
    pub step: u64,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Mean loss of its batches, each before its step.
    pub training_loss: f64,
    /// Share of its examples that were right, as they went through.
    pub training_accuracy: f64,
    /// Mean cross-entropy of the held-out examples, without smoothing.
    pub validation_loss: Option<f64>,
    /// Share of the held-out examples that are right.
    pub validation_accuracy: Option<f64>,
}

/// Names of the columns.
const HEADER: &str = "epoch,step,learning_rate,training_loss,training_accuracy,validation_loss,\
                      validation_accuracy";

/// The epochs as CSV, with a line of names. Numbers are written so that they are read back bit for
/// bit.
pub fn to_csv(epochs: &[Epoch]) -> String {
    let mut table = format!("{HEADER}\n");
    for e in epochs {
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let (loss, accuracy) = (cell(e.validation_loss), cell(e.validation_accuracy));
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{},{},{},{},{},{loss},{accuracy}",
            e.epoch, e.step, e.learning_rate, e.training_loss, e.training_accuracy
        );
    }
    table
}

/// Reads what [`to_csv`] wrote; `None` if it is something else.
pub(crate) fn from_csv(table: &str) -> Option<Vec<Epoch>> {
    let rows = table.strip_prefix(HEADER)?.trim_start().lines();
    let epoch = |row: &str| {
        let cells: Vec<&str> = row.split(',').collect();
        let &[epoch, step, rate, loss, accuracy, held_out_loss, held_out] = cells.as_slice() else {
            return None;
        };
        let maybe =
            |cell: &str| if cell.is_empty() { Some(None) } else { cell.parse().ok().map(Some) };
        Some(Epoch {
            epoch: epoch.parse().ok()?,
            step: step.parse().ok()?,
            learning_rate: rate.parse().ok()?,
            training_loss: loss.parse().ok()?,
            training_accuracy: accuracy.parse().ok()?,
            validation_loss: maybe(held_out_loss)?,
            validation_accuracy: maybe(held_out)?,
        })
    };
    rows.map(epoch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let epoch = |epoch: u64, held_out: Option<f64>| Epoch {
            epoch,
            step: 100 * epoch,
            learning_rate: 0.1 / epoch as f64,
            training_loss: 1.0 / 3.0,
            training_accuracy: 0.5,
            validation_loss: held_out,
            validation_accuracy: held_out,
        };
        let epochs = [epoch(1, None), epoch(3, Some(0.7 + 0.1))];
        assert_eq!(from_csv(&to_csv(&epochs)).unwrap(), epochs);
        assert_eq!(from_csv(&to_csv(&[])).unwrap(), []);
        assert_eq!(from_csv("epoch,loss\n1,2\n"), None);
    }
}
