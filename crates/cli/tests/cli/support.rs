//! Runs the program, and makes files for it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// A folder of its own for each test.
pub(crate) struct Place(TempDir);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hsets"));
    command.env("HF_HUB_OFFLINE", "1").env_remove("HSETS_SEGMENTER");
    if !cfg!(feature = "quickshift") {
        // The default would be Segment Anything, whose weights the tests do not have.
        command.env("HSETS_SEGMENTER", "grid");
    }
    command
}

/// The bundled classifier of 64×64 pictures.
pub(crate) fn weights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundled/model.safetensors")
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Succeeded, and said nothing on stderr.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self
    }

    /// Failed with this code and one line that contains all of `parts`.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "'{part}' is not in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Refused by the parser of the command line, with `part` in what it says.
    #[track_caller]
    pub(crate) fn failed_usage(self, part: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.stderr.contains(part), "'{part}' is not in: {}", self.stderr);
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.stdout.trim_end()).unwrap()
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program in this folder.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(program().args(arguments).current_dir(self.0.path()).output().unwrap())
    }

    /// As [`Self::run`], but no file may become larger: writes fail as they do on a full disk.
    #[cfg(unix)]
    pub(crate) fn run_limited(&self, n_kibibytes: u32, arguments: &[impl AsRef<str>]) -> Ran {
        let script = format!("trap '' XFSZ; ulimit -f {n_kibibytes}; exec \"$@\"");
        let program = program();
        let mut limited = Command::new("bash");
        limited.args(["-c", &script, "limited"]).arg(program.get_program());
        limited.args(arguments.iter().map(AsRef::as_ref)).current_dir(self.0.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Ran::of(limited.output().unwrap())
    }

    /// Runs a command that loads the bundled model; `line` is split at spaces.
    pub(crate) fn run_model(&self, line: &str) -> Ran {
        let model = ["--model".into(), "resnet20".into(), "--weights".into(), weights()];
        let words = line.split(' ').map(PathBuf::from);
        self.run(words.chain(model))
    }

    /// Starts a command that loads the bundled model, to be disturbed.
    #[cfg(unix)]
    pub(crate) fn start_model(&self, line: &str) -> Child {
        program()
            .args(line.split(' '))
            .args(["--model", "resnet20", "--weights"])
            .arg(weights())
            .current_dir(self.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A picture with something in it.
    pub(crate) fn picture(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let path = self.path(name);
        let color = |x: u32, y: u32| {
            let disc = (x as f32 - width as f32 / 3.0).hypot(y as f32 - height as f32 / 2.0);
            if disc < width as f32 / 5.0 {
                Rgb([230, 130, 40])
            } else {
                Rgb([(3 * x % 90) as u8, (90 + 2 * y % 100) as u8, 160])
            }
        };
        RgbImage::from_fn(width, height, color).save(&path).unwrap();
        path
    }

    /// Everything in a folder, in order; nothing if there is no such folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Waits until something holds, for two minutes at most.
#[cfg(unix)]
pub(crate) fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() && begun.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `-INT`.
#[cfg(unix)]
pub(crate) fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

/// Kills at random moments, the same in each run of a test.
#[cfg(unix)]
pub(crate) struct Killer {
    state: u64,
    /// How often it has killed.
    pub(crate) n_kills: usize,
    n_wanted: usize,
}

#[cfg(unix)]
impl Killer {
    /// Kills at least `usually` times, or as often as `HSETS_KILLS` says; `HSETS_KILL_SEED` gives
    /// other moments.
    pub(crate) fn new(usually: usize) -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
        let n_wanted = number("HSETS_KILLS").map_or(usually, |n| n as usize);
        let seed = number("HSETS_KILL_SEED").unwrap_or(2026);
        println!("{n_wanted} kills at moments of seed {seed}");
        Self { state: u64::from(seed), n_kills: 0, n_wanted }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.n_kills >= self.n_wanted
    }

    /// Starts the program again and again and kills it within `span`, until it ends by itself, well.
    /// After each kill, `check` looks at what is left.
    pub(crate) fn run(
        &mut self,
        span: Duration,
        start: impl Fn() -> Command,
        mut check: impl FnMut(),
    ) {
        loop {
            let mut command = start();
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(span.mul_f64(self.random()));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                self.n_kills += 1;
            }
            let output = child.wait_with_output().unwrap();
            if output.status.code().is_some() {
                Ran::of(output).ok();
                println!("{} kills so far", self.n_kills);
                return;
            }
            check();
        }
    }

    /// In [0, 1).
    fn random(&mut self) -> f64 {
        let next = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = next.wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What `explain` writes for an input.
pub(crate) const FILES: [&str; 7] = [
    "explanation.html",
    "explanation.json",
    "figure.png",
    "maps.safetensors",
    "overlay.png",
    "segments.png",
    "sets.png",
];

/// Settings that keep an explanation short.
pub(crate) const QUICK: &str = "--nu 60 --sets 2 --steps 6 --samples 6";
