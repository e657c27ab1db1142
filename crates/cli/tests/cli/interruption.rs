//! Ctrl-C.
#![cfg(unix)]

use crate::support::{FILES, Place, Ran, send, wait_until};

#[test]
fn ctrl_c_ends_with_130_and_whole_results_only() {
    let place = Place::new();
    let inputs: Vec<String> = (0..40).map(|index| format!("{index:02}.png")).collect();
    for input in &inputs {
        place.picture(input, 64, 64);
    }
    let child = place.start_model(&format!("explain {} --out out", inputs.join(" ")));
    wait_until(|| place.names("out").iter().any(|name| !name.starts_with('.')));
    send("-INT", &child);
    let ran = Ran::of(child.wait_with_output().unwrap()).failed(130, &["cancelled"]);
    let names = place.names("out");
    assert!(!names.is_empty() && names.len() < 40, "{names:?}, {ran:?}");
    for name in names {
        assert_eq!(place.names(&format!("out/{name}")), FILES, "{name}");
    }
}
