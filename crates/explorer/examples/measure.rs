//! How long people wait: drives the page of a running `hsets serve` and says what it measured.
//!
//! `cargo run --release -p hsets-explorer --example measure -- http://127.0.0.1:8765/ 40`
#![allow(clippy::print_stdout, reason = "a tool for people")]

use hsets_browser::Browser;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8765/".into());
    let n: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(40);
    let Some(browser) = Browser::start() else { return };
    browser.size(1400, 900);
    // A browser that has only just started is busy with itself.
    browser.go("data:text/html,ready");
    std::thread::sleep(std::time::Duration::from_secs(2));
    browser.go(&url);
    let idle = "return labels !== null && Object.values(knowing).every(one => !one.waiting)";
    browser.wait_for(idle);
    let loaded = browser
        .run("return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd");
    println!("page: {:.0} ms", loaded.as_f64().unwrap_or(f64::NAN));
    // Pixels in an order that visits the whole picture.
    for click in 0..n {
        let share = |stride: u64| (click * stride % 97) as f64 / 97.0;
        // A frame is on the screen when the one after it begins.
        let script = format!(
            "const y = Math.floor({} * picture.height), x = Math.floor({} * picture.width);\
             const focus = 's' + labels[y * picture.width + x], start = performance.now();\
             const isNew = focus !== state.focus;\
             go({{ focus, rows: 0, away: [] }});\
             requestAnimationFrame(() => requestAnimationFrame(() => {{\
               const note = document.getElementById('partners-note').textContent;\
               const title = document.getElementById('focus-title').textContent;\
               if (isNew && note && title.endsWith(nameOf(focus)))\
                 performance.measure('shown', {{ start, end: performance.now() }});\
             }}));",
            share(37),
            share(61)
        );
        browser.run(&script);
        browser.wait_for(idle);
        browser.run("toggleAway(state.focus)");
        browser.wait_for(idle);
    }
    for (name, what) in [
        ("shown", "click to something shown"),
        ("lit", "click to lit partners"),
        ("measured", "click to measured contrasts"),
        ("without", "taken away to new probabilities"),
    ] {
        let script = format!(
            "return performance.getEntriesByName({name:?}).map(one => one.duration)\
             .sort((a, b) => a - b)"
        );
        let found = browser.run(&script);
        let times: Vec<f64> =
            found.as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect();
        let at = |share: f64| {
            let last = times.len().saturating_sub(1) as f64;
            times.get((share * last).round() as usize).copied().unwrap_or(f64::NAN)
        };
        let (median, high, n) = (at(0.5), at(0.95), times.len());
        println!("{what}: median {median:.0} ms, 95 % within {high:.0} ms, {n} times");
    }
}
