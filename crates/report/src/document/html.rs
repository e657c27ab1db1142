//! Documents as pages.

use super::{Agreement, Block, Cell, Document, Figure, Origin, PlotBlock, Table, Text, cell};
use crate::{
    Result,
    html::{escape, png_uri, shell, slug},
};

/// A list of contents is worth its room from so many sections on.
const MIN_CONTENTS: usize = 3;

pub(super) fn page(document: &Document) -> Result<String> {
    let mut body = format!("<header><h1>{}</h1>", escape(&document.title));
    if !document.subtitle.is_empty() {
        body.push_str(&format!("<p class=\"subtitle\">{}</p>", escape(&document.subtitle)));
    }
    body.push_str("</header>");
    body.push_str(&contents(&document.blocks));
    body.push_str(&format!("<main>{}</main>", blocks(&document.blocks, 2, "section")?));
    Ok(shell(&document.title, &body))
}

/// Links to the sections.
fn contents(blocks: &[Block]) -> String {
    let link = |(index, block): (usize, &Block)| match block {
        Block::Section { title, .. } => {
            Some(format!("<li><a href=\"#section-{index}\">{}</a></li>", escape(title)))
        }
        _ => None,
    };
    let links: Vec<String> = blocks.iter().enumerate().filter_map(link).collect();
    if links.len() < MIN_CONTENTS {
        return String::new();
    }
    format!("<nav aria-label=\"Contents\"><ul>{}</ul></nav>", links.concat())
}

/// Blocks whose sections have headings of `level` and anchors that begin with `parent`.
pub(crate) fn blocks(all: &[Block], level: usize, parent: &str) -> Result<String> {
    let block = |(index, one)| block(one, level, &format!("{parent}-{index}"));
    all.iter().enumerate().map(block).collect()
}

fn block(block: &Block, level: usize, id: &str) -> Result<String> {
    Ok(match block {
        Block::Section { title, blocks: inner } => {
            let (title, inner) = (escape(title), blocks(inner, level + 1, id)?);
            let level = level.min(6);
            format!(
                "<section aria-labelledby=\"{id}\"><h{level} id=\"{id}\">{title}</h{level}>{inner}\
                 </section>"
            )
        }
        Block::Paragraph(text) => format!("<p>{}</p>", text.html()),
        Block::List(items) => {
            let items = items.iter().map(|item| format!("<li>{}</li>", item.html()));
            format!("<ul>{}</ul>", items.collect::<String>())
        }
        Block::Table(table) => self::table(table),
        Block::Plot(block) => plot(block)?,
        Block::Figure(figure) => self::figure(figure),
        Block::Row(inner) => format!("<div class=\"row\">{}</div>", blocks(inner, level, id)?),
        Block::Code(code) => self::code(code),
        Block::Facts(facts) => self::facts(facts),
        Block::Details { summary, blocks: inner } => details(summary, &blocks(inner, level, id)?),
    })
}

fn details(summary: &str, inner: &str) -> String {
    format!("<details><summary>{}</summary>{inner}</details>", escape(summary))
}

/// Commands, in a region that scrolls by itself where it is too wide.
fn code(code: &str) -> String {
    let code = escape(code.trim());
    format!("<pre class=\"scroll\" role=\"region\" aria-label=\"Code\"><code>{code}</code></pre>")
}

fn facts(facts: &[(String, String)]) -> String {
    let fact = |(name, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
    };
    format!("<dl class=\"facts\">{}</dl>", facts.iter().map(fact).collect::<String>())
}

fn origin(origin: &Origin) -> String {
    if origin.is_empty() {
        return String::new();
    }
    let command = match origin.command.as_str() {
        "" => String::new(),
        command => code(command),
    };
    let settings = match origin.settings.as_slice() {
        [] => String::new(),
        settings => facts(settings),
    };
    details("Command and settings", &(command + &settings))
}

fn plot(block: &PlotBlock) -> Result<String> {
    let id = slug(&block.name);
    let svg = block.plot.inline_svg(&id)?;
    let (columns, rows) = block.plot.data();
    let line = |tag: &str, cells: &[String]| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let data = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Data of the plot {title}\">\
         <table><thead>{}</thead><tbody>{}</tbody></table></div>",
        line("th", &columns),
        rows.iter().map(|row| line("td", row)).collect::<String>(),
        title = escape(block.plot.title()),
    );
    Ok(format!(
        "<figure id=\"{id}\"><div class=\"scroll\">{svg}</div><figcaption>{}</figcaption>{}{}\
         </figure>",
        block.caption.html(),
        details("Data", &data),
        origin(&block.origin),
    ))
}

fn figure(figure: &Figure) -> String {
    let id = slug(&figure.name);
    let picture = format!("<img src=\"{}\" alt=\"{}\">", png_uri(&figure.png), escape(&figure.alt));
    let caption = figure.caption.html();
    format!("<figure id=\"{id}\">{picture}<figcaption>{caption}</figcaption></figure>")
}

/// Every column can be sorted by the button in its head.
fn table(table: &Table) -> String {
    let id = slug(&table.name);
    let mut out = format!(
        "<div class=\"table\" id=\"{id}\"><div class=\"scroll\" role=\"region\" \
         aria-labelledby=\"{id}-caption\"><table class=\"sortable\">\
         <caption id=\"{id}-caption\">{}</caption><thead><tr>",
        table.caption.html()
    );
    for (index, column) in table.columns.iter().enumerate() {
        let hint = column.better.map_or(String::new(), |better| {
            let (arrow, words) = (better.arrow(), better.words());
            format!(
                " <span aria-hidden=\"true\">{arrow}</span><span class=\"unseen\"> ({words})</span>"
            )
        });
        let class = if table.is_numeric(index) { " class=\"number\"" } else { "" };
        let name = escape(&column.name);
        out.push_str(&format!("<th scope=\"col\"{class}>{name}{hint}</th>"));
    }
    out.push_str("</tr></thead><tbody>");
    for row in 0..table.rows.len() {
        let cells = (0..table.columns.len()).map(|column| self::cell(table, row, column));
        out.push_str(&format!("<tr>{}</tr>", cells.collect::<String>()));
    }
    out.push_str("</tbody></table></div>");
    let legend = table.legend();
    let notes =
        legend.iter().map(String::as_str).map(escape).chain(table.notes.iter().map(Text::html));
    out.push_str(&notes.map(|note| format!("<p class=\"note\">{note}</p>")).collect::<String>());
    out + &origin(&table.origin) + "</div>"
}

fn cell(table: &Table, row: usize, column: usize) -> String {
    let decimals = table.columns[column].decimals;
    let content = table.cell(row, column);
    let html = match content {
        Cell::Missing => "<span class=\"soft\">–</span>".into(),
        Cell::Failed(reason) => format!("<span class=\"below\">failed: {}</span>", escape(reason)),
        Cell::Text(text) => text.html(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(ours) => ours.written(decimals),
        Cell::Beside { ours, published } => {
            let (agreement, difference) = cell::difference(ours, *published, decimals);
            format!(
                "{} <span class=\"beside\"><span class=\"unseen\">published </span>{}\
                 <span class=\"difference {}\"><span class=\"unseen\">, {}: </span>{difference}\
                 </span></span>",
                ours.written(decimals),
                cell::number(*published, decimals),
                class(agreement),
                agreement.words(),
            )
        }
        Cell::Time(time) => cell::time(*time),
    };
    let html = if table.is_best(row, column) { format!("<strong>{html}</strong>") } else { html };
    let sort = content.value().map_or(String::new(), |value| format!(" data-sort=\"{value}\""));
    let class = if table.is_numeric(column) { " class=\"number\"" } else { "" };
    match column {
        0 => format!("<th scope=\"row\"{class}{sort}>{html}</th>"),
        _ => format!("<td{class}{sort}>{html}</td>"),
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
        let html = table(&made);
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
