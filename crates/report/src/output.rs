//! Files that appear whole or not at all.
//!
//! Everything is written beside its destination under a temporary name, flushed to the disk and
//! then renamed. A crash, a full disk or Ctrl-C leaves what was there before.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{Error, Result};

/// Begins the names of files that are not finished.
const TEMPORARY: &str = ".hsets-";

/// Writes one file, replacing an older one at once. Makes its folder if that does not exist.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let written = make_folder(folder).and_then(|()| {
        let mut file = temporary(0o666).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    });
    written.map_err(|source| Error::write(path, source))
}

/// The results of one input: collected aside, published together.
#[derive(Debug)]
pub struct Folder {
    destination: PathBuf,
    staging: TempDir,
    files: Vec<(String, fs::File)>,
}

impl Folder {
    /// Starts to collect files for `destination`, beside it. Fails early where nothing can be
    /// written.
    pub fn begin(destination: impl Into<PathBuf>) -> Result<Self> {
        let destination = destination.into();
        let parent = match destination.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let staging = make_folder(&parent).and_then(|()| temporary(0o777).tempdir_in(&parent));
        let staging = staging.map_err(|source| Error::write(&destination, source))?;
        Ok(Self { destination, staging, files: Vec::new() })
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = fs::File::create_new(self.staging.path().join(name))?;
            file.write_all(bytes)?;
            Ok(file)
        };
        let file = write().map_err(|source| Error::write(self.destination.join(name), source))?;
        self.files.push((name.to_owned(), file));
        Ok(())
    }

    /// Moves all files to the destination; gives its path. A folder that is not there yet appears
    /// in one step; in an existing one, older files of the same names are replaced and others stay.
    pub fn publish(self) -> Result<PathBuf> {
        let Self { destination, staging, files } = self;
        let publish = || {
            flush(&files)?;
            if !destination.exists() {
                return fs::rename(staging.path(), &destination);
            }
            for (name, _) in &files {
                fs::rename(staging.path().join(name), destination.join(name))?;
            }
            Ok(())
        };
        publish().map_err(|source| Error::write(&destination, source))?;
        Ok(destination)
    }
}

/// Brings all files to the disk, at the same time: one after the other takes as many turns of it.
fn flush(files: &[(String, fs::File)]) -> std::io::Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            files.iter().map(|(_, file)| scope.spawn(|| file.sync_all())).collect();
        let broken = |_| std::io::Error::other("a thread that flushed a file stopped");
        threads.into_iter().try_for_each(|thread| thread.join().map_err(broken)?)
    })
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() { Ok(()) } else { fs::create_dir_all(folder) }
}

/// Temporary files are private by default; results get the permissions of any new file.
#[cfg(unix)]
fn temporary(mode: u32) -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).permissions(fs::Permissions::from_mode(mode));
    builder
}

#[cfg(not(unix))]
fn temporary(_mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_appears_when_published_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("photo");
        let mut folder = Folder::begin(&destination).unwrap();
        folder.add("a.txt", b"one").unwrap();
        assert!(!destination.exists());
        folder.publish().unwrap();
        assert_eq!(names(&destination), ["a.txt"]);
        assert_eq!(names(root.path()), ["photo"]);
    }

    #[test]
    fn what_is_dropped_leaves_no_trace() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::begin(root.path().join("photo")).unwrap();
        folder.add("a.txt", b"one").unwrap();
        drop(folder);
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn older_results_are_replaced_and_other_files_stay() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("photo");
        fs::create_dir(&destination).unwrap();
        fs::write(destination.join("a.txt"), "old").unwrap();
        fs::write(destination.join("notes.txt"), "mine").unwrap();
        let mut folder = Folder::begin(&destination).unwrap();
        folder.add("a.txt", b"new").unwrap();
        folder.publish().unwrap();
        assert_eq!(fs::read_to_string(destination.join("a.txt")).unwrap(), "new");
        assert_eq!(names(&destination), ["a.txt", "notes.txt"]);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        write_file(&file, b"x").unwrap();
        let error = Folder::begin(file.join("photo")).unwrap_err().to_string();
        assert!(error.contains("file") && error.contains("in the way"), "{error}");
    }
}
