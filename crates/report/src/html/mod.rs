//! Pages that need no other file and no network.
//!
//! Style, script and pictures are inside, and a content security policy forbids everything else.
//! They follow the reader's wish for light or dark and for less motion, can be used with the
//! keyboard alone, and tell in words what they show.

mod explorer;
mod image_page;
mod index_page;
mod of_metrics;
mod of_record;
mod pairs;
mod picture;
mod ranking;
mod trace;
mod verdict;

pub use image_page::{Curve, ImageReport, Measure, MethodReport, SetReport, image_page};
pub use index_page::{IndexEntry, index_page};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::draw::Palette;

/// Everything but colours.
const STYLE: &str = include_str!("style.css");
/// Sorting of tables.
const PAGE: &str = include_str!("page.js");
/// Lighting up of sets.
const EXPLORER: &str = include_str!("explorer.js");

/// What a page may do: nothing but show what is in it.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'";

/// A page around `body`.
pub(crate) fn shell(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                link rel="icon" href="data:,";
                title { (title) }
                // Ours: nothing that was typed is in them.
                style { (PreEscaped(colors())) (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(PAGE)) (PreEscaped(EXPLORER)) }
            }
        }
    };
    page.into_string()
}

/// The palettes as variables of a style, for light and dark.
pub fn colors() -> String {
    let block = |palette: &Palette| {
        let variables = palette.variables();
        let variable = |(name, rgb): &(String, _)| format!("{name}:{};", hex(*rgb));
        variables.iter().map(variable).collect::<String>()
    };
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme: dark){{:root{{{}}}}}\n",
        block(&Palette::LIGHT),
        block(&Palette::DARK)
    )
}

/// "#rrggbb".
pub(crate) fn hex([r, g, b]: crate::draw::Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A name for anchors: letters and digits of `text`, dashes for all else.
pub(crate) fn slug(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// A PNG as an address.
pub(crate) fn png_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// RFC 4648, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| chunk.get(i).copied().map_or(0, u32::from));
        let word = a << 16 | b << 8 | c;
        for digit in 0..4 {
            if digit <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * digit)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_standard() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, encoded) in pairs {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn anchors_have_no_spaces() {
        assert_eq!(slug("ROAD, most relevant first (%)"), "road-most-relevant-first");
    }

    #[test]
    fn colours_of_the_style_are_those_of_the_palettes() {
        let used: Vec<&str> = STYLE.split("var(").skip(1).collect();
        let known = Palette::LIGHT.variables();
        for name in used.iter().filter_map(|rest| rest.split(')').next()) {
            // These are given by each set.
            let is_own = ["--set", "--on-set", "--share"].contains(&name);
            assert!(is_own || known.iter().any(|k| k.0 == name), "{name} is not defined");
        }
        let inside = |part: &str| !STYLE.contains(part);
        assert!(inside("#") && inside("rgb("), "colours belong to the palette");
    }
}
