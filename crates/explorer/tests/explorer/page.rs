//! The page in a browser: clicked, drawn on, used with the keyboard, looked at.

use std::path::PathBuf;

use hsets_browser::Browser;
use image::RgbImage;
use serde_json::Value;

use crate::support::{Running, SIDE, options, scene};

/// A server with an explorer opened in a browser.
pub(crate) struct Opened {
    pub(crate) browser: Browser,
    pub(crate) server: Running,
}

impl Opened {
    pub(crate) fn start() -> Option<Self> {
        Self::with(Running::start())
    }

    fn with(server: Running) -> Option<Self> {
        let browser = Browser::start()?;
        browser.size(1400, 900);
        let opened = Self { browser, server };
        opened.go("");
        Some(opened)
    }

    pub(crate) fn go(&self, hash: &str) {
        // A new document, so that nothing is left of the one before.
        self.browser.go("about:blank");
        self.browser.go(&format!("{}{hash}", self.server.url));
        self.browser.wait_for("return document.documentElement.dataset.ready && labels !== null");
        self.settle();
    }

    /// Until nothing is asked for any more.
    pub(crate) fn settle(&self) {
        self.browser
            .wait_for("return Object.values(knowing).every(one => !one.waiting) && painting === 0");
        self.browser.run("paintNow()");
    }

    /// Where a pixel of the picture is in the window.
    pub(crate) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let found = self.browser.run(&format!(
            "const b = document.getElementById('canvas').getBoundingClientRect();\
             return [b.x + {x} / {SIDE} * b.width, b.y + {y} / {SIDE} * b.height];"
        ));
        (found[0].as_f64().unwrap(), found[1].as_f64().unwrap())
    }

    pub(crate) fn click(&self, x: f64, y: f64) {
        self.browser.point(self.place(x, y), true);
        self.settle();
    }

    fn press(&self, id: &str) {
        self.browser.point(self.browser.middle(id), true);
        self.settle();
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self
            .browser
            .run(&format!("return document.querySelector({selector:?})?.innerText ?? ''"));
        found.as_str().unwrap().to_owned()
    }

    fn number(&self, script: &str) -> f64 {
        self.browser.run(script).as_f64().unwrap_or_else(|| panic!("no number: {script}"))
    }

    fn state(&self, name: &str) -> Value {
        self.browser.run(&format!("return state.{name}"))
    }

    /// Mean colour of the screen around a pixel of the picture.
    fn color(&self, screen: &RgbImage, x: f64, y: f64) -> [f64; 3] {
        let (cx, cy) = self.place(x, y);
        let mut sum = [0.0; 3];
        for dy in -1..=1 {
            for dx in -1..=1 {
                let pixel = screen.get_pixel((cx as i64 + dx) as u32, (cy as i64 + dy) as u32);
                (0..3).for_each(|c| sum[c] += f64::from(pixel.0[c]) / 9.0);
            }
        }
        sum
    }

    pub(crate) fn keep(&self, name: &str) -> RgbImage {
        let screen = self.browser.screenshot();
        screen.save(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap();
        screen
    }
}

/// The middle of a hand.
fn middle(part: usize) -> (f64, f64) {
    let pixels: Vec<usize> = scene().parts[part].mask.pixels().collect();
    let mean = |coordinate: &dyn Fn(usize) -> usize| {
        pixels.iter().map(|&p| coordinate(p) as f64 + 0.5).sum::<f64>() / pixels.len() as f64
    };
    (mean(&|p| p % SIDE), mean(&|p| p / SIDE))
}

fn far(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|c| (a[c] - b[c]).abs()).sum()
}

#[test]
fn a_click_lights_up_what_acts_together() {
    let Some(opened) = Opened::start() else { return };
    let before = opened.keep("explorer-start.png");
    assert!(opened.text("#says").contains("orange wins"), "{}", opened.text("#says"));
    let (x, y) = middle(0);
    opened.click(x, y);
    let after = opened.keep("explorer-partners.png");
    assert!(opened.state("focus").as_str().unwrap().starts_with('s'));
    assert!(opened.number("return document.querySelectorAll('.partner').length") >= 2.0);
    // Every pixel shows its number: the lit ones are coloured by their sign, the rest is dim.
    let strongest = opened.browser.run(
        "const map = smooth(found.contrasts.map); let best = 0, least = 0, zero = 0;\
         map.forEach((v, i) => { if (v > map[best]) best = i; if (v < map[least]) least = i; });\
         const flat = [...map.keys()].filter(i => Math.abs(map[i]) < 1e-3 * map[best] && !maskOf(state.focus)[i]\
           && i % 64 > 2 && i % 64 < 61);\
         return [best, least, flat[flat.length >> 1]];",
    );
    let at = |index: usize| {
        let pixel = strongest[index].as_u64().unwrap() as usize;
        ((pixel % SIDE) as f64 + 0.5, (pixel / SIDE) as f64 + 0.5)
    };
    let color = |index: usize| opened.color(&after, at(index).0, at(index).1);
    let [red, _, blue] = color(0);
    assert!(red > blue + 60.0, "synergy is orange: {:?}", color(0));
    let [red, _, blue] = color(1);
    assert!(blue > red + 40.0, "redundancy is blue: {:?}", color(1));
    let dim = color(2);
    let was = opened.color(&before, at(2).0, at(2).1);
    assert!(dim.iter().sum::<f64>() < 0.75 * was.iter().sum::<f64>(), "{dim:?} was {was:?}");
    // What was measured has its interval, what was not claimed says so.
    assert!(opened.text("#partners").contains("± "), "{}", opened.text("#partners"));
    let note = opened.text("#partners-note");
    assert!(note.contains("found") && note.contains("reference ring"), "{note}");
    // The chosen region keeps its colours.
    let anchor = opened.browser.run("return anchor(maskOf(state.focus))");
    let (x, y) = (anchor[0].as_f64().unwrap(), anchor[1].as_f64().unwrap());
    let (same, was) = (opened.color(&after, x, y), opened.color(&before, x, y));
    assert!(far(same, was) < 30.0, "{same:?} was {was:?}");
    assert!(opened.browser.complaints().is_empty(), "{:?}", opened.browser.complaints());
}

#[test]
fn hessian_and_contrasts_side_by_side() {
    let Some(opened) = Opened::start() else { return };
    let (x, y) = middle(0);
    opened.click(x, y);
    opened.browser.run("document.querySelector('#by [value=hessian]').click()");
    opened.settle();
    assert!(
        opened.text("#partners-note").contains("derivative"),
        "{}",
        opened.text("#partners-note")
    );
    assert!(opened.browser.run("return found.contrasts === null") == true);
    opened.browser.run("document.querySelector('#by [value=both]').click()");
    opened.settle();
    let screen = opened.keep("explorer-side-by-side.png");
    // Two pictures, not the same.
    let boxes = opened.browser.run(
        "return ['canvas', 'second'].map(id => { const b = document.getElementById(id).getBoundingClientRect();\
           return [b.x, b.y, b.width]; })",
    );
    let at = |i: usize, j: usize| boxes[i][j].as_f64().unwrap();
    assert!((at(0, 2) - at(1, 2)).abs() < 1.0 && at(1, 0) > at(0, 0) + at(0, 2));
    let side = at(0, 2) as u32;
    let mut n_different = 0;
    for y in (0..side).step_by(3) {
        for x in (0..side).step_by(3) {
            let pixel = |i| screen.get_pixel(at(i, 0) as u32 + x, at(i, 1) as u32 + y).0;
            let (a, b) = (pixel(0), pixel(1));
            n_different += u32::from((0..3).any(|c| a[c].abs_diff(b[c]) > 40));
        }
    }
    assert!(n_different > 100, "{n_different}");
}

#[test]
fn taken_away_together_is_not_the_sum() {
    let Some(opened) = Opened::start() else { return };
    let (first, second) = (middle(0), middle(1));
    opened.browser.run("document.querySelector('#tools [value=spot]').click(); document.getElementById('size').value = 9");
    opened.click(first.0, first.1);
    opened.press("#take");
    opened.click(second.0, second.1);
    opened.press("#take");
    let screen = opened.keep("explorer-taken-away.png");
    let rows = opened.number("return document.querySelectorAll('#effects tbody tr').length");
    assert_eq!(rows, 5.0, "{}", opened.text("#effects"));
    let table = opened.text("#effects");
    assert!(table.contains("if they only added up") && table.contains("interaction"), "{table}");
    // The numbers add up, and they are the server's.
    let numbers = opened.browser.run(
        "const { whole, alone, together } = knowing.without.value;\
         return [alone[0].value - whole.value, alone[1].value - whole.value, together.value - whole.value];",
    );
    let number = |i: usize| numbers[i].as_f64().unwrap();
    let interaction = number(2) - number(0) - number(1);
    let shown = format!("{}{:.2}", if interaction < 0.0 { "−" } else { "+" }, interaction.abs());
    assert!(table.contains(&shown), "{shown} is not in {table}");
    let verdict = opened.text("#verdict");
    let word = if interaction > 0.0 { "Synergy" } else { "Redundancy" };
    assert!(verdict.contains(word) || verdict.contains("add up"), "{verdict}");
    // The picture shows what the network sees now: where the hand was is the ground.
    let ground = opened.color(&screen, 2.5, 2.5);
    opened.press("#back");
    assert_eq!(opened.state("away"), serde_json::json!([]));
    assert!(!opened.text("#panel").contains("if they only added up"));
    let restored = opened.keep("explorer-put-back.png");
    assert!(far(opened.color(&restored, 2.5, 2.5), ground) < 8.0);
    opened.press("#undo");
    assert_eq!(opened.state("away").as_array().unwrap().len(), 2);
    opened.press("#redo");
    assert_eq!(opened.state("away").as_array().unwrap().len(), 0);
}

#[test]
fn regions_are_drawn_by_hand() {
    let Some(opened) = Opened::start() else { return };
    let (x, y) = middle(0);
    opened.browser.run("document.querySelector('#tools [value=brush]').click(); document.getElementById('size').value = 2");
    let line = [(x - 6.0, y), (x, y), (x + 6.0, y)].map(|(x, y)| opened.place(x, y));
    opened.browser.drag(&line);
    opened.settle();
    let area = "return areaOf(maskOf(state.focus))";
    let painted = opened.number(area);
    // A line of 13 pixels, five pixels wide, with round ends.
    assert!((60.0..95.0).contains(&painted), "{painted}");
    assert!(opened.number("return document.querySelectorAll('.partner').length") >= 1.0);
    opened.browser.run("document.querySelector('#tools [value=lasso]').click()");
    let square = [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0), (10.0, 11.0)];
    opened.browser.drag(&square.map(|(x, y)| opened.place(x + 0.5, y + 0.5)));
    opened.settle();
    let around = opened.number(area);
    assert!((400.0..=460.0).contains(&around), "{around}");
    opened.keep("explorer-lasso.png");
    // It becomes a segment, and is chosen by a click from then on.
    opened.press("#as-segment");
    opened.browser.run("document.querySelector('#tools [value=segment]').click()");
    opened.click(20.0, 20.0);
    assert_eq!(opened.number(area), around);
    assert_eq!(opened.state("edits").as_array().unwrap().len(), 1);
}

#[test]
fn sets_grow_step_by_step() {
    let Some(opened) = Opened::start() else { return };
    let (x, y) = middle(0);
    opened.click(x, y);
    opened.press("#grow");
    let size = "return knowing.grown.value.n_features";
    let first = opened.number(size);
    opened.press("#grow");
    let second = opened.number(size);
    assert!(second >= first, "{first} {second}");
    opened.press("#undo");
    assert_eq!(opened.number(size), first);
    opened.press("#grow-all");
    let all = opened.number(size);
    assert!(all > first && all <= 400.0, "{all}");
    let screen = opened.keep("explorer-grown.png");
    let green = |p: &image::Rgb<u8>| p.0[1] > 200 && p.0[0] < 180 && p.0[2] < 190;
    let n_green = screen.pixels().filter(|p| green(p)).count();
    assert!(n_green > 500, "members are marked: {n_green} pixels");
}

#[test]
fn a_link_opens_the_same_again() {
    let Some(opened) = Opened::start() else { return };
    let ((x, y), (u, v)) = (middle(0), middle(1));
    opened.browser.run("document.querySelector('#tools [value=spot]').click(); document.getElementById('size').value = 6");
    opened.click(x, y);
    opened.press("#take");
    opened.press("#keep");
    opened.click(u, v);
    opened.press("#take");
    let written = opened.browser.run("return written(state)");
    opened.browser.wait_for("return location.hash === '#' + written(state)");
    let effects = opened.text("#effects");
    let before = opened.keep("explorer-link-before.png");
    opened.go(&format!("#{}", written.as_str().unwrap()));
    opened.browser.run("document.querySelector('#tools [value=spot]').click()");
    assert_eq!(opened.text("#effects"), effects);
    opened.browser.point(opened.place(u, v), false);
    opened.browser.point((5.0, 5.0), false);
    let after = opened.keep("explorer-link-after.png");
    // The picture is the same, pixel by pixel.
    let (left, top) = opened.place(1.0, 1.0);
    let (right, bottom) = opened.place(63.0, 63.0);
    let mut n_different = 0;
    for y in top as u32..bottom as u32 {
        for x in left as u32..right as u32 {
            n_different += u32::from(before.get_pixel(x, y) != after.get_pixel(x, y));
        }
    }
    assert_eq!(n_different, 0);
}

#[test]
fn why_a_and_not_b() {
    let Some(opened) = Opened::start() else { return };
    opened.browser.run(
        "const set = (id, text) => { const e = document.getElementById(id); e.value = text; e.dispatchEvent(new Event('change')); };\
         set('class', 'blue wins'); set('against', 'draw');",
    );
    opened.settle();
    assert_eq!((opened.state("class"), opened.state("against")), ("2".into(), "0".into()));
    let (x, y) = middle(1);
    opened.click(x, y);
    opened.press("#take");
    assert!(opened.text("#effects").to_lowercase().contains("difference of logits"));
    opened.browser.run("const e = document.getElementById('against'); e.value = 'nobody'; e.dispatchEvent(new Event('change'));");
    assert!(opened.text("#error").contains("nobody"), "{}", opened.text("#error"));
}

#[test]
fn layers_of_other_methods_and_the_value_under_the_pointer() {
    let Some(opened) = Opened::start() else { return };
    opened.browser.run("const e = document.getElementById('layer'); e.value = 'ig'; e.dispatchEvent(new Event('change'));");
    opened.settle();
    opened.browser.point(opened.place(20.5, 30.5), false);
    let under = opened.text("#under");
    assert!(
        under.contains("x 20, y 30") && under.contains("ig ") && under.contains("rgb"),
        "{under}"
    );
    let shown = opened.browser.run("return short(knowing.layer.value.values[30 * 64 + 20])");
    assert!(under.contains(shown.as_str().unwrap()), "{under}: {shown}");
    let screen = opened.keep("explorer-ig.png");
    let strongest = opened.number(
        "const v = knowing.layer.value.values; return v.reduce((b, x, i) => x > v[b] ? i : b, 0)",
    ) as usize;
    let [red, _, blue] =
        opened.color(&screen, (strongest % SIDE) as f64 + 0.5, (strongest / SIDE) as f64 + 0.5);
    assert!(red > blue + 60.0);
    // Zoom keeps the pixel under the pointer where it is.
    opened.browser.run("view.by(4, 20.5, 30.5)");
    opened.settle();
    opened.browser.point(opened.place(20.5, 30.5), false);
    assert!(opened.text("#under").contains("x 20, y 30"), "{}", opened.text("#under"));
}

#[test]
fn who_waits_is_told_so() {
    let Some(opened) = Opened::start() else { return };
    let choose = |layer: &str| {
        opened.browser.run(&format!(
            "const e = document.getElementById('layer'); e.value = '{layer}'; e.dispatchEvent(new Event('change'));"
        ));
    };
    // Many seconds of work.
    choose("moxi");
    opened.browser.wait_for("return !document.getElementById('progress').hidden");
    assert_ne!(opened.text("#progress-text"), "");
    choose("photo");
    opened.settle();
    assert!(opened.browser.run("return document.getElementById('progress').hidden") == true);
    // At once, before any answer.
    opened.browser.run("go({ focus: 's' + labels[0] })");
    assert_ne!(opened.text("#partners-note"), "");
}

#[test]
fn everything_by_keyboard() {
    let Some(opened) = Opened::start() else { return };
    opened.browser.run("document.getElementById('canvas').focus()");
    // The first arrow shows the cross in the middle, the others move it.
    opened.browser.press(&["ArrowLeft", "ArrowLeft", "ArrowUp", "Enter"]);
    opened.settle();
    let expected = opened.browser.run("return 's' + labels[31 * 64 + 31]");
    assert_eq!(opened.state("focus"), expected);
    let spoken = opened.text("#spoken");
    assert!(spoken.contains("segment") && spoken.contains("partner"), "{spoken}");
    opened.browser.press(&["t"]);
    opened.settle();
    assert_eq!(opened.state("away"), serde_json::json!([expected]));
    opened.browser.press(&["1"]);
    opened.settle();
    assert_ne!(opened.state("focus"), expected);
    opened.browser.press(&["t", "k"]);
    opened.settle();
    assert_eq!(opened.state("away").as_array().unwrap().len(), 2);
    assert_eq!(opened.state("kept").as_array().unwrap().len(), 1);
    opened.browser.press(&["u", "u"]);
    opened.settle();
    assert_eq!(opened.state("away").as_array().unwrap().len(), 1);
    opened.browser.press(&["y", "y", "r"]);
    opened.settle();
    assert_eq!(opened.state("away"), serde_json::json!([]));
    // The pen is put down and lifted with Enter.
    opened.browser.press(&["b", "ArrowRight", "Enter", "ArrowRight", "ArrowRight", "Enter"]);
    opened.settle();
    assert!(opened.state("focus").as_str().unwrap().starts_with('m'));
    opened.browser.press(&["Escape"]);
    opened.settle();
    assert_eq!(opened.state("focus"), "");
    // Shortcuts can be turned off.
    opened.browser.press(&["?"]);
    opened.browser.wait_for("return document.getElementById('help-dialog').open");
    opened.browser.run("document.getElementById('shortcuts').click()");
    opened.browser.press(&["Escape", "u"]);
    opened.settle();
    assert_eq!(opened.state("focus"), "");
    // Tab reaches every control, and the focus can be seen.
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..60 {
        opened.browser.press(&["Tab"]);
        let id =
            opened.browser.run("return document.activeElement.id || document.activeElement.name");
        reached.insert(id.as_str().unwrap_or_default().to_owned());
    }
    for id in
        ["class", "against", "segmenter", "tool", "layer", "canvas", "zoom-in", "link", "help"]
    {
        assert!(reached.contains(id), "{id} is not reached: {reached:?}");
    }
}

#[test]
fn what_is_saved_is_what_explain_writes() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("saved");
    let server = Running::with(hsets_explorer::Options { out: folder.clone(), ..options() });
    let Some(opened) = Opened::with(server) else { return };
    opened.browser.run("document.querySelector('#tools [value=spot]').click(); document.getElementById('size').value = 7");
    for part in 0..2 {
        let (x, y) = middle(part);
        opened.click(x, y);
        opened.press("#keep");
        opened.press("#take");
    }
    assert!(!folder.exists(), "nothing is written unless asked");
    opened.press("#save");
    opened.browser.wait_for("return document.getElementById('save-dialog').open");
    opened.browser.run("document.getElementById('save-name').value = 'my duel'; document.querySelector('#save-content button').click()");
    let command = opened.browser.wait_for("return document.getElementById('command')?.textContent");
    let command = command.as_str().unwrap();
    for part in ["hsets explain", "--model bundled", "--by-hand", "--segmenter", "--nu 400"] {
        assert!(command.contains(part), "{command}");
    }
    opened.keep("explorer-saved.png");
    let written = |name: &str| std::fs::read(folder.join("my duel").join(name)).unwrap();
    for name in [
        "explanation.html",
        "figure.png",
        "overlay.png",
        "sets.png",
        "segments.png",
        "maps.safetensors",
        "label-map.png",
        "by-hand.json",
        "input.png",
        "command.txt",
    ] {
        assert!(!written(name).is_empty(), "{name}");
    }
    let record: Value = serde_json::from_slice(&written("explanation.json")).unwrap();
    assert_eq!(record["sets"].as_array().unwrap().len(), 2);
    let effects = &record["by_hand"]["taken_away"]["effects"];
    let shown = opened.browser.run(
        "const { whole, alone, together } = knowing.without.value;\
         return together.value - alone[0].value - alone[1].value + whole.value;",
    );
    let (shown, saved) = (shown.as_f64().unwrap(), effects["interaction"].as_f64().unwrap());
    assert!((shown - saved).abs() < 1e-5, "{shown} was seen, {saved} saved");
    // What was measured with the region that is chosen.
    let shown = opened.browser.run("return found.contrasts");
    let measured = &record["by_hand"]["measured"];
    assert_eq!(measured["region"], opened.browser.run("return runsOf(state.focus)"));
    assert_eq!(measured["reference"], shown["reference"]);
    let of = |list: &Value, name: &str| {
        let mut effects: Vec<f64> =
            list.as_array().unwrap().iter().map(|one| one[name].as_f64().unwrap()).collect();
        effects.sort_by(f64::total_cmp);
        effects
    };
    let effects = of(&measured["partners"], "effect");
    assert!(!effects.is_empty());
    assert_eq!(effects, of(&shown["partners"], "value"));
    let reply = opened.server.get("/saved/my%20duel/explanation.html");
    assert_eq!((reply.status, reply.body), (200, written("explanation.html")));
    assert!(reply.head.contains("attachment"));
    assert_eq!(opened.server.get("/saved/my%20duel/input.jpg").status, 404);
}
