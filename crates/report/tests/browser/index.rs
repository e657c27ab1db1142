//! The index of many pictures: looked at, and used with the keyboard alone.

use std::{fs, time::Duration};

use hsets_browser::Browser;

use crate::{keep, page, sample};

#[test]
fn entries_are_reached_and_opened_with_the_keyboard() {
    let Some(browser) = Browser::start() else { return };
    let index = page("index-keyboard.html", &sample::index());
    let second = index.with_file_name("picture-2");
    fs::create_dir_all(&second).unwrap();
    fs::write(second.join("explanation.html"), "<!doctype html><title>the second</title>").unwrap();
    browser.open(&index);
    browser.press(&["Tab", "Tab"]);
    let focused = browser.run(
        "const e = document.activeElement; const box = e.getBoundingClientRect(); return [
           e.getAttribute('href'), getComputedStyle(e).outlineStyle, e.innerText.trim(),
           e.closest('main nav[aria-label]') !== null, box.top >= 0 && box.bottom <= innerHeight]",
    );
    let expected = "picture-2.png\na \"class\" & its <name>";
    let expected = serde_json::json!(["picture-2/explanation.html", "solid", expected, true, true]);
    assert_eq!(focused, expected);
    keep("index-focus.png", &browser.screenshot());
    browser.press(&["Enter"]);
    let is_open = || {
        std::thread::sleep(Duration::from_millis(50));
        browser.run("return document.title") == "the second"
    };
    assert!((0..200).any(|_| is_open()), "Enter must open the page");
}

#[test]
fn thumbnails_are_small_and_seen() {
    let Some(browser) = Browser::start() else { return };
    browser.open(&page("index-thumbnails.html", &sample::index()));
    let sizes = browser.run(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight,
           i.width, i.src.length])",
    );
    for size in sizes.as_array().unwrap() {
        let [width, height, shown, bytes] = [1, 2, 3, 4].map(|at| size[at].as_u64().unwrap());
        assert!(size[0] == true && (144..288).contains(&width.max(height)), "{size}");
        assert!((96..=384).contains(&shown) && bytes < 60_000, "{size}");
    }
    assert_eq!(sizes.as_array().unwrap().len(), sample::N_ENTRIES);
}
