//! `PyTorch` checkpoints (`.pth`, `.pt`, `.bin`): the zip form of version 1.6 and later, and the
//! earlier form, which many published weights still have.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

use candle_core::Tensor;

use super::elements::{Element, tensor};
use super::pickle::{Id, Object, Pickle};

/// How an earlier (non-zip) checkpoint begins: its magic number as a pickle of its own.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// A pickle holds names and shapes; numbers lie beside it.
const MAX_PICKLE_BYTES: u64 = 64 << 20;
/// Where training scripts put the state dict inside a checkpoint, likeliest first.
const NESTED_KEYS: [&str; 7] =
    ["state_dict", "model_state_dict", "model", "model_state", "net", "network", "weights"];

/// Whether these bytes begin like a checkpoint.
pub(super) fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK") || bytes.starts_with(&LEGACY_MAGIC[..4])
}

/// The floating-point tensors of a checkpoint by name.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    if bytes.starts_with(b"PK") { read_zip(bytes) } else { read_legacy(bytes) }
}

fn read_zip(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let damaged = |error: zip::result::ZipError| format!("damaged checkpoint: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let pickle_name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or("a zip file, but not a PyTorch checkpoint (no data.pkl in it)")?
        .into_owned();
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    let mut content = |name: &str, limit: u64| -> Result<Vec<u8>, String> {
        let file = archive.by_name(name).map_err(|e| format!("damaged checkpoint: {name}: {e}"))?;
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content).map_err(|e| format!("{name}: {e}"))?;
        Ok(content)
    };
    if content(&format!("{folder}byteorder"), 8).is_ok_and(|order| order.starts_with(b"big")) {
        return Err("a big-endian checkpoint: save it again on a little-endian machine".into());
    }
    let pickle = Pickle::parse(&content(&pickle_name, MAX_PICKLE_BYTES)?)?;
    let views = views(&pickle)?;
    check_total(&views, bytes.len())?;

    // Entries of a hostile archive can overlap; together they may not outgrow the file.
    let mut left = bytes.len() as u64;
    let mut storages: HashMap<String, Vec<u8>> = HashMap::new();
    for view in &views {
        if !storages.contains_key(&view.storage) {
            let storage = content(&format!("{folder}data/{}", view.storage), left)?;
            left -= storage.len() as u64;
            storages.insert(view.storage.clone(), storage);
        }
    }
    let storage = |key: &str| storages.get(key).map(Vec::as_slice);
    views.iter().map(|view| view.read(storage)).collect()
}

/// Magic number, protocol, system, object, storage keys: five pickles; then every storage as its
/// length (i64) and its elements.
fn read_legacy(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    if !bytes.starts_with(LEGACY_MAGIC) {
        return Err("a pickle, but not a PyTorch checkpoint".into());
    }
    let mut at = LEGACY_MAGIC.len();
    let mut next = || {
        let pickle = Pickle::parse(&bytes[at..])?;
        at += pickle.n_bytes;
        Ok::<_, String>(pickle)
    };
    let (_protocol, _system, object, keys) = (next()?, next()?, next()?, next()?);
    let views = views(&object)?;
    check_total(&views, bytes.len())?;

    let sizes: HashMap<&str, usize> =
        views.iter().map(|view| (view.storage.as_str(), view.element.n_bytes())).collect();
    let all_sizes = storage_sizes(&object);
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    for &key in keys.sequence(keys.root()).ok_or("its list of storages is missing")? {
        let key = keys.text(key).ok_or("a storage without a name")?;
        let size = sizes.get(key).or_else(|| all_sizes.get(key)).copied();
        let size = size.ok_or_else(|| format!("storage {key} has no type"))?;
        let ends_early = || format!("it ends early, in storage {key}");
        let head = bytes.get(at..at + 8).and_then(|head| head.try_into().ok());
        let n_elements = u64::from_le_bytes(head.ok_or_else(ends_early)?);
        let n_bytes = usize::try_from(n_elements).ok().and_then(|n| n.checked_mul(size));
        let end = n_bytes.and_then(|n_bytes| n_bytes.checked_add(at + 8)).ok_or_else(ends_early)?;
        storages.insert(key, bytes.get(at + 8..end).ok_or_else(ends_early)?);
        at = end;
    }
    views.iter().map(|view| view.read(|key| storages.get(key).copied())).collect()
}

/// A tensor as a window on a storage.
struct View {
    name: String,
    element: Element,
    storage: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    fn n_elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size))
    }

    fn read<'a>(
        &self,
        storage: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<(String, Tensor), String> {
        let problem = |what: &str| format!("tensor {}: {what}", self.name);
        let bytes = storage(&self.storage).ok_or_else(|| problem("its storage is missing"))?;
        let contiguous = contiguous_strides(&self.shape);
        let n_elements = self.n_elements().unwrap_or(0);
        let size = self.element.n_bytes();
        if self.strides == contiguous || n_elements == 0 {
            let end = self.offset.checked_add(n_elements).and_then(|end| end.checked_mul(size));
            let window = end.and_then(|end| bytes.get(self.offset * size..end));
            let window = window.ok_or_else(|| problem("it reaches beyond its storage"))?;
            return Ok((self.name.clone(), tensor(self.element, &self.shape, window)?));
        }
        let mut gathered = Vec::with_capacity(n_elements * size);
        for flat in 0..n_elements {
            let position = |(&stride, (&whole, &size)): (&usize, (&usize, &usize))| {
                (flat / whole % size).checked_mul(stride)
            };
            let axes = self.strides.iter().zip(contiguous.iter().zip(&self.shape)).map(position);
            let mut axes = axes;
            let at = axes.try_fold(self.offset, |sum: usize, step| sum.checked_add(step?));
            let window = at.and_then(|at| bytes.get(at.checked_mul(size)?..)?.get(..size));
            gathered.extend(window.ok_or_else(|| problem("it reaches beyond its storage"))?);
        }
        Ok((self.name.clone(), tensor(self.element, &self.shape, &gathered)?))
    }
}

/// Views may share storages (tied weights); a file whose tensors blow up far beyond its own size
/// is an attack.
fn check_total(views: &[View], file_bytes: usize) -> Result<(), String> {
    let add = |sum: usize, view: &View| sum.checked_add(view.n_elements()?);
    match views.iter().try_fold(0, add) {
        Some(total) if total <= file_bytes => Ok(()),
        _ => Err("its tensors claim more elements than the file holds".into()),
    }
}

fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// The tensors of the state dict, wherever the checkpoint keeps it.
fn views(pickle: &Pickle) -> Result<Vec<View>, String> {
    if let Some(function) = pickle.dangerous_call() {
        return Err(format!(
            "opening it in Python would call {function}: it is malicious; get the weights elsewhere"
        ));
    }
    let mut dict = pickle.root();
    for _ in 0..4 {
        let views = views_in(pickle, dict)?;
        if !views.is_empty() {
            return Ok(views);
        }
        match nested(pickle, dict) {
            Some(inner) => dict = inner,
            None => break,
        }
    }
    let what = match pickle.get(pickle.root()) {
        Object::Call { callable, .. } => pickle.global(*callable),
        _ => None,
    };
    Err(match what {
        Some(class) => format!(
            "holds a pickled {class}, not a state dict; in Python: torch.save(model.state_dict(), FILE)"
        ),
        None => "holds no tensors where a state dict would have them".into(),
    })
}

fn views_in(pickle: &Pickle, dict: Id) -> Result<Vec<View>, String> {
    let Object::Dict(entries) = pickle.get(dict) else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for &(key, value) in entries {
        if let Some(name) = pickle.text(key) {
            views.extend(view(pickle, name, value)?);
        }
    }
    Ok(views)
}

fn nested(pickle: &Pickle, dict: Id) -> Option<Id> {
    let Object::Dict(entries) = pickle.get(dict) else { return None };
    let value = |wanted: &&str| {
        let entry = entries.iter().find(|(key, _)| pickle.text(*key) == Some(*wanted))?;
        matches!(pickle.get(entry.1), Object::Dict(_)).then_some(entry.1)
    };
    NESTED_KEYS.iter().find_map(value)
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, …)`, perhaps inside `_rebuild_parameter` or
/// `_rebuild_from_type_v2`; `None` for anything that is not a floating-point tensor.
fn view(pickle: &Pickle, name: &str, value: Id) -> Result<Option<View>, String> {
    let Some(args) = rebuild_args(pickle, value) else { return Ok(None) };
    let broken = || format!("tensor {name}: its description is broken");
    let [storage, offset, shape, strides, ..] = *args else { return Err(broken()) };
    let Some((class, key)) = storage_of(pickle, storage) else { return Err(broken()) };
    let Some(element) = Element::of_storage(class) else { return Ok(None) };
    let sizes = |id: Id| -> Option<Vec<usize>> {
        let size = |&id: &Id| pickle.int(id).and_then(|size| usize::try_from(size).ok());
        pickle.sequence(id)?.iter().map(size).collect()
    };
    let offset = pickle.int(offset).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.ok_or_else(broken)?;
    let (shape, strides) = sizes(shape).zip(sizes(strides)).ok_or_else(broken)?;
    if shape.len() != strides.len() {
        return Err(broken());
    }
    let (name, storage) = (name.to_owned(), key.to_owned());
    Ok(Some(View { name, element, storage, offset, shape, strides }))
}

fn rebuild_args(pickle: &Pickle, value: Id) -> Option<&[Id]> {
    let Object::Call { callable, args } = pickle.get(value) else { return None };
    let (mut function, mut args) = (pickle.global(*callable)?, pickle.sequence(*args)?);
    for _ in 0..3 {
        match function {
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                return Some(args);
            }
            "torch._utils._rebuild_parameter" => {
                let Object::Call { callable, args: inner } = pickle.get(*args.first()?) else {
                    return None;
                };
                (function, args) = (pickle.global(*callable)?, pickle.sequence(*inner)?);
            }
            "torch._tensor._rebuild_from_type_v2" => {
                (function, args) =
                    (pickle.global(*args.first()?)?, pickle.sequence(*args.get(2)?)?);
            }
            _ => return None,
        }
    }
    None
}

/// Class and key of a storage: `("storage", class, key, location, n_elements, …)`.
fn storage_of(pickle: &Pickle, id: Id) -> Option<(&str, &str)> {
    let Object::Persistent(id) = pickle.get(id) else { return None };
    let parts = pickle.sequence(*id)?;
    let is_storage = pickle.text(*parts.first()?)? == "storage";
    is_storage.then_some((pickle.global(*parts.get(1)?)?, pickle.text(*parts.get(2)?)?))
}

/// Bytes per element of every storage, for skipping those that hold no weights.
fn storage_sizes(pickle: &Pickle) -> HashMap<&str, usize> {
    let size = |id: Id| {
        let (class, key) = storage_of(pickle, id)?;
        let n_bytes = match class.rsplit('.').next()? {
            "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
            "FloatStorage" | "IntStorage" => 4,
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
            "ByteStorage" | "CharStorage" | "BoolStorage" => 1,
            _ => return None,
        };
        Some((key, n_bytes))
    };
    (0..pickle.n_objects()).filter_map(size).collect()
}
