//! Pairs of regions, and the ranking where none is claimed.

use hsets_browser::Browser;
use hsets_report::html::image_page;

use crate::{keep, page, sample};

/// Opens the sample with a pair that is claimed, or with none.
fn open(name: &str, claim: bool) -> Option<Browser> {
    let browser = Browser::start()?;
    browser.open(&page(name, &image_page(&sample::Sample::new().contrasted(claim)).unwrap()));
    Some(browser)
}

/// A number of the page.
fn number(browser: &Browser, script: &str) -> i64 {
    browser.run(script).as_i64().unwrap_or(-1)
}

fn text(browser: &Browser, selector: &str) -> String {
    let script = format!("return document.querySelector('{selector}').innerText");
    browser.run(&script).as_str().unwrap().to_owned()
}

#[test]
fn a_claim_comes_first_with_its_contrast_and_its_references() {
    let Some(browser) = open("claim.html", true) else { return };
    keep("page-claim.png", &browser.screenshot());
    let order = "return [...document.querySelectorAll('h2')].map(e => e.id).filter(id => \
                 ['pairs', 'ranking'].includes(id)).join(' ')";
    assert_eq!(browser.run(order), "pairs ranking");
    let verdict = text(&browser, ".verdict");
    assert!(verdict.contains("One pair of regions acts together"), "{verdict}");
    assert!(verdict.contains("depends on what is shown"), "{verdict}");
    // The contrast of the first pair is there before anything is pointed at.
    let detail = text(&browser, ".detail");
    for part in ["14.2", "9.1", "8.8", "8.6", "3.7", "Depends on the reference", "zero -0.40"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    let shown = "return [...document.querySelectorAll('.detail')].map(e => \
                 getComputedStyle(e).display).join(' ')";
    assert_eq!(browser.run(shown), "block none");
}

#[test]
fn a_pair_lights_both_regions() {
    let Some(browser) = open("lit.html", true) else { return };
    let lit = |browser: &Browser| {
        browser.run(
            "return [...document.querySelectorAll('.pair')].filter(e => \
             getComputedStyle(e).opacity === '1').map(e => e.dataset.set).join(' ')",
        )
    };
    // Pairs that are not claimed are seen only when they are asked for.
    assert_eq!(lit(&browser), "1");
    browser.point(browser.middle(".sets li:nth-child(2) button"), false);
    assert_eq!(lit(&browser), "2");
    keep("page-claim-pair-2.png", &browser.screenshot());
    let shown = "return [...document.querySelectorAll('.detail')].map(e => \
                 getComputedStyle(e).display).join(' ')";
    assert_eq!(browser.run(shown), "none block");
    // One path holds both regions, and a line joins them.
    let rounds =
        "return document.querySelector('.pair.on .region').getAttribute('d').split('M').length - 1";
    assert_eq!(number(&browser, rounds), 2);
    assert_eq!(number(&browser, "return document.querySelectorAll('.pair.on .link').length"), 2);
    // What is not claimed is dashed: nothing is told by colour alone.
    let dashes =
        "return getComputedStyle(document.querySelector('.pair.weak .link')).strokeDasharray";
    assert_ne!(browser.run(dashes), "none");
}

#[test]
fn without_a_claim_the_ranking_and_the_matrix_come_first() {
    let Some(browser) = open("none.html", false) else { return };
    keep("page-none.png", &browser.screenshot());
    assert!(text(&browser, ".verdict").starts_with("No interaction found."));
    let order = "return [...document.querySelectorAll('h2')].map(e => e.id).filter(id => \
                 ['pairs', 'ranking'].includes(id)).join(' ')";
    assert_eq!(browser.run(order), "ranking pairs");
    assert!(text(&browser, ".sets li:nth-child(2)").contains("-1.0"));
    let idle = text(&browser, ".reading");
    assert!(idle.contains("Point at a cell"), "{idle}");
    // A cell lights its two segments and says what they do.
    browser.point(browser.middle(".matrix tbody tr:nth-child(3) td:nth-child(2) button"), false);
    let lit = "return [...document.querySelectorAll('.explorer .set.on')].map(e => e.dataset.set).sort().join(' ')";
    assert_eq!(browser.run(lit), "1 4");
    let reading = text(&browser, ".reading");
    assert!(reading.starts_with("Segments 1 and 4: +0.5"), "{reading}");
    keep("page-none-cell.png", &browser.screenshot());
    browser.point((2.0, 2.0), false);
    assert_eq!(text(&browser, ".reading"), idle);
}

#[test]
fn the_matrix_needs_no_mouse() {
    let Some(browser) = open("matrix.html", false) else { return };
    browser.run("document.querySelector('.matrix button').focus()");
    let at = |browser: &Browser| browser.run("return document.activeElement.dataset.lights");
    assert_eq!(at(&browser), "1 2");
    browser.press(&["ArrowDown"]);
    assert_eq!(at(&browser), "1 3");
    browser.press(&["ArrowRight"]);
    assert_eq!(at(&browser), "2 3");
    browser.press(&["End"]);
    assert_eq!(at(&browser), "3 4");
    browser.press(&["Enter"]);
    let kept = "return document.querySelector('.matrix button[aria-pressed=true]').dataset.lights";
    assert_eq!(browser.run(kept), "3 4");
    assert!(text(&browser, ".reading").starts_with("Segments 3 and 4"));
    let reachable = "return document.querySelectorAll('.matrix button[tabindex=\"0\"]').length";
    assert_eq!(number(&browser, reachable), 1);
    browser.press(&["Escape"]);
    assert_eq!(number(&browser, "return document.querySelectorAll('.lit').length"), 0);
}
