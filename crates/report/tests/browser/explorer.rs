//! Sets light up.

use hsets_report::html::image_page;

use hsets_browser::Browser;

use crate::{keep, page, sample};

/// Opens the sample's page.
fn open(name: &str) -> Option<Browser> {
    let browser = Browser::start()?;
    browser.open(&page(name, &image_page(&sample::Sample::new().report()).unwrap()));
    Some(browser)
}

/// Numbers of the sets that can be seen in the picture.
fn visible(browser: &Browser) -> Vec<u64> {
    let found = browser.run(
        "return [...document.querySelectorAll('.picture .set')]
           .filter(e => getComputedStyle(e).opacity === '1').map(e => Number(e.dataset.set)).sort()",
    );
    found.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
}

fn kept(browser: &Browser) -> Vec<u64> {
    let found = browser.run(
        "return [...document.querySelectorAll('.sets button[aria-pressed=true]')]
           .map(e => Number(e.dataset.set))",
    );
    found.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
}

fn focused(browser: &Browser) -> Option<u64> {
    browser
        .run("return Number(document.activeElement.dataset.set ?? 0)")
        .as_u64()
        .filter(|n| *n > 0)
}

/// The colour on screen in the middle of a set of the sample.
fn seen(browser: &Browser, rank: usize) -> [u8; 3] {
    let (x, y) = place(browser, rank);
    browser.screenshot().get_pixel(x as u32, y as u32).0
}

/// Where the middle of a set of the sample is on screen.
fn place(browser: &Browser, rank: usize) -> (f64, f64) {
    let frame = browser.run(
        "const b = document.querySelector('.picture').getBoundingClientRect();
         return [b.x, b.y, b.width / document.querySelector('.picture').viewBox.baseVal.width]",
    );
    let [x, y, scale] = [0, 1, 2].map(|i| frame[i].as_f64().unwrap());
    let (px, py) = sample::MIDDLES[rank];
    (x + scale * px, y + scale * py)
}

/// How much of a set's colour there is: 0 for grey.
fn colourfulness(color: [u8; 3]) -> u8 {
    color.iter().max().unwrap() - color.iter().min().unwrap()
}

#[test]
fn a_set_lights_up_when_pointed_at() {
    let Some(browser) = open("pointed.html") else { return };
    assert_eq!(visible(&browser), [1, 2, 3]);
    let all = browser.screenshot();
    keep("page-light.png", &all);
    let before = [0, 1, 2].map(|rank| seen(&browser, rank));
    assert!(before.iter().all(|color| colourfulness(*color) > 40), "{before:?}");

    // In the picture.
    browser.point(place(&browser, 1), false);
    assert_eq!(visible(&browser), [2]);
    keep("page-light-set-2.png", &browser.screenshot());
    let after = [0, 1, 2].map(|rank| seen(&browser, rank));
    assert!(colourfulness(after[1]) > 40, "{after:?}");
    assert!(colourfulness(after[0]) < 8 && colourfulness(after[2]) < 8, "{after:?}");

    // In the list.
    browser.point(browser.middle(".sets li:nth-child(3) button"), false);
    assert_eq!(visible(&browser), [3]);
    // Nowhere.
    browser.point((2.0, 2.0), false);
    assert_eq!(visible(&browser), [1, 2, 3]);
    assert_eq!(browser.screenshot(), all);
}

#[test]
fn a_click_keeps_a_set_and_another_lets_it_go() {
    let Some(browser) = open("clicked.html") else { return };
    browser.point(place(&browser, 0), true);
    browser.point((2.0, 2.0), false);
    assert_eq!((visible(&browser), kept(&browser)), (vec![1], vec![1]));
    // Another one is shown for as long as it is pointed at.
    browser.point(place(&browser, 2), false);
    assert_eq!((visible(&browser), kept(&browser)), (vec![3], vec![1]));
    browser.point((2.0, 2.0), false);
    assert_eq!(visible(&browser), [1]);
    browser.point(place(&browser, 0), true);
    browser.point((2.0, 2.0), false);
    assert_eq!((visible(&browser), kept(&browser)), (vec![1, 2, 3], vec![]));
}

#[test]
fn the_keyboard_is_enough() {
    let Some(browser) = open("keyboard.html") else { return };
    // The choice of views comes first, then the sets in the order of their ranks.
    browser.press(&["Tab", "Tab"]);
    assert_eq!((focused(&browser), visible(&browser)), (Some(1), vec![1]));
    browser.press(&["Tab"]);
    assert_eq!((focused(&browser), visible(&browser)), (Some(2), vec![2]));
    browser.press(&["ArrowDown"]);
    assert_eq!((focused(&browser), visible(&browser)), (Some(3), vec![3]));
    browser.press(&["Home"]);
    assert_eq!((focused(&browser), visible(&browser)), (Some(1), vec![1]));
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "focus must be seen");
    keep("page-focus.png", &browser.screenshot());

    browser.press(&["Enter"]);
    assert_eq!(kept(&browser), [1]);
    browser.press(&["End"]);
    assert_eq!((focused(&browser), visible(&browser), kept(&browser)), (Some(3), vec![3], vec![1]));
    browser.press(&["Escape"]);
    assert_eq!((visible(&browser), kept(&browser)), (vec![1, 2, 3], vec![]));
}

#[test]
fn the_views_show_what_they_say() {
    let Some(browser) = open("views.html") else { return };
    let parts = |browser: &Browser| {
        let parts = "return ['.set', '.heat', '.borders', '.true'].map(s => \
                     getComputedStyle(document.querySelector('.picture ' + s)).opacity).join('')";
        browser.run(parts).as_str().unwrap().to_owned()
    };
    assert_eq!(parts(&browser), "1000");
    for (view, expected) in [("heat", "0100"), ("segments", "0011"), ("photo", "0001")] {
        browser.point(browser.middle(&format!("input[value={view}]")), true);
        assert_eq!(parts(&browser), expected, "{view}");
        keep(&format!("page-{view}.png"), &browser.screenshot());
    }
    // A set lights up in every view.
    browser.point(browser.middle(".sets li:nth-child(2) button"), false);
    assert_eq!(visible(&browser), [2]);
    assert_eq!(parts(&browser), "1000".replacen('1', "0", 1), "the first in the picture is set 3");
}
