//! One target for each parser, named after it: see `tests/src/parsers.rs`.
#![no_main]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use hsets_tests::parsers::{Parser, parser};
use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;

/// Counts what is asked for, also where it is never written to.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

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

/// Puts the seeds where cargo-fuzz looks for files to begin from.
fn plant() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(PARSER.name);
    fs::create_dir_all(&corpus).expect("a folder for seeds");
    for (at, seed) in (PARSER.seeds)().iter().enumerate() {
        fs::write(corpus.join(format!("seed-{at}")), seed).expect("a seed");
    }
}

fuzz_target!(init: plant(), |bytes: &[u8]| {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    (PARSER.read)(&PLACE, bytes);
    // Other threads may have freed some in between.
    let grown = MEMORY.peak_usage().saturating_sub(before);
    assert!(grown <= PARSER.max_memory(bytes.len()), "{grown} bytes for {}", bytes.len());
});
