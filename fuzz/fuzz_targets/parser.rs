//! One target for each parser, named after it: see `tests/src/parsers.rs`.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use hsets_tests::parsers::{Parser, parser};
use libfuzzer_sys::fuzz_target;

static PARSER: LazyLock<&Parser> =
    LazyLock::new(|| parser(env!("CARGO_BIN_NAME")).expect("a target for each parser"));

/// In memory where there is such a folder, apart for each process.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let place = base.join(format!("hsets-fuzz-{}-{}", PARSER.name, std::process::id()));
    fs::create_dir_all(&place).expect("a folder for the files that are read");
    place
});

fuzz_target!(|bytes: &[u8]| {
    (PARSER.read)(&PLACE, bytes);
});
