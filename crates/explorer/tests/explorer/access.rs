//! The page can be used by everybody.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::page::Opened;

/// axe-core, where it is installed: `npm install axe-core` in any folder, named by `HSETS_AXE`.
fn axe() -> Option<String> {
    let folder = PathBuf::from(std::env::var_os("HSETS_AXE")?);
    let path = folder.join("node_modules/axe-core/axe.min.js");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    Some(read(&path))
}

/// Faults that axe finds, its own words.
fn faults(opened: &Opened, axe: &str) -> Vec<String> {
    // The policy of the page forbids scripts of others; the driver may run them.
    opened.browser.run(axe);
    opened.browser.run(
        "window.axed = null;\
         axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })\
           .then((found) => { window.axed = found.violations.map(v =>\
             `${v.impact}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html).join(' ')}`); });",
    );
    let found = opened.browser.wait_for("return window.axed");
    found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

/// A state in which everything shows.
fn show_everything(opened: &Opened) {
    opened.click(20.0, 30.0);
    opened.browser.run("document.getElementById('canvas').focus()");
    opened.browser.press(&["t", "k", "g", "1"]);
    opened.settle();
    opened.browser.press(&["t"]);
    opened.settle();
}

#[test]
fn axe_finds_nothing() {
    let Some(axe) = axe() else {
        println!("skipped: HSETS_AXE names no folder with axe-core (npm install axe-core)");
        return;
    };
    let Some(opened) = Opened::start() else { return };
    for scheme in ["light", "dark"] {
        opened.browser.prefer(scheme);
        opened.go("");
        assert_eq!(faults(&opened, &axe), [""; 0], "{scheme}, at the start");
        show_everything(&opened);
        opened.keep(&format!("explorer-{scheme}.png"));
        assert_eq!(faults(&opened, &axe), [""; 0], "{scheme}, with everything");
        opened.browser.press(&["?"]);
        assert_eq!(faults(&opened, &axe), [""; 0], "{scheme}, help");
        opened.browser.press(&["Escape"]);
    }
}

#[test]
fn every_control_has_a_name() {
    let Some(opened) = Opened::start() else { return };
    show_everything(&opened);
    let controls = ["button", "textbox", "combobox", "radio", "checkbox", "slider", "img"];
    let spoken = opened.browser.spoken();
    let unnamed: Vec<_> = spoken
        .iter()
        .filter(|(role, name)| controls.contains(&role.as_str()) && name.trim().is_empty())
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
    let named =
        |role: &str, part: &str| spoken.iter().any(|(r, name)| r == role && name.contains(part));
    assert!(named("button", "Remove partner 2"), "{spoken:?}");
    assert!(named("heading", "The network says"));
    assert!(named("status", "") || opened.text("#spoken").contains("partner"));
}

#[test]
fn narrow_windows_lose_nothing() {
    let Some(opened) = Opened::start() else { return };
    show_everything(&opened);
    for (width, height) in [(1400, 900), (1024, 768), (700, 900), (390, 844)] {
        opened.browser.size(width, height);
        opened.settle();
        let wide: Value = opened.browser.run(
            "return [...document.querySelectorAll('main *, header *')].filter(e => {\
               const b = e.getBoundingClientRect();\
               return b.width > 0 && b.right > innerWidth + 1 && !e.closest('#gallery, .unseen');\
             }).map(e => e.outerHTML.slice(0, 80))",
        );
        assert_eq!(wide, serde_json::json!([]), "{width} pixels wide");
        // The picture keeps its shape.
        let shape = opened.browser.run(
            "const b = document.getElementById('canvas').getBoundingClientRect(); return b.width / b.height",
        );
        assert!((shape.as_f64().unwrap() - 1.0).abs() < 0.02, "{shape}");
        opened.keep(&format!("explorer-{width}.png"));
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    let Some(opened) = Opened::start() else { return };
    show_everything(&opened);
    let asked = opened.browser.requests_of(&opened.server.url);
    assert!(asked.len() > 5, "{asked:?}");
    for address in asked {
        let own = address.starts_with(&opened.server.url) || address.starts_with("blob:");
        assert!(own, "{address}");
    }
    assert!(opened.browser.complaints().is_empty(), "{:?}", opened.browser.complaints());
}
