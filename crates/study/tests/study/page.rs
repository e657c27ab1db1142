//! Whether a page is well-formed: every element is closed, in order.

/// Elements without an end.
const VOID: [&str; 6] = ["meta", "link", "img", "br", "hr", "input"];

/// What is wrong with the nesting of a page, if anything is.
pub(crate) fn fault(html: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        let end = rest.find('>')?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next()?;
        if let Some(closed) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == closed => {}
                last => return Some(format!("</{closed}> closes {last:?}")),
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
            // What is inside is no markup.
            if ["script", "style"].contains(&name) {
                rest = &rest[rest.find(&format!("</{name}>"))?..];
            }
        }
    }
    (!open.is_empty()).then(|| format!("never closed: {open:?}"))
}

#[test]
fn faults_are_found() {
    assert_eq!(fault("<!doctype html><p>a<br>b</p><script>1<2</script><rect/>"), None);
    assert!(fault("<p><b></p></b>").unwrap().contains("</p>"));
    assert!(fault("<main><p></p>").unwrap().contains("main"));
}
