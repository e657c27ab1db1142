//! Tables: aligned for people, CSV for programs.

use hsets_evaluation::csv_text;

/// Rows of cells under a head.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The first column to the left, all others to the right.
    pub(crate) fn aligned(&self) -> String {
        let rows = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..).map_while(width).collect();
        let line = |row: &Vec<String>| {
            let pad = |(column, cell): (usize, &String)| {
                let cell = cell.replace('\n', " ");
                let width = widths[column];
                if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            };
            let cells: Vec<String> = row.iter().enumerate().map(pad).collect();
            cells.join("  ").trim_end().to_owned()
        };
        rows().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | ").replace('\n', " "));
        let rule = "|---|".to_owned() + &"---:|".repeat(self.head.len().saturating_sub(1)) + "\n";
        let rows: String = self.rows.iter().map(line).collect();
        line(&self.head) + &rule + &rows
    }

    pub(crate) fn csv(&self) -> String {
        let line = |row: &Vec<String>| {
            row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n"
        };
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }
}

/// A cell of CSV (RFC 4180).
fn quoted(cell: &str) -> String {
    let cell = csv_text(cell);
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_csv_is_quoted() {
        let mut table = Table::new(["map", "gini"]);
        table.row(vec!["a,b".into(), "0.5".into()]);
        table.row(vec!["longer".into(), "12".into()]);
        assert_eq!(table.aligned(), "map     gini\na,b      0.5\nlonger    12");
        let markdown = "| map | gini |\n|---|---:|\n| a,b | 0.5 |\n| longer | 12 |\n";
        assert_eq!(table.markdown(), markdown);
        assert_eq!(table.csv(), "map,gini\n\"a,b\",0.5\nlonger,12\n");
        table.row(vec!["=HYPERLINK(\"x\")".into(), "-1e-3".into()]);
        let csv = table.csv();
        assert_eq!(csv.lines().last().unwrap(), "\"'=HYPERLINK(\"\"x\"\")\",-1e-3");
    }
}
