//! Files that appear whole or not at all, under names that stay where they belong.
//!
//! Everything is written beside its destination under a temporary name, flushed to the disk and
//! then renamed. A crash, a full disk or Ctrl-C leaves what was there before. What a kill leaves
//! under a temporary name, the next process that writes into the same folder removes.
//!
//! What is read whole is a file: no pipe, which may never end.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("new").join("answer.txt");
//! hsets_files::write(&path, b"42")?;
//! assert_eq!(std::fs::read(&path)?, b"42");
//! # Ok::<(), std::io::Error>(())
//! ```

mod name;
mod png;
mod read;
mod sweep;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile, TempDir};

pub use name::name_of;
pub use png::{is_png, png_fault};
pub use read::{read, regular};
pub use sweep::sweep;

/// Begins the names of files and folders that are not finished.
const TEMPORARY: &str = ".hsets-";

/// Bytes as hexadecimal digits, as a digest stands beside a file.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Writes one file, replacing an older one at once. Makes its folder if that does not exist.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = Draft::beside(path)?;
    draft.file().write_all(bytes)?;
    draft.publish(path)
}

/// A file that is not finished.
#[derive(Debug)]
pub struct Draft(NamedTempFile);

impl Draft {
    /// A temporary file in the folder of `path`, which is made if it does not exist. What is there
    /// and no file stays: whoever may write to `/dev` would replace `/dev/null` for everyone.
    pub fn beside(path: &Path) -> io::Result<Self> {
        if path.exists() {
            regular(path)?;
        }
        let folder = folder_of(path)?;
        let mut draft = temporary(0o666).tempfile_in(&folder)?;
        // Another process may have taken it for a leftover, between its birth and its lock.
        while !sweep::hold(draft.as_file(), draft.path()) {
            draft = temporary(0o666).tempfile_in(&folder)?;
        }
        Ok(Self(draft))
    }

    /// To write to.
    pub fn file(&mut self) -> &mut File {
        self.0.as_file_mut()
    }

    /// Where it is now, for libraries that open files by their names.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Flushes it to the disk and gives it its name.
    pub fn publish(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// A folder that is not finished.
#[derive(Debug)]
pub struct DraftFolder {
    folder: TempDir,
    files: Vec<(String, File)>,
    /// Held as long as the draft is in use.
    _lock: Option<File>,
}

impl DraftFolder {
    /// A temporary folder beside `destination`, whose parent is made if it does not exist.
    pub fn beside(destination: &Path) -> io::Result<Self> {
        let parent = folder_of(destination)?;
        loop {
            let folder = temporary(0o777).tempdir_in(&parent)?;
            let lock = sweep::open(folder.path());
            if lock.as_ref().is_none_or(|lock| sweep::hold(lock, folder.path())) {
                return Ok(Self { folder, files: Vec::new(), _lock: lock });
            }
        }
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(self.folder.path().join(name))?;
        file.write_all(bytes)?;
        self.files.push((name.to_owned(), file));
        Ok(())
    }

    /// Moves all files to the destination. A folder that is not there yet appears in one step; in
    /// an existing one, older files of the same names are replaced and others stay.
    pub fn publish(self, destination: &Path) -> io::Result<()> {
        flush(&self.files)?;
        if !destination.exists() {
            return fs::rename(self.folder.path(), destination);
        }
        for (name, _) in &self.files {
            fs::rename(self.folder.path().join(name), destination.join(name))?;
        }
        Ok(())
    }
}

/// Brings all files to the disk, at the same time: one after the other takes as many turns of it.
fn flush(files: &[(String, File)]) -> io::Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            files.iter().map(|(_, file)| scope.spawn(|| file.sync_all())).collect();
        let broken = |_| io::Error::other("a thread that flushed a file stopped");
        threads.into_iter().try_for_each(|thread| thread.join().map_err(broken)?)
    })
}

/// The folder of a file, made and swept.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
    }
    sweep::once(folder);
    Ok(folder.to_owned())
}

/// Temporary files are private by default; results get the permissions of any new file.
fn temporary(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
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
        let mut folder = DraftFolder::beside(&destination).unwrap();
        folder.add("a.txt", b"one").unwrap();
        assert!(!destination.exists());
        folder.publish(&destination).unwrap();
        assert_eq!(names(&destination), ["a.txt"]);
        assert_eq!(names(root.path()), ["photo"]);
    }

    #[test]
    fn what_is_dropped_leaves_no_trace() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = DraftFolder::beside(&root.path().join("photo")).unwrap();
        folder.add("a.txt", b"one").unwrap();
        drop(folder);
        drop(Draft::beside(&root.path().join("file")).unwrap());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn older_results_are_replaced_and_other_files_stay() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("photo");
        fs::create_dir(&destination).unwrap();
        fs::write(destination.join("a.txt"), "old").unwrap();
        fs::write(destination.join("notes.txt"), "mine").unwrap();
        let mut folder = DraftFolder::beside(&destination).unwrap();
        folder.add("a.txt", b"new").unwrap();
        folder.publish(&destination).unwrap();
        assert_eq!(fs::read_to_string(destination.join("a.txt")).unwrap(), "new");
        assert_eq!(names(&destination), ["a.txt", "notes.txt"]);
    }

    #[test]
    #[cfg(unix)]
    fn leftovers_go_and_drafts_in_use_stay() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(".hsets-killed")).unwrap();
        fs::write(root.path().join(".hsets-killed/big.png"), "half").unwrap();
        fs::write(root.path().join(".hsets-cut"), "half").unwrap();
        fs::write(root.path().join(".hsetsrc"), "mine").unwrap();
        make_pipe(&root.path().join(".hsets-pipe"));
        let (file, folder) = (root.path().join("file"), root.path().join("folder"));
        let draft = Draft::beside(&file).unwrap();
        let drafts = DraftFolder::beside(&folder).unwrap();
        assert_eq!(names(root.path()).len(), 4, "{:?}", names(root.path()));
        sweep(root.path());
        draft.publish(&file).unwrap();
        drafts.publish(&folder).unwrap();
        assert_eq!(names(root.path()), [".hsets-pipe", ".hsetsrc", "file", "folder"]);
    }

    #[cfg(unix)]
    fn make_pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    #[cfg(unix)]
    fn only_files_are_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (pipe, link) = (root.path().join("pipe"), root.path().join("link"));
        make_pipe(&pipe);
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [pipe, link, root.path().to_owned(), "/dev/null".into()] {
            let error = write(&path, b"42").unwrap_err();
            assert!(error.to_string().contains("no file"), "{error}");
            assert!(!path.is_file());
        }
        assert_eq!(names(root.path()), ["link", "pipe"]);
    }
}
