//! Bytes that nobody meant: every parser comes back, soon, and without taking much memory.
//!
//! Seeds are changed at random, for most of a second each; `HSETS_FUZZ_SECONDS` gives longer runs,
//! `HSETS_FUZZ_SEED` others, `HSETS_FUZZ_ONLY` those of one parser. What was ever found is kept in
//! `fixtures/hostile/PARSER/` and read again every time.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    cell::Cell,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hsets_tests::parsers::{PARSERS, Parser};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tempfile::TempDir;

/// Longest time that a file of a few kilobytes may take.
const MAX_TIME: Duration = Duration::from_secs(2);

/// One at a time: memory is that of the whole process.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn seeds_are_taken() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for parser in PARSERS {
        let place = place();
        let seeds = (parser.seeds)();
        assert!(!seeds.is_empty(), "{}", parser.name);
        for (at, seed) in seeds.iter().enumerate() {
            assert!((parser.read)(place.path(), seed), "seed {at} of {}", parser.name);
        }
    }
}

#[test]
fn what_was_found_stays_mended() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for parser in PARSERS {
        let bench = Bench::new(parser);
        for file in found(parser) {
            bench.check(&fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
}

#[test]
fn changed_seeds_come_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name| env::var(name).ok().map(|text| text.parse::<f64>().unwrap());
    let time = Duration::from_secs_f64(number("HSETS_FUZZ_SECONDS").unwrap_or(0.7));
    let seed = number("HSETS_FUZZ_SEED").unwrap_or(0.0) as u64;
    let only = env::var("HSETS_FUZZ_ONLY").ok();
    for parser in PARSERS.iter().filter(|p| only.as_ref().is_none_or(|only| only == p.name)) {
        let (seeds, bench) = ((parser.seeds)(), Bench::new(parser));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut n, mut n_taken) = (0_u64, 0_u64);
        let begun = Instant::now();
        while begun.elapsed() < time {
            let bytes = changed(&seeds[rng.next_u32() as usize % seeds.len()], &seeds, &mut rng);
            n_taken += u64::from(bench.check(&bytes, &format!("run {n}")));
            n += 1;
        }
        println!("{}: {n} runs, {n_taken} of them taken", parser.name);
    }
}

/// A parser, watched.
struct Bench<'a> {
    parser: &'a Parser,
    place: TempDir,
    /// Bytes that the process takes without it.
    memory: Cell<usize>,
}

impl<'a> Bench<'a> {
    fn new(parser: &'a Parser) -> Self {
        forget_peak();
        Self { parser, place: place(), memory: peak_of_memory().into() }
    }

    /// Reads the bytes; fails if that panics, takes long or takes much memory.
    fn check(&self, bytes: &[u8], what: &str) -> bool {
        let begun = worked();
        let read = || (self.parser.read)(self.place.path(), bytes);
        let outcome = catch_unwind(AssertUnwindSafe(read));
        let took = worked().saturating_sub(begun);
        let grown = peak_of_memory().saturating_sub(self.memory.get());
        if grown > 1 << 20 {
            forget_peak();
            self.memory.set(peak_of_memory());
        }
        let is_small = grown <= self.parser.max_memory(bytes.len());
        if let (Ok(is_taken), true) = (outcome, took < MAX_TIME && is_small) {
            return is_taken;
        }
        let name = self.parser.name;
        let kept = env::temp_dir().join(format!("hsets-found-{name}"));
        fs::write(&kept, bytes).unwrap();
        let (mebibytes, size, kept) = (grown >> 20, bytes.len(), kept.display());
        panic!("{name} ({what}): {took:?}, {mebibytes} MiB for {size} bytes; kept in {kept}");
    }
}

/// A folder in memory where there is one: files are written thousands of times a second.
fn place() -> TempDir {
    let shared = Path::new("/dev/shm");
    let base = if shared.is_dir() { shared.to_owned() } else { env::temp_dir() };
    TempDir::with_prefix_in("hsets-parsers-", base).unwrap()
}

/// How long this thread has worked, or where the system does not tell, how long ago its first
/// question was: other programs may take any time from this one.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// Lets [`peak_of_memory`] begin anew, from what the process takes now.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The largest that the process was, in bytes; 0 where the system does not tell.
fn peak_of_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0) << 10
}

/// A seed with a few changes: bits, bytes, numbers, cuts, repeats, parts of others.
fn changed(seed: &[u8], seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    const DIGITS: [&[u8]; 6] = [b"9999999999", b"-1", b"0", b"NaN", b"1e400", b"4000"];
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let mut below = |n: usize| rng.next_u32() as usize % n.max(1);
        let at = below(bytes.len());
        let length = below(bytes.len() - at).min(64);
        match below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            1 if !bytes.is_empty() => bytes[at] = below(256) as u8,
            2 => {
                let number = NUMBERS[below(NUMBERS.len())];
                let (width, is_big) = ([1, 2, 4, 8][below(4)], below(4) == 0);
                let number = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
                let number = if is_big { &number[8 - width..] } else { &number[..width] };
                bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = *new);
            }
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let part = bytes[at..at + length].repeat(1 + below(16));
                drop(bytes.splice(at..at, part));
            }
            6 => {
                let other = &seeds[below(seeds.len())];
                let from = below(other.len());
                let length = below(other.len() - from).min(64);
                drop(bytes.splice(at..at, other[from..from + length].iter().copied()));
            }
            // A digit of a number in a text.
            _ => {
                let digits: Vec<usize> =
                    (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if let Some(&at) = digits.get(below(digits.len())) {
                    let new = DIGITS[below(DIGITS.len())];
                    drop(bytes.splice(at..=at, new.iter().copied()));
                }
            }
        }
    }
    bytes
}

/// Files that once broke a parser.
fn found(parser: &Parser) -> Vec<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hostile").join(parser.name);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}
