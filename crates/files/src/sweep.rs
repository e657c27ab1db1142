//! What killed processes leave. A draft in use is locked; the system lets go of a lock when its
//! process ends, however it ends.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::TEMPORARY;

/// Removes the drafts in a folder that no process works on any more. What cannot be removed stays:
/// that is no reason to fail.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let path = entry.path();
        let Some(file) = is_draft.then(|| open(&path)).flatten() else { continue };
        if file.try_lock().is_ok() {
            // The lock is held until it is gone.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// The same, once for each folder in the life of a process.
pub(crate) fn once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let key = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
        sweep(folder);
    }
}

/// Locks a draft; false if it was swept away before. A file system without locks sweeps nothing.
pub(crate) fn hold(draft: &File, path: &Path) -> bool {
    !matches!(draft.try_lock(), Err(TryLockError::WouldBlock)) && path.exists()
}

/// Opens a file or folder to lock it, where the system can.
pub(crate) fn open(path: &Path) -> Option<File> {
    // A link or a pipe is nothing of ours, and who opens a pipe waits for its other end.
    let kind = path.symlink_metadata().ok()?.file_type();
    if !(kind.is_file() || cfg!(unix) && kind.is_dir()) {
        return None;
    }
    File::open(path).ok()
}
