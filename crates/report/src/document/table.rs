//! Tables.

use super::{Cell, Text};

/// Which values of a column are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher the better.
    Higher,
    /// The lower the better.
    Lower,
}

impl Better {
    /// The arrow in the column's head.
    pub(super) fn arrow(self) -> &'static str {
        match self {
            Self::Higher => "↑",
            Self::Lower => "↓",
        }
    }

    /// The same in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher is better",
            Self::Lower => "lower is better",
        }
    }
}

/// Head of a column and how its cells are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What the column holds, with its unit.
    pub name: String,
    /// Digits after the point.
    pub decimals: usize,
    /// The best value of the column is marked if this is known.
    pub better: Option<Better>,
}

impl Column {
    /// A column of text, counts or times.
    pub fn text(name: impl Into<String>) -> Self {
        Self::number(name, 0)
    }

    /// A column of numbers with so many digits after the point.
    pub fn number(name: impl Into<String>, decimals: usize) -> Self {
        Self { name: name.into(), decimals, better: None }
    }

    /// Whose best value is marked.
    #[must_use]
    pub fn better(self, better: Better) -> Self {
        Self { better: Some(better), ..self }
    }
}

/// How something was made, so that it can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The command; empty if there is none.
    pub command: String,
    /// Names and values of the settings.
    pub settings: Vec<(String, String)>,
}

impl Origin {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.command.is_empty() && self.settings.is_empty()
    }
}

/// A table. Its first column names the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Its anchor in the page and its label in LaTeX.
    pub name: String,
    /// What it shows.
    pub caption: Text,
    /// Heads of the columns.
    pub columns: Vec<Column>,
    /// Rows of as many cells as there are columns; missing ones are [`Cell::Missing`].
    pub rows: Vec<Vec<Cell>>,
    /// What a reader must know beside the caption.
    pub notes: Vec<Text>,
    /// The command and settings that made it.
    pub origin: Origin,
}

impl Table {
    /// A table without columns and rows.
    pub fn new(name: impl Into<String>, caption: impl Into<Text>) -> Self {
        Self { name: name.into(), caption: caption.into(), ..Self::default() }
    }

    /// With one more column.
    #[must_use]
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// With one more row.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// With one more note.
    #[must_use]
    pub fn note(mut self, note: impl Into<Text>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Made by this command.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.origin.command = command.into();
        self
    }

    /// Made with these settings.
    #[must_use]
    pub fn settings(mut self, settings: impl IntoIterator<Item = (String, String)>) -> Self {
        self.origin.settings = settings.into_iter().collect();
        self
    }

    /// The cell at a row and column.
    pub fn cell(&self, row: usize, column: usize) -> &Cell {
        self.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(&Cell::Missing)
    }

    /// Whether the cell holds the best value of its column, as printed.
    pub(super) fn is_best(&self, row: usize, column: usize) -> bool {
        let Column { decimals, better: Some(better), .. } = self.columns[column] else {
            return false;
        };
        let printed = |value: f64| (value * 10f64.powi(decimals as i32)).round();
        let rank = |value: f64| match better {
            Better::Higher => printed(value),
            Better::Lower => -printed(value),
        };
        let ranks = (0..self.rows.len()).filter_map(|row| self.cell(row, column).value()).map(rank);
        let best = ranks.clone().fold(f64::NEG_INFINITY, f64::max);
        let own = self.cell(row, column).value().map(rank);
        ranks.count() > 1 && own.is_some_and(|own| own >= best)
    }

    /// What marks in the cells mean, for those that occur.
    pub(super) fn legend(&self) -> Vec<String> {
        let mut legend = Vec::new();
        let any = |is: fn(&Cell) -> bool| self.rows.iter().flatten().any(is);
        if any(|cell| matches!(cell, Cell::Beside { .. })) {
            legend.push(
                "Beside each number the published one and the difference: = within the spread \
                 or the rounding, ▲ higher, ▼ lower."
                    .into(),
            );
        }
        if self.columns.iter().any(|column| column.better.is_some()) {
            legend.push("Bold: the best of its column, ↑ higher or ↓ lower is better.".into());
        }
        legend
    }

    /// Whether the numbers of a column are aligned at the right.
    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let mut cells = (0..self.rows.len()).map(|row| self.cell(row, column));
        cells.all(Cell::is_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_best_as_printed() {
        let table = Table::new("t", "t")
            .column(Column::text("name"))
            .column(Column::number("error", 2).better(Better::Lower))
            .row([Cell::text("a"), Cell::number(0.301)])
            .row([Cell::text("b"), Cell::number(0.299)])
            .row([Cell::text("c"), Cell::number(0.4)])
            .row([Cell::text("d")]);
        let best: Vec<bool> = (0..4).map(|row| table.is_best(row, 1)).collect();
        assert_eq!(best, [true, true, false, false]);
    }
}
