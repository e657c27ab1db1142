//! Names of results.

use std::path::Path;

/// Longest name in bytes: systems take 255, and an ending and a number come to it.
const LONGEST: usize = 200;

/// Names that Windows keeps for itself, with or without an ending.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The page that lists results lies beside them.
const INDEX: &str = "index.html";

/// The name of a file without its ending, to name results by: one part of a path, whatever it is
/// asked about. `folder.join(name_of(path))` lies in `folder`, and is not hidden.
pub fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let plain = |c: char| {
        let is_special =
            c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
        if is_special { '_' } else { c }
    };
    let name: String = stem.chars().map(plain).collect();
    // Windows drops points and spaces at the end; at the beginning a point hides a file.
    let name = name.trim_end_matches(['.', ' ']).trim_start_matches('.');
    let end = (0..=LONGEST.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
    let name = name[..end.unwrap_or(0)].trim_end_matches(['.', ' ']);
    let first = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_device = RESERVED.contains(&device) && first.len() <= device.len() + 1;
    let is_index = name.eq_ignore_ascii_case(INDEX);
    match name {
        "" => "unnamed".to_owned(),
        _ if is_device || is_index => format!("{name}_"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Component;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for (path, name) in [
            ("a/cat.jpg", "cat"),
            ("...png", "unnamed"),
            ("..png", "unnamed"),
            ("..", "unnamed"),
            ("/", "_"),
            ("", "unnamed"),
            (".cat.png", "cat"),
            (".hsets-x.png", "hsets-x"),
            ("a\\..\\b.png", "a_.._b"),
            ("C:evil.png", "C_evil"),
            ("a\u{1b}[2J.png", "a_[2J"),
            ("nul.png", "nul_"),
            ("com1.png", "com1_"),
            ("comet.png", "comet"),
            ("trailing. .png", "trailing"),
            ("Index.html.png", "Index.html_"),
            ("é/ü.tar.gz", "ü.tar"),
        ] {
            let found = name_of(Path::new(path));
            assert_eq!(found, name, "{path:?}");
            let joined = Path::new("out").join(&found);
            let parts: Vec<Component<'_>> = joined.components().collect();
            assert!(parts.len() == 2 && matches!(parts[1], Component::Normal(_)), "{path:?}");
        }
        let long = "ü".repeat(300);
        assert!(name_of(Path::new(&long)).len() <= LONGEST);
    }
}
