//! Runs the program, and makes files for it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
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

    /// Runs a command that loads the bundled model; `line` is split at spaces.
    pub(crate) fn run_model(&self, line: &str) -> Ran {
        let model = ["--model".into(), "resnet20".into(), "--weights".into(), weights()];
        let words = line.split(' ').map(PathBuf::from);
        self.run(words.chain(model))
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
