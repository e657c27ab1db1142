//! Pages can be read by everybody: structure, words, contrast, small windows, no network.

use hsets_report::html::image_page;

use hsets_browser::Browser;

use crate::{keep, page, sample};

/// All kinds of pages.
fn pages() -> [(&'static str, String); 5] {
    let image = image_page(&sample::Sample::new().report()).unwrap();
    let contrasts = |claim| image_page(&sample::Sample::new().contrasted(claim)).unwrap();
    let run = sample::document().html().unwrap();
    [
        ("image.html", image),
        ("pairs.html", contrasts(true)),
        ("ranking.html", contrasts(false)),
        ("run.html", run),
        ("index.html", sample::index()),
    ]
}

/// Faults of the structure, in words.
const STRUCTURE: &str = r#"
const faults = [];
const expect = (ok, what) => { if (!ok) faults.push(what); };
const all = (selector) => [...document.querySelectorAll(selector)];
const words = (e) => (e?.textContent ?? "").trim();
expect(document.documentElement.lang === "en", "no language");
expect(document.title !== "", "no title");
expect(all("h1").length === 1, "not one h1");
expect(all("main").length === 1, "not one main");
let level = 0;
for (const head of all("h1, h2, h3, h4, h5, h6")) {
  const own = Number(head.tagName[1]);
  expect(own <= level + 1, `h${own} after h${level}`);
  expect(words(head) !== "", "an empty heading");
  level = own;
}
const ids = all("[id]").map(e => e.id);
expect(new Set(ids).size === ids.length, "ids twice: " + ids.filter((id, i) => ids.indexOf(id) < i));
for (const e of all("img")) expect(e.alt !== "", "img without alt");
for (const e of all("svg:not([aria-hidden])")) {
  expect(e.getAttribute("role") === "img", "svg without role");
  expect(words(e.querySelector("title")) !== "", "svg without title");
  expect(words(e.querySelector("desc")) !== "", "svg without desc");
}
for (const e of all("[aria-labelledby]"))
  for (const id of e.getAttribute("aria-labelledby").split(" "))
    expect(words(document.getElementById(id)) !== "", "nothing named " + id);
for (const e of all("a, button, summary")) expect(words(e) !== "" || e.querySelector("img"), "a control without words");
for (const e of all("a[href^='#']")) expect(document.getElementById(e.hash.slice(1)), "a link to nothing: " + e.hash);
for (const e of all("input")) expect(words(e.closest("label")) !== "", "an input without label");
for (const e of all("table")) expect(e.querySelector("thead th") && (e.caption || e.closest("details")), "a table without heads");
// Within a grid the arrow keys move on.
for (const e of all("button, a, summary, input, [tabindex='0']"))
  expect(e.tabIndex >= 0 || e.closest("[role=grid]"), "out of the tab order");
return faults;
"#;

/// Texts whose contrast to what is behind them is too low (WCAG 2.2, AA).
const CONTRAST: &str = r#"
const channels = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const color = channels(getComputedStyle(e).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const faults = [];
let seen = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (walk.currentNode.textContent.trim() === "" || e.closest("title, desc, script, .unseen, .badge")) continue;
  const style = getComputedStyle(e);
  const color = channels(e instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [luminance(color), luminance(behind(e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  seen += 1;
  if (contrast < 4.5) faults.push(`${contrast.toFixed(2)}: ${walk.currentNode.textContent}`);
}
if (seen < 50) faults.push(`only ${seen} texts were seen`);
return faults;
"#;

fn faults(browser: &Browser, script: &str) -> Vec<String> {
    let found = browser.run(script);
    found.as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn structure_is_sound() {
    let Some(browser) = Browser::start() else { return };
    for (name, html) in pages() {
        browser.open(&page(&format!("structure-{name}"), &html));
        assert_eq!(faults(&browser, STRUCTURE), [""; 0], "{name}");
    }
}

#[test]
fn text_can_be_read_in_light_and_in_dark() {
    let Some(browser) = Browser::start() else { return };
    for (name, html) in pages() {
        browser.open(&page(&format!("contrast-{name}"), &html));
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)");
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            let background =
                browser.run("return getComputedStyle(document.documentElement).backgroundColor");
            let is_dark = background != "rgb(255, 255, 255)";
            assert_eq!(is_dark, scheme == "dark", "{background}");
            assert_eq!(faults(&browser, CONTRAST), [""; 0], "{name}, {scheme}");
            keep(&format!("{name}-{scheme}.png"), &browser.screenshot());
        }
    }
}

#[test]
fn narrow_windows_need_no_sideways_scrolling() {
    let Some(browser) = Browser::start() else { return };
    browser.size(400, 900);
    for (name, html) in pages() {
        browser.open(&page(&format!("narrow-{name}"), &html));
        let excess = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert_eq!(excess, 0, "{name}");
        keep(&format!("{name}-narrow.png"), &browser.screenshot());
    }
}

#[test]
fn assistive_technology_is_told_everything() {
    let Some(browser) = Browser::start() else { return };
    let [(name, html), ..] = pages();
    browser.open(&page(&format!("spoken-{name}"), &html));
    let spoken = browser.spoken();
    let has = |role: &str, part: &str| {
        assert!(
            spoken.iter().any(|(r, name)| r == role && name.contains(part)),
            "no {role} with {part:?} in {spoken:#?}"
        );
    };
    has("button", "Set 1 , score 3.00 ± 0.10 , 64 pixels, upper left");
    has(
        "image",
        "The photo with the sets of hsets Set 1: score 3.00 ± 0.10, 64 pixels, upper left.",
    );
    has("image", "Saliency map of ig over the photo in grey.");
    has("columnheader", "Gini");
    has("radio", "segments");
}

#[test]
fn nothing_is_fetched_and_nothing_goes_wrong() {
    let Some(browser) = Browser::start() else { return };
    for (name, html) in pages() {
        let path = page(&format!("quiet-{name}"), &html);
        browser.open(&path);
        browser.press(&["Tab", "Tab", "Tab", "Enter", "Escape"]);
        let requests = browser.requests(&path);
        let own = format!("file://{}", path.display());
        let is_foreign = |url: &&String| !url.starts_with("data:") && **url != own;
        let foreign: Vec<&String> = requests.iter().filter(is_foreign).collect();
        assert_eq!(foreign, [""; 0], "{name}");
        assert!(!requests.is_empty(), "the page itself is a request");
        assert_eq!(browser.complaints(), [""; 0], "{name}");
        assert!(!html.contains("http://") && !html.contains("https://"), "{name}");
        assert!(html.len() < 2_000_000, "{name}: {} bytes", html.len());
    }
}
