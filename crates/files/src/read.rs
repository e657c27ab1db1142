//! Whole files, read.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    panic::resume_unwind,
    path::Path,
    thread,
};

/// Files from this size on are read by several threads: one alone is slower than the disk, or the
/// memory, that they lie in.
const LARGE: usize = 16 << 20;
/// More threads than this hinder one another.
const MOST_THREADS: usize = 4;

/// What the system says of a file. Fails on what is none, but a folder, a pipe or a device: those
/// may have no end.
pub fn regular(path: &Path) -> io::Result<Metadata> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        let problem = "is no file, but a folder, a pipe or a device";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(metadata)
}

/// The bytes of a whole file; of nothing else, as [`regular`] has it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let length = usize::try_from(regular(path)?.len()).unwrap_or(usize::MAX);
    if length < LARGE {
        return fs::read(path);
    }
    read_large(path, length)
}

fn read_large(path: &Path, length: usize) -> io::Result<Vec<u8>> {
    // A file may claim more than there is memory: that is no reason to abort.
    Vec::<u8>::new().try_reserve_exact(length)?;
    let mut bytes = vec![0; length];
    let n_threads = thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
    let share = length.div_ceil(n_threads);
    let read = |at: usize, part: &mut [u8]| {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start((at * share) as u64))?;
        file.read_exact(part)
    };
    thread::scope(|scope| {
        let parts = bytes.chunks_mut(share).enumerate();
        let threads: Vec<_> = parts.map(|(at, part)| scope.spawn(move || read(at, part))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_read_as_small_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for n in [0, 1, 7, 1000, 1003] {
            let bytes: Vec<u8> = (0..n).map(|i| (i * 31 % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path).unwrap(), bytes);
            if n > 0 {
                assert_eq!(read_large(&path, bytes.len()).unwrap(), bytes, "{n}");
            }
        }
        // It became shorter meanwhile.
        assert_eq!(read_large(&path, 2000).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let error = read_large(&path, usize::MAX / 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn folders_are_refused_and_what_is_missing_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("is no file"), "{error}");
        let missing = folder.path().join("none");
        assert_eq!(read(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
