//! Files that are often taken for weights.

/// What a file is, if it is a known kind that holds no weights this program reads, and what to do.
pub(crate) fn kind(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |start: &str| {
        text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    if bytes.is_empty() {
        Some("is empty")
    } else if begins("version https://git-lfs") {
        Some("is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository")
    } else if begins("<!doctype") || begins("<html") || begins("<?xml") {
        Some("is a web page, not the file itself: download it by its direct link")
    } else if bytes.starts_with(b"\x89HDF\r\n") {
        Some("is an HDF5 file (Keras): convert it to .safetensors")
    } else if bytes.starts_with(b"\x93NUMPY") {
        Some("is a NumPy array, not the weights of a network")
    } else if bytes.starts_with(b"\x1f\x8b") {
        Some("is compressed by gzip: unpack it first")
    } else if bytes.starts_with(b"GGUF") {
        Some("is a GGUF file: get the .safetensors it was made from")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
        assert!(kind(pointer).unwrap().contains("git lfs pull"));
        for page in ["<!DOCTYPE html>", "\n <html lang=en>", "\u{feff}<HTML>"] {
            assert!(kind(page.as_bytes()).unwrap().contains("web page"), "{page}");
        }
        assert_eq!(kind(b"PK\x03\x04"), None);
        assert_eq!(kind(b"\x80\x02"), None);
    }
}
