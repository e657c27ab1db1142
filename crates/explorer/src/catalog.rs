//! The pictures: those that were given, those that were dropped in, and which of them are warm.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use hsets_core::Photo;
use hsets_pipeline::models::{Classifier, Prepared, decode_photo};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    desk::{Turns, Warm},
    error::{Error, Refusal, Result},
};

/// A picture, or a folder of them, to choose from.
#[derive(Debug, Clone)]
pub enum Given {
    /// A file, or a folder whose pictures are offered; folders in it are not.
    Path(PathBuf),
    /// A picture that is in no file.
    Drawn {
        /// Its name.
        name: String,
        /// The picture.
        photo: Photo,
    },
}

/// What many or large requests may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a picture that is dropped in.
    pub upload: usize,
    /// Pictures that were dropped in and are kept; the oldest goes first.
    pub n_uploads: usize,
    /// Pictures that stay warm; the one not used for longest goes first.
    pub n_warm: usize,
    /// Questions that may wait for an answer at the same time.
    pub n_waiting: usize,
    /// Connections at the same time.
    pub n_connections: usize,
}

impl Limits {
    /// 32 MiB, 16 pictures dropped in, 4 warm, 64 questions, 512 connections.
    pub const DEFAULT: Self =
        Self { upload: 32 << 20, n_uploads: 16, n_warm: 4, n_waiting: 64, n_connections: 512 };
}

/// Pictures offered at most: a page that lists more is of no use.
const MAX_OFFERED: usize = 2000;
/// Endings of the files that are offered of a folder.
const ENDINGS: [&str; 9] =
    ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "safetensors"];

/// A picture that can be chosen.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) source: Source,
}

#[derive(Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Drawn(Photo),
    Upload(Bytes),
}

/// All pictures.
pub(crate) struct Catalog {
    classifier: Arc<Classifier>,
    limits: Limits,
    given: Vec<Arc<Entry>>,
    uploads: Mutex<VecDeque<Arc<Entry>>>,
    /// The one used last at the end.
    warm: Mutex<Vec<(String, Arc<Warm>)>>,
    /// Decoding takes memory: one at a time.
    opening: Mutex<()>,
    turns: Turns,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    pub(crate) fn new(
        classifier: Arc<Classifier>,
        given: &[Given],
        limits: Limits,
    ) -> Result<Self> {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for given in given {
            for (name, source) in offered(given)? {
                // The same link opens the same picture after a restart.
                let id = digest(name.as_bytes());
                if entries.len() < MAX_OFFERED && !entries.iter().any(|entry| entry.id == id) {
                    entries.push(Arc::new(Entry { id, name, source }));
                }
            }
        }
        Ok(Self {
            classifier,
            limits,
            given: entries,
            uploads: Mutex::default(),
            warm: Mutex::default(),
            opening: Mutex::default(),
            turns: Turns::new().map_err(Error::Start)?,
        })
    }

    /// All pictures, those that were dropped in last.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.given.iter().chain(lock(&self.uploads).iter()).cloned().collect()
    }

    pub(crate) fn entry(&self, id: &str) -> Result<Arc<Entry>, Refusal> {
        let found = self.entries().into_iter().find(|entry| entry.id == id);
        found.ok_or_else(|| {
            Refusal::not_found("this picture is not here; if it was dropped in, drop it in again")
        })
    }

    /// Takes in a picture. The same one again has the same number.
    pub(crate) fn upload(&self, name: &str, bytes: Bytes) -> Result<Arc<Entry>, Refusal> {
        let id = digest(&bytes);
        if let Ok(known) = self.entry(&id) {
            return Ok(known);
        }
        let name = shown(name);
        let entry = Arc::new(Entry { id, name, source: Source::Upload(bytes) });
        // Only what can be decoded is kept.
        self.open(&entry)?;
        let mut uploads = lock(&self.uploads);
        if uploads.len() >= self.limits.n_uploads {
            uploads.pop_front();
        }
        uploads.push_back(Arc::clone(&entry));
        Ok(entry)
    }

    /// As the network sees it.
    pub(crate) fn prepared(&self, id: &str) -> Result<Arc<Prepared>, Refusal> {
        let warm = lock(&self.warm).iter().find(|(known, _)| known == id).cloned();
        match warm {
            Some((_, warm)) => Ok(Arc::clone(&warm.prepared)),
            None => Ok(Arc::new(self.open(self.entry(id)?.as_ref())?)),
        }
    }

    fn open(&self, entry: &Entry) -> Result<Prepared, Refusal> {
        let _one_at_a_time = lock(&self.opening);
        let named = |problem: &dyn std::fmt::Display| {
            let text = problem.to_string().replace('\n', " ");
            let twice = text.starts_with(&entry.name);
            Refusal::bad(if twice { text } else { format!("{}: {text}", entry.name) })
        };
        let preprocessing = self.classifier.preprocessing();
        match &entry.source {
            Source::File(path) => self.classifier.read(path).map_err(|e| named(&e)),
            Source::Drawn(photo) => preprocessing.prepare(photo).map_err(|e| named(&e)),
            Source::Upload(bytes) => {
                let photo = decode_photo(bytes, Path::new(&entry.name), preprocessing.exif);
                let photo = photo.map_err(|e| named(&e))?;
                preprocessing.prepare(&photo).map_err(|e| named(&e))
            }
        }
    }

    /// The picture with all that is known of it.
    pub(crate) fn warm(&self, id: &str) -> Result<Arc<Warm>, Refusal> {
        let entry = self.entry(id)?;
        let mut warm = lock(&self.warm);
        if let Some(at) = warm.iter().position(|(known, _)| known == id) {
            let found = warm.remove(at);
            warm.push(found.clone());
            return Ok(found.1);
        }
        drop(warm);
        let prepared = Arc::new(self.open(&entry)?);
        let new = Arc::new(Warm::new(Arc::clone(&self.classifier), prepared, &self.turns)?);
        let mut warm = lock(&self.warm);
        // Another request may have been faster.
        if let Some((_, found)) = warm.iter().find(|(known, _)| known == id) {
            return Ok(Arc::clone(found));
        }
        if warm.len() >= self.limits.n_warm {
            warm.remove(0);
        }
        warm.push((id.to_owned(), Arc::clone(&new)));
        Ok(new)
    }

    /// How many pictures are warm.
    pub(crate) fn n_warm(&self) -> usize {
        lock(&self.warm).len()
    }
}

/// Names and places of the pictures that are meant.
fn offered(given: &Given) -> Result<Vec<(String, Source)>> {
    let path = match given {
        Given::Drawn { name, photo } => {
            return Ok(vec![(name.clone(), Source::Drawn(photo.clone()))]);
        }
        Given::Path(path) => path,
    };
    let failed = |source| Error::Pictures { path: path.display().to_string(), source };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![(name(path), Source::File(path.clone()))]);
    }
    let folder = path.canonicalize().map_err(failed)?;
    let mut files = Vec::new();
    for file in fs::read_dir(path).map_err(failed)? {
        let file = file.map_err(failed)?.path();
        let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_hidden = name(&file).starts_with('.');
        // A link that leads out of the folder was not given.
        let is_inside = file.canonicalize().is_ok_and(|real| real.starts_with(&folder));
        if ENDINGS.contains(&ending.as_str()) && !is_hidden && is_inside && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files.into_iter().map(|file| (name(&file), Source::File(file))).collect())
}

/// A name that is only shown: its last part, without what no name has.
fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(80).collect();
    if clean.trim_matches(['.', ' ']).is_empty() { "dropped picture".into() } else { clean }
}

/// Twelve hexadecimal digits.
fn digest(bytes: &[u8]) -> String {
    let first =
        Sha256::digest(bytes).iter().take(6).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    format!("{first:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_only_shown() {
        assert_eq!(shown("../../etc/cat.jpg"), "cat.jpg");
        assert_eq!(shown("C:\\cats\\cat\n.jpg"), "cat.jpg");
        for name in ["", "..", "a/..", " "] {
            assert_eq!(shown(name), "dropped picture");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_folder_are_not_offered() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("photos");
        fs::create_dir(&folder).unwrap();
        for file in ["photos/b.png", "photos/a.JPG", "photos/.c.png", "photos/d.txt", "secret.png"]
        {
            fs::write(root.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(root.path().join("secret.png"), folder.join("e.png")).unwrap();
        let found = offered(&Given::Path(folder)).unwrap();
        assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a.JPG", "b.png"]);
    }
}
