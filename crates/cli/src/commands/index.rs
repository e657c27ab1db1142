//! `index.html`: the pages of several inputs side by side, each behind its picture.

use std::path::Path;

use hsets_report::{
    document::{Blocks, Document, Figure, Text},
    output::write_file,
};

/// What is to be seen of an input.
pub(super) struct Entry {
    /// Name of its folder, beside the index.
    pub(super) folder: String,
    /// As the user named it.
    pub(super) input: String,
    /// What was explained.
    pub(super) target: String,
    /// Photo with its map.
    pub(super) png: Vec<u8>,
}

/// Writes the index into `out`; a single input needs none.
pub(super) fn write(out: &Path, model: &str, entries: Vec<Entry>) -> anyhow::Result<()> {
    if entries.len() < 2 {
        return Ok(());
    }
    let subtitle = format!("{} inputs, {model}", entries.len());
    let pages = |row: Blocks| {
        entries
            .into_iter()
            .enumerate()
            .fold(row, |row, (index, entry)| row.figure(figure(index, entry)))
    };
    let document = Document::new("Explanations")
        .subtitle(subtitle)
        .section("Pages", |blocks| blocks.row(pages));
    Ok(write_file(&out.join("index.html"), document.html()?.as_bytes())?)
}

fn figure(index: usize, entry: Entry) -> Figure {
    let Entry { folder, input, target, png } = entry;
    let link = format!("{}/explanation.html", encoded(&folder));
    Figure {
        name: format!("input-{}", index + 1),
        png,
        alt: format!("{input} with its saliency map: open the page of {target}"),
        caption: Text::default().link(input, link.clone()).plain(format!(": {target}")),
        link,
    }
}

/// A name as part of an address.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_addresses() {
        assert_eq!(encoded("cat-2.b_~"), "cat-2.b_~");
        assert_eq!(encoded("a b#?é"), "a%20b%23%3F%C3%A9");
    }
}
