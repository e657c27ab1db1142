//! The only place that prints.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use hsets_pipeline::core::Error;

/// The first error of writing results, other than that nobody reads them.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// A line of results. A reader that has gone (`| head`) is no error; any other is told by
/// [`check`].
pub(crate) fn say(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{}", harmless(line))
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Fails once if results could not be written.
pub(crate) fn check() -> anyhow::Result<()> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    failed.map_or(Ok(()), |error| Err(anyhow::anyhow!("cannot write the results: {error}")))
}

/// An error, on one line, also where the name of a file has several.
pub(crate) fn complain(line: &str) {
    let line = harmless(line).replace('\n', "\\u000a");
    let _ = writeln!(io::stderr().lock(), "hsets: {line}");
}

/// Text for a terminal. Names of files and classes come from anywhere: what would steer the
/// terminal, or turn the direction of writing, is written as JSON escapes it.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_harmful) {
        return text.into();
    }
    let escaped = |c: char| {
        if is_harmful(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }
    };
    text.chars().map(escaped).collect::<String>().into()
}

/// Fails if writing to `out` would destroy one of the files that are read.
pub(crate) fn keep_inputs<'a>(
    out: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Error> {
    let Ok(same) = out.canonicalize() else { return Ok(()) };
    let is_read = |input: &&Path| {
        input.canonicalize().is_ok_and(|input| input == same) || is_hard_link(input, out)
    };
    match inputs.into_iter().find(is_read) {
        Some(input) => {
            let why = format!("another file than {}, which is read", input.display());
            Err(Error::config("out", out.display(), why))
        }
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_hard_link(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    place(a).is_some() && place(a) == place(b)
}

#[cfg(not(unix))]
fn is_hard_link(_: &Path, _: &Path) -> bool {
    false
}

/// A number with as many digits as a person reads: three that count.
pub(crate) fn short(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (2 - digits).clamp(0, 6) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        assert_eq!(short(12.345), "12.3");
        assert_eq!(short(0.012_345), "0.0123");
        assert_eq!(short(-1234.5), "-1234");
        assert_eq!(short(0.0), "0.00");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\u{9b}c\u{7f}"), "a\\u001b[31mb\\u009bc\\u007f");
        assert_eq!(harmless("cat\u{202e}gpj.exe"), "cat\\u202egpj.exe");
        assert_eq!(harmless("häßlich\n\t日本"), "häßlich\n\t日本");
        // JSON stays what it says.
        let line = serde_json::json!({ "label": "a\u{202e}b\u{1b}" }).to_string();
        let read: serde_json::Value = serde_json::from_str(&harmless(&line)).unwrap();
        assert_eq!(read["label"], "a\u{202e}b\u{1b}");
    }

    #[test]
    fn files_that_are_read_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, "a").unwrap();
        assert!(keep_inputs(&b, [a.as_path()]).is_ok());
        std::fs::hard_link(&a, &b).unwrap();
        for (out, input) in [(&a, &a), (&b, &a), (&folder.path().join("./a"), &b)] {
            let error = keep_inputs(out, [input.as_path()]).unwrap_err().to_string();
            assert!(error.contains("which is read"), "{error}");
        }
    }
}
