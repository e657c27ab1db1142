//! Pages in a browser: looked at, pointed at, used with the keyboard.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sample;

#[test]
fn write() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("run.html"), sample::document().html().unwrap()).unwrap();
    for (name, bytes) in sample::document().pictures().unwrap() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::fs::write(folder.join("run.md"), sample::document().markdown()).unwrap();
    std::fs::write(folder.join("run.tex"), sample::document().latex_tables()).unwrap();
}
