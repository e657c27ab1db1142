//! One writer at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// The right to write to a file of results, until dropped or the process ends, however it ends.
///
/// It is the operating system's lock on `FILE.lock`, a file of its own: locks on the database are
/// SQLite's business. The file stays; only a lock on it counts.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held open, never read")] File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(results: &Path) -> Result<Self> {
        let path = path(results);
        let failed = |error| Error::io(&path, error);
        // Through a link, the name of the owner would be written over a file of someone else.
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            let problem = "is no file, but a link, a folder, a pipe or a device: remove it";
            return Err(Error::mismatch(&path, problem));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Without it the message is shorter, no more.
                let _ = file.read_to_string(&mut owner);
                let owner = if owner.is_empty() { "another process".into() } else { owner };
                return Err(Error::InUse { path: results.to_owned(), owner });
            }
            Err(TryLockError::Error(error)) => {
                let problem = format!(
                    "this file system has no locks ({error}), so two processes could write to one \
                     file: put the results elsewhere"
                );
                return Err(Error::mismatch(results, problem));
            }
        }
        let owner = format!("process {} on {}", std::process::id(), crate::host());
        let written = file.set_len(0).and_then(|()| file.rewind());
        written.and_then(|()| file.write_all(owner.as_bytes())).map_err(failed)?;
        Ok(Self(file))
    }

    /// Who writes to the file now, if anyone does.
    pub(crate) fn owner(results: &Path) -> Option<String> {
        let path = path(results);
        hsets_files::regular(&path).ok()?;
        let mut file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).ok()?;
                Some(owner)
            }
            _ => None,
        }
    }
}

/// Beside the file itself, whatever links lead to it: else two processes could write to one file.
fn path(results: &Path) -> PathBuf {
    let mut path = results.to_owned();
    // As many as systems follow.
    for _ in 0..40 {
        let Ok(target) = path.read_link() else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if let (Ok(folder), Some(name)) = (folder.canonicalize(), path.file_name()) {
        path = folder.join(name);
    }
    let mut path = path.into_os_string();
    path.push(".lock");
    path.into()
}
