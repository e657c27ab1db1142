//! The page, compiled into the program.

/// Content types and contents, by their addresses.
pub(crate) const ASSETS: [(&str, &str, &str); 4] = [
    ("", "text/html; charset=utf-8", include_str!("../assets/page.html")),
    ("explorer.css", "text/css; charset=utf-8", include_str!("../assets/explorer.css")),
    ("explorer.js", "text/javascript; charset=utf-8", include_str!("../assets/explorer.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// What a page of ours may do: load its own parts, draw, ask. Nothing inline, nothing from
/// elsewhere.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_its_own_parts_only_by_relative_addresses() {
        let [(.., page), _, (.., script), _] = ASSETS;
        for attribute in ["src=\"", "href=\""] {
            for address in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                let known =
                    ASSETS.iter().any(|(name, ..)| *name == address) || address == "colors.css";
                assert!(known || address.starts_with('#'), "{address}");
            }
        }
        for inline in ["<style", "style=\"", "onclick", "onload", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
        assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
        assert!(!script.contains("innerHTML") && !script.contains("eval("), "markup from text");
        assert!(!script.contains("fetch(\"/"), "an absolute address");
    }
}
