//! Weights that lie in files beside an ONNX file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::input::read_whole;

/// The files beside a network, read once each.
pub(super) struct External {
    /// `None` for a network in memory, which has none.
    folder: Option<PathBuf>,
    /// Content by the location that the network states.
    files: BTreeMap<String, Vec<u8>>,
    /// Bytes that tensors were read from.
    n_read: usize,
}

/// Most tensors that may lie in the same bytes, on average: tied weights do.
const TENSORS_OF_A_BYTE: usize = 4;
/// Bytes that any number of tensors may lie in.
const FEW_BYTES: usize = 1 << 20;

impl External {
    /// Of a network in this file.
    pub(super) fn beside(network: &Path) -> Self {
        let folder = network.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Self { folder: Some(folder), files: BTreeMap::new(), n_read: 0 }
    }

    /// Of a network in memory.
    pub(super) fn nowhere() -> Self {
        Self { folder: None, files: BTreeMap::new(), n_read: 0 }
    }

    /// `length` bytes from `offset` of a file; all to its end without a length.
    pub(super) fn bytes(
        &mut self,
        location: Option<&str>,
        offset: Option<&str>,
        length: Option<&str>,
    ) -> Result<&[u8], String> {
        let location = location.ok_or("lies in another file, but which one is not said")?;
        let number = |text: Option<&str>, what: &str| {
            let parsed = text.map(str::parse::<usize>).transpose();
            parsed.map_err(|_| format!("has {what} '{}' in {location}", text.unwrap_or_default()))
        };
        let offset = number(offset, "the offset")?.unwrap_or(0);
        let length = number(length, "the length")?;
        let name = self.open(location)?;
        let n_bytes: usize = self.files.values().map(Vec::len).sum();
        let bytes = &self.files[&name];
        let end = length.map_or(Some(bytes.len()), |length| offset.checked_add(length));
        let found = end.and_then(|end| bytes.get(offset..end)).ok_or_else(|| {
            let wanted = length.map_or("the end".into(), |length| format!("{length} more"));
            let len = bytes.len();
            format!("is said to lie in {location} from byte {offset} to {wanted}; that has {len}")
        })?;
        self.n_read += found.len();
        if self.n_read > TENSORS_OF_A_BYTE * n_bytes + FEW_BYTES {
            return Err(format!("lies in {location}, in the same bytes as many others"));
        }
        Ok(found)
    }

    /// Reads a file that was not read yet. Gives its name in [`External::files`], which is one for
    /// all spellings of its location.
    fn open(&mut self, location: &str) -> Result<String, String> {
        let is_name = |part: &Component<'_>| !matches!(part, Component::CurDir);
        let path: PathBuf = Path::new(location).components().filter(is_name).collect();
        let name = path.display().to_string();
        if !self.files.contains_key(&name) {
            let bytes = self.read(location)?;
            self.files.insert(name.clone(), bytes);
        }
        Ok(name)
    }

    fn read(&self, location: &str) -> Result<Vec<u8>, String> {
        let folder = self.folder.as_ref().ok_or_else(|| {
            format!(
                "lies in '{location}', beside a file: a network in memory holds its weights itself"
            )
        })?;
        let outside =
            || format!("lies in '{location}', outside the folder of the network: that is not read");
        let relative = Path::new(location);
        let is_plain =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.contains('\\') || !relative.components().all(is_plain) {
            return Err(outside());
        }
        let failed =
            |error: std::io::Error| format!("lies in {location}, which can't be read: {error}");
        // A link may lead out of the folder, too.
        let path = folder.join(relative).canonicalize().map_err(failed)?;
        if !path.starts_with(folder.canonicalize().map_err(failed)?) {
            return Err(outside());
        }
        read_whole(&path)
            .map_err(|error| format!("lies in {location}, which can't be read: {error}"))
    }

    /// The content of all files that were read, in the order of their names.
    pub(super) fn contents(&self) -> impl Iterator<Item = &[u8]> {
        self.files.values().map(Vec::as_slice)
    }
}
