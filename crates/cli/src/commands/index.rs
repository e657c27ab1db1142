//! `index.html`: the pages of several inputs side by side, each behind its picture.

use std::path::Path;

use hsets_report::{
    draw::Canvas,
    html::{IndexEntry, index_page},
    output::write_file,
};

use crate::failure::Failure;

/// What is to be seen of an input: `folder` is the name of its own, beside the index, `page` that of
/// the page in it, `picture` the photo, with its map if there is one.
pub(super) fn entry(
    folder: &Path,
    page: &str,
    input: &str,
    target: String,
    picture: &Canvas,
) -> anyhow::Result<IndexEntry> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let address = format!("{}/{page}", encoded(&name));
    Ok(IndexEntry::new(address, input.to_owned(), target, picture)?)
}

/// Writes the index into `out`, unless the run was cut short, and gives its outcome on. A single
/// input needs none.
pub(super) fn write_after(
    outcome: Result<(), Failure>,
    out: &Path,
    title: &str,
    model: &str,
    mut entries: Vec<IndexEntry>,
) -> Result<(), Failure> {
    if entries.len() < 2 || matches!(outcome, Err(Failure::Error(_))) {
        return outcome;
    }
    let subtitle = format!("{} inputs, {model}", entries.len());
    let shared = shared_folder(entries.iter().map(|entry| entry.name.as_str())).len();
    entries.iter_mut().for_each(|entry| entry.name.replace_range(..shared, ""));
    let page = index_page(title, &subtitle, &entries);
    write_file(&out.join("index.html"), page.as_bytes()).map_err(anyhow::Error::from)?;
    outcome
}

/// The folder, with the stroke at its end, that all these names begin with; may be empty.
fn shared_folder<'a>(names: impl Iterator<Item = &'a str>) -> &'a str {
    let shared = |one: &'a str, other: &str| {
        let same = one.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
        let end = same.filter(|((_, c), _)| std::path::is_separator(*c)).last();
        end.map_or("", |((at, stroke), _)| &one[..at + stroke.len_utf8()])
    };
    let folder = |name: &'a str| shared(name, name);
    let mut names = names;
    let first = names.next().map_or("", folder);
    names.fold(first, shared)
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
    fn what_all_names_begin_with_is_a_folder() {
        let shared = |names: &[&'static str]| shared_folder(names.iter().copied());
        assert_eq!(shared(&["a/b/cat.jpg", "a/b/car.jpg"]), "a/b/");
        assert_eq!(shared(&["a/b/cat.jpg", "a/bc/cat.jpg"]), "a/");
        assert_eq!(shared(&["cat.jpg", "cat.png"]), "");
        assert_eq!(shared(&["é/ü.jpg", "é/ö.jpg"]), "é/");
        assert_eq!(shared(&["/a.jpg", "b.jpg"]), "");
    }

    #[test]
    fn names_become_addresses() {
        assert_eq!(encoded("cat-2.b_~"), "cat-2.b_~");
        assert_eq!(encoded("a b#?é"), "a%20b%23%3F%C3%A9");
    }
}
