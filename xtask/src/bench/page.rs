//! The places in a hand-written page that `cargo xtask bench` writes into.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

const END: &str = "<!-- end of what is written -->";

/// Fails if the page has no place for what `cargo xtask bench TASK` writes.
pub(super) fn check(page: &Path, task: &str) -> Result<()> {
    insert(&read(page)?, task, "").map(drop)
}

/// Prints what a task found, and puts it in its place in the page.
#[allow(clippy::print_stdout)] // the table is the result
pub(super) fn write(page: Option<&Path>, task: &str, text: &str) -> Result<()> {
    println!("{text}");
    let Some(path) = page else { return Ok(()) };
    let page = insert(&read(path)?, task, text)?;
    fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn read(page: &Path) -> Result<String> {
    fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))
}

/// Replaces what is between the two lines of a task, and nothing else.
fn insert(page: &str, task: &str, text: &str) -> Result<String> {
    let begin = format!("<!-- written by `cargo xtask bench {task}` -->");
    let place = page.find(&begin).and_then(|at| {
        let start = at + begin.len();
        Some((start, start + page[start..].find(END)?))
    });
    let Some((start, end)) = place else {
        bail!("the page needs the lines\n{begin}\n{END}\nbetween which the table goes");
    };
    Ok(format!("{}\n\n{}\n\n{}", &page[..start], text.trim(), &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_replaces_only_what_is_between_its_lines() {
        let [a, b] =
            ["a", "b"].map(|task| format!("<!-- written by `cargo xtask bench {task}` -->"));
        let page = format!("{a}\nold a\n{END}\nbetween\n{b}\nold b\n{END}\nafter\n");
        let once = insert(&page, "b", "new\n").expect("a place");
        assert_eq!(once, format!("{a}\nold a\n{END}\nbetween\n{b}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(insert(&once, "b", "new").expect("a place"), once);
        assert!(insert(&page, "c", "new").is_err());
        assert!(insert(&format!("{END}\n{a}"), "a", "new").is_err());
    }
}
