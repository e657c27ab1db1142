//! Tables as LaTeX, for `booktabs`.

use super::{Agreement, Cell, Estimate, Origin, Spread, Table, Text, cell};

/// A `table` environment; how it was made is told in comments above.
pub(super) fn table(table: &Table) -> String {
    let columns = 0..table.columns.len();
    let alignment: String =
        columns.clone().map(|column| if table.is_numeric(column) { 'r' } else { 'l' }).collect();
    let heads = table.columns.iter().map(|column| {
        let arrow = match column.better {
            Some(super::Better::Higher) => " $\\uparrow$",
            Some(super::Better::Lower) => " $\\downarrow$",
            None => "",
        };
        escape(&column.name) + arrow
    });
    let mut out = comments(&table.origin);
    out.push_str("\\begin{table}\n\\centering\n");
    out.push_str(&format!("\\caption{{{}}}\n", table.caption.latex()));
    out.push_str(&format!("\\label{{tab:{}}}\n", table.name));
    out.push_str(&format!("\\begin{{tabular}}{{@{{}}{alignment}@{{}}}}\n\\toprule\n"));
    out.push_str(&format!("{} \\\\\n\\midrule\n", heads.collect::<Vec<_>>().join(" & ")));
    for row in 0..table.rows.len() {
        let cells: Vec<String> = columns.clone().map(|column| text(table, row, column)).collect();
        out.push_str(&format!("{} \\\\\n", cells.join(" & ")));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n");
    for note in table
        .legend()
        .iter()
        .map(String::as_str)
        .map(escape)
        .chain(table.notes.iter().map(Text::latex))
    {
        out.push_str(&format!("\\par\\smallskip{{\\footnotesize {note}}}\n"));
    }
    out.push_str("\\end{table}\n");
    out
}

fn comments(origin: &Origin) -> String {
    let settings = origin.settings.iter().map(|(name, value)| format!("{name}: {value}"));
    let lines = std::iter::once(origin.command.clone()).chain(settings);
    let comment = |line: String| format!("% {}\n", line.replace('\n', "\n% "));
    lines.filter(|line| !line.is_empty()).map(comment).collect()
}

fn text(table: &Table, row: usize, column: usize) -> String {
    let decimals = table.columns[column].decimals;
    let best = table.is_best(row, column);
    match table.cell(row, column) {
        Cell::Missing => "--".into(),
        Cell::Failed(_) => "failed".into(),
        Cell::Text(text) => text.latex(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(ours) => estimate(ours, decimals, best),
        Cell::Beside { ours, published } => {
            let (agreement, _) = cell::difference(ours, *published, decimals);
            let mark = match agreement {
                Agreement::Within => "=",
                Agreement::Above => "\\blacktriangle",
                Agreement::Below => "\\blacktriangledown",
            };
            let difference = ours.value - published;
            format!(
                "{} ($ {published:.decimals$} $, ${mark}\\, {difference:+.decimals$}$)",
                estimate(ours, decimals, best)
            )
        }
        Cell::Time(time) => escape(&cell::time(*time)),
    }
}

fn estimate(estimate: &Estimate, decimals: usize, best: bool) -> String {
    let Estimate { value, spread } = estimate;
    if value.is_nan() {
        return "--".into();
    }
    let value = format!("{value:.decimals$}");
    let value = if best { format!("\\mathbf{{{value}}}") } else { value };
    match spread {
        Spread::None => format!("${value}$"),
        Spread::Std(reach) | Spread::StandardError(reach) => {
            format!("${value} \\pm {reach:.decimals$}$")
        }
        Spread::Interval(low, high) => {
            format!("${value}$ $[{low:.decimals$}, {high:.decimals$}]$")
        }
    }
}

/// Text in which nothing is a command.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            'Δ' => out.push_str("$\\Delta$"),
            'λ' => out.push_str("$\\lambda$"),
            'σ' => out.push_str("$\\sigma$"),
            '→' => out.push_str("$\\to$"),
            '≈' => out.push_str("$\\approx$"),
            '±' => out.push_str("$\\pm$"),
            '−' => out.push_str("$-$"),
            '▲' => out.push_str("$\\blacktriangle$"),
            '▼' => out.push_str("$\\blacktriangledown$"),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '·' => out.push_str("$\\cdot$"),
            '×' => out.push_str("$\\times$"),
            'µ' | 'μ' => out.push_str("$\\mu$"),
            'ν' => out.push_str("$\\nu$"),
            '≥' => out.push_str("$\\geq$"),
            '≤' => out.push_str("$\\leq$"),
            '–' => out.push_str("--"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Column;

    #[test]
    fn a_table_as_it_is_typeset() {
        let made = Table::new("gini", "Sparsity")
            .column(Column::text("model"))
            .column(Column::number("Gini", 2))
            .row([Cell::text("a_b & 5 %"), Cell::beside(Estimate::std(0.9, 0.01), 0.95)])
            .command("hsets evaluate");
        let text = table(&made);
        assert!(text.starts_with("% hsets evaluate\n\\begin{table}"), "{text}");
        let row =
            "a\\_b \\& 5 \\% & $0.90 \\pm 0.01$ ($ 0.95 $, $\\blacktriangledown\\, -0.05$) \\\\";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn symbols_are_typeset_as_mathematics() {
        let symbols = "Δ λ σ → ≈ ± − ▲ ▼ ↑ ↓ · × µ μ ν ≥ ≤ –";
        let text = escape(symbols);
        assert!(text.is_ascii(), "{text}");
        assert_eq!(escape("Δ Gini"), "$\\Delta$ Gini");
    }
}
