//! `index.html`: the pages of several inputs side by side, each behind its picture.

use std::path::Path;

use hsets_report::{
    draw::Canvas,
    html::{IndexEntry, index_page},
    output::write_file,
};

/// What is to be seen of an input: `folder` is the name of its own, beside the index, `picture` the
/// photo with its map.
pub(super) fn entry(
    folder: &Path,
    input: &str,
    target: String,
    picture: &Canvas,
) -> anyhow::Result<IndexEntry> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let address = format!("{}/explanation.html", encoded(&name));
    Ok(IndexEntry::new(address, input.to_owned(), target, picture)?)
}

/// Writes the index into `out`; a single input needs none.
pub(super) fn write(out: &Path, model: &str, entries: &[IndexEntry]) -> anyhow::Result<()> {
    if entries.len() < 2 {
        return Ok(());
    }
    let subtitle = format!("{} inputs, {model}", entries.len());
    let page = index_page("Explanations", &subtitle, entries);
    Ok(write_file(&out.join("index.html"), page.as_bytes())?)
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
