//! Documents as pages.

use maud::{Markup, html};

use super::{Agreement, Block, Cell, Document, Figure, Origin, PlotBlock, Table, cell};
use crate::{
    Result,
    html::{png_uri, shell, slug},
};

/// A list of contents is worth its room from so many sections on.
const MIN_CONTENTS: usize = 3;

pub(super) fn page(document: &Document) -> Result<String> {
    let body = html! {
        header {
            h1 { (document.title) }
            @if !document.subtitle.is_empty() { p.subtitle { (document.subtitle) } }
        }
        (contents(&document.blocks))
        main { (blocks(&document.blocks, 2, "section")?) }
    };
    Ok(shell(&document.title, &body))
}

/// Links to the sections.
fn contents(blocks: &[Block]) -> Markup {
    let titles = blocks.iter().enumerate().filter_map(|(index, block)| match block {
        Block::Section { title, .. } => Some((index, title)),
        _ => None,
    });
    html! {
        @if titles.clone().count() >= MIN_CONTENTS {
            nav aria-label="Contents" { ul {
                @for (index, title) in titles { li { a href={ "#section-" (index) } { (title) } } }
            } }
        }
    }
}

/// Blocks whose sections have headings of `level` and anchors that begin with `parent`.
pub(crate) fn blocks(all: &[Block], level: usize, parent: &str) -> Result<Markup> {
    Ok(html! {
        @for (index, one) in all.iter().enumerate() {
            (block(one, level, &format!("{parent}-{index}"))?)
        }
    })
}

fn block(block: &Block, level: usize, id: &str) -> Result<Markup> {
    Ok(html! {
        @match block {
            Block::Section { title, blocks: inner } => {
                section aria-labelledby=(id) {
                    @match level {
                        2 => h2 id=(id) { (title) },
                        3 => h3 id=(id) { (title) },
                        4 => h4 id=(id) { (title) },
                        5 => h5 id=(id) { (title) },
                        _ => h6 id=(id) { (title) },
                    }
                    (blocks(inner, level + 1, id)?)
                }
            }
            Block::Paragraph(text) => p { (text.html()) },
            Block::List(items) => ul { @for item in items { li { (item.html()) } } },
            Block::Table(table) => (self::table(table)),
            Block::Plot(block) => (plot(block)?),
            Block::Figure(figure) => (self::figure(figure)),
            Block::Row(inner) => div.row { (blocks(inner, level, id)?) },
            Block::Code(code) => (self::code(code)),
            Block::Facts(facts) => (self::facts("facts", facts)),
            Block::Details { summary, blocks: inner } =>
                (details(summary, &blocks(inner, level, id)?)),
        }
    })
}

fn details(summary: &str, inner: &Markup) -> Markup {
    html! { details { summary { (summary) } (inner) } }
}

/// Commands, in a region that scrolls by itself where it is too wide.
fn code(code: &str) -> Markup {
    html! { pre.scroll role="region" aria-label="Code" { code { (code.trim()) } } }
}

/// Names and values.
pub(crate) fn facts(class: &str, facts: &[(String, String)]) -> Markup {
    html! {
        dl class=(class) { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
    }
}

fn origin(origin: &Origin) -> Markup {
    let Origin { command, settings } = origin;
    let inner = html! {
        @if !command.is_empty() { (code(command)) }
        @if !settings.is_empty() { (facts("facts", settings)) }
    };
    html! { @if !origin.is_empty() { (details("Command and settings", &inner)) } }
}

fn plot(block: &PlotBlock) -> Result<Markup> {
    let id = slug(&block.name);
    let (columns, rows) = block.plot.data();
    let data = html! {
        div.scroll role="region" aria-label={ "Data of the plot " (block.plot.title()) } {
            table {
                thead { tr { @for cell in &columns { th { (cell) } } } }
                tbody { @for row in &rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    };
    Ok(html! {
        figure id=(id) {
            div.scroll { (block.plot.markup(&id)?) }
            figcaption { (block.caption.html()) }
            (details("Data", &data))
            (origin(&block.origin))
        }
    })
}

fn figure(figure: &Figure) -> Markup {
    html! {
        figure id=(slug(&figure.name)) {
            img src=(png_uri(&figure.png)) alt=(figure.alt);
            figcaption { (figure.caption.html()) }
        }
    }
}

/// Every column can be sorted by the button in its head.
fn table(table: &Table) -> Markup {
    let (id, columns) = (slug(&table.name), 0..table.columns.len());
    html! {
        div.table id=(id) {
            div.scroll role="region" aria-labelledby={ (id) "-caption" } {
                table.sortable {
                    caption id={ (id) "-caption" } { (table.caption.html()) }
                    thead { tr { @for column in columns.clone() { (head(table, column)) } } }
                    tbody {
                        @for row in 0..table.rows.len() {
                            tr { @for column in columns.clone() { (cell(table, row, column)) } }
                        }
                    }
                }
            }
            @for note in table.legend() { p.note { (note) } }
            @for note in &table.notes { p.note { (note.html()) } }
            (origin(&table.origin))
        }
    }
}

fn head(table: &Table, index: usize) -> Markup {
    let column = &table.columns[index];
    html! {
        th scope="col" class=[table.is_numeric(index).then_some("number")] {
            (column.name)
            @if let Some(better) = column.better {
                " " span aria-hidden="true" { (better.arrow()) }
                span.unseen { " (" (better.words()) ")" }
            }
        }
    }
}

fn cell(table: &Table, row: usize, column: usize) -> Markup {
    let content = table.cell(row, column);
    let html = shown(content, table.columns[column].decimals);
    let html = html! { @if table.is_best(row, column) { strong { (html) } } @else { (html) } };
    let (class, sort) = (table.is_numeric(column).then_some("number"), content.value());
    html! {
        @if column == 0 { th scope="row" class=[class] data-sort=[sort] { (html) } }
        @else { td class=[class] data-sort=[sort] { (html) } }
    }
}

fn shown(content: &Cell, decimals: usize) -> Markup {
    html! {
        @match content {
            Cell::Missing => span.soft { "–" },
            Cell::Failed(reason) => span.below { "failed: " (reason) },
            Cell::Text(text) => (text.html()),
            Cell::Count(count) => (count),
            Cell::Number(ours) => (ours.written(decimals)),
            Cell::Beside { ours, published } => {
                @let (agreement, difference) = cell::difference(ours, *published, decimals);
                (ours.written(decimals)) " "
                span.beside {
                    span.unseen { "published " } (cell::number(*published, decimals))
                    span.difference.(class(agreement)) {
                        span.unseen { ", " (agreement.words()) ": " } (difference)
                    }
                }
            }
            Cell::Time(time) => (cell::time(*time)),
        }
    }
}

fn class(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Within => "within",
        Agreement::Above => "above",
        Agreement::Below => "below",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Better, Column, Estimate};

    #[test]
    fn differences_are_told_in_words_too() {
        let made = Table::new("t", "t")
            .column(Column::text("model"))
            .column(Column::number("Gini", 2).better(Better::Higher))
            .row([Cell::text("a"), Cell::beside(Estimate::exact(0.90), 0.95)]);
        let html = table(&made).into_string();
        assert!(html.contains("lower than published") && html.contains("▼ −0.05"), "{html}");
        assert!(html.contains("data-sort=\"0.9\"") && html.contains("higher is better"));
    }

    #[test]
    fn what_was_typed_is_not_markup() {
        let document = Document::new("</title><script>alert(1)</script>")
            .block(Block::Facts(vec![("a\"b".into(), "<img src=x onerror=alert(1)>".into())]));
        let html = page(&document).unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"));
    }
}
