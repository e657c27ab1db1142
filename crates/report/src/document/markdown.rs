//! Documents as Markdown, GitHub's dialect.

use super::{Block, Cell, Document, Origin, Table, cell};

pub(super) fn render(document: &Document) -> String {
    let mut out = format!("# {}\n\n", escape(&document.title));
    if !document.subtitle.is_empty() {
        out.push_str(&format!("{}\n\n", escape(&document.subtitle)));
    }
    out.push_str(&blocks(&document.blocks, 2));
    out.trim_end().to_owned() + "\n"
}

fn blocks(all: &[Block], level: usize) -> String {
    all.iter().map(|one| block(one, level)).collect()
}

fn block(block: &Block, level: usize) -> String {
    match block {
        Block::Section { title, blocks: inner } => {
            let marks = "#".repeat(level.min(6));
            format!("{marks} {}\n\n{}", escape(title), blocks(inner, level + 1))
        }
        Block::Paragraph(text) => format!("{}\n\n", text.markdown()),
        Block::List(items) => {
            let items = items.iter().map(|item| format!("- {}\n", item.markdown()));
            items.collect::<String>() + "\n"
        }
        Block::Table(table) => self::table(table),
        Block::Plot(block) => {
            let title = escape(block.plot.title());
            format!(
                "![{title}]({}.svg)\n\n{}\n\n{}",
                block.name,
                block.caption.markdown(),
                origin(&block.origin)
            )
        }
        Block::Figure(figure) => {
            let picture = format!("![{}]({}.png)", escape(&figure.alt), figure.name);
            format!("{picture}\n\n{}\n\n", figure.caption.markdown())
        }
        Block::Row(inner) => blocks(inner, level),
        Block::Code(code) => fenced(code),
        Block::Facts(facts) => {
            let lines = facts
                .iter()
                .map(|(name, value)| format!("- {}: {}\n", escape(name), escape(value)));
            lines.collect::<String>() + "\n"
        }
        Block::Details { summary, blocks: inner } => {
            let inner = blocks(inner, level);
            let summary = maud::html! { summary { (summary) } }.into_string();
            format!("<details>{summary}\n\n{inner}</details>\n\n")
        }
    }
}

fn table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let columns = 0..table.columns.len();
    let heads = table.columns.iter().map(|column| {
        let arrow = column.better.map_or(String::new(), |better| format!(" {}", better.arrow()));
        escape(&column.name) + &arrow
    });
    let rule = columns.clone().map(|column| if table.is_numeric(column) { "--:" } else { "---" });
    let mut out = format!("{}\n\n", table.caption.markdown());
    out.push_str(&line(heads.collect()));
    out.push_str(&line(rule.map(str::to_owned).collect()));
    for row in 0..table.rows.len() {
        out.push_str(&line(columns.clone().map(|column| cell_text(table, row, column)).collect()));
    }
    out.push('\n');
    for note in table.legend() {
        out.push_str(&format!("{}\n", escape(&note)));
    }
    for note in &table.notes {
        out.push_str(&format!("{}\n", note.markdown()));
    }
    out.trim_end().to_owned() + "\n\n" + &origin(&table.origin)
}

fn cell_text(table: &Table, row: usize, column: usize) -> String {
    let decimals = table.columns[column].decimals;
    let text = match table.cell(row, column) {
        Cell::Missing => "–".into(),
        Cell::Failed(reason) => format!("failed: {}", escape(reason)),
        Cell::Text(text) => text.markdown(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(ours) => escape(&ours.written(decimals)),
        Cell::Beside { ours, published } => {
            let (_, difference) = cell::difference(ours, *published, decimals);
            let published = cell::number(*published, decimals);
            let ours = escape(&ours.written(decimals));
            format!("{ours} (published {published}, {difference})")
        }
        Cell::Time(time) => cell::time(*time),
    };
    if table.is_best(row, column) { format!("**{text}**") } else { text }
}

fn origin(origin: &Origin) -> String {
    if origin.is_empty() {
        return String::new();
    }
    let settings = origin.settings.iter().map(|(name, value)| format!("# {name}: {value}\n"));
    fenced(&format!("{}\n{}", origin.command, settings.collect::<String>()))
}

/// A block of code, its fence longer than any inside.
fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n\n", code.trim())
}

/// Code within a line, in a table or not.
pub(super) fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let mark = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{mark}{pad}{}{pad}{mark}", text.replace('|', "\\|"))
}

/// Text in which nothing is markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Column, Text};

    #[test]
    fn nothing_breaks_out_of_a_cell() {
        let made = Table::new("t", "a | b")
            .column(Column::text("*x*"))
            .row([Cell::Text(Text::default().code("a`b|c"))])
            .row([Cell::Failed("out of memory | killed".into())]);
        let text = table(&made);
        assert!(text.contains("| \\*x\\* |") && text.contains("``a`b\\|c``"), "{text}");
        assert!(text.contains("memory \\| killed"), "{text}");
    }

    #[test]
    fn fences_enclose_fences() {
        assert!(fenced("```\nx\n```").starts_with("````text\n"));
    }
}
