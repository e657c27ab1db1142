//! SHA-256 of files, found beside everything else.

use std::sync::{Arc, LazyLock};
use std::thread;

use hsets_files::hexadecimal;
use sha2::{Digest as _, Sha256};

/// SHA-256 in hexadecimal. It takes as long as reading the file does, so it is found by a thread of
/// its own, and only who asks for it waits.
#[derive(Debug, Clone)]
pub struct Digest(Arc<LazyLock<String, Waiting>>);

type Waiting = Box<dyn FnOnce() -> String + Send>;

impl Digest {
    /// Of these bytes, one part after another.
    pub(crate) fn of(parts: Vec<Arc<Vec<u8>>>) -> Self {
        let hash = move || {
            let mut hash = Sha256::new();
            parts.iter().for_each(|part| hash.update(part.as_slice()));
            hexadecimal(&hash.finalize())
        };
        let hash = Arc::new(LazyLock::new(Box::new(hash) as Waiting));
        let beside = Arc::clone(&hash);
        // Without a thread it is found when it is asked for.
        let _ = thread::Builder::new().spawn(move || beside.len());
        Self(hash)
    }

    /// Waits for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Digest {
    /// One that is known.
    fn from(digest: String) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| digest))))
    }
}
