//! `PyTorch` checkpoints (`.pth`, `.pt`, `.bin`): the zip form of version 1.6 and later, and the
//! earlier form, which many published weights still have.

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;

use candle_core::DType;

use crate::budget::Budget;
use crate::file::{Entry, Listing, short};
use crate::pickle::{Id, Object, Pickle};

/// How an earlier (non-zip) checkpoint begins: its magic number as a pickle of its own.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Names of tensors and storages are not longer.
const MAX_NAME: usize = 500;
/// How deep dicts may lie in one another.
const MAX_DEPTH: usize = 8;

/// Whether these bytes begin like a checkpoint.
pub(crate) fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK") || bytes.starts_with(&LEGACY_MAGIC[..4])
}

/// The floating-point tensors of a checkpoint.
pub(crate) fn list(bytes: &[u8]) -> Result<Listing, String> {
    let mut budget = Budget::of(bytes.len());
    let is_zip = bytes.starts_with(b"PK");
    let entries =
        if is_zip { list_zip(bytes, &mut budget)? } else { list_legacy(bytes, &mut budget)? };
    // Tensors may share storages (tied weights); a file whose tensors blow up far beyond its own
    // size is made to exhaust memory.
    let n_bytes = |entry: &Entry| {
        let n = entry.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size))?;
        n.checked_mul(entry.dtype.size_in_bytes())
    };
    let total = entries.iter().try_fold(0usize, |sum, entry| sum.checked_add(n_bytes(entry)?));
    if total.is_none_or(|total| total > 2 * bytes.len()) {
        return Err("its tensors claim more elements than the file holds".into());
    }
    Ok(Listing { entries, ..Listing::default() })
}

fn list_zip(bytes: &[u8], budget: &mut Budget) -> Result<Vec<Entry>, String> {
    let damaged = |error: zip::result::ZipError| format!("damaged checkpoint: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let pickle_name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .ok_or("a zip file, but not a PyTorch checkpoint (no data.pkl in it)")?
        .into_owned();
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    // Entries lie in the file as they are: PyTorch does not compress.
    let mut range = |name: &str| -> Result<Range<usize>, String> {
        let problem = |what: &str| format!("damaged checkpoint: {}: {what}", short(name));
        let file = archive.by_name(name).map_err(|error| problem(&error.to_string()))?;
        if file.compression() != zip::CompressionMethod::Stored {
            return Err(problem(
                "is compressed: unpack the archive and pack it without compression",
            ));
        }
        let size = usize::try_from(file.size()).ok();
        let start = file.data_start().and_then(|start| usize::try_from(start).ok());
        let end = start.zip(size).and_then(|(start, size)| start.checked_add(size));
        let range = start.zip(end).filter(|(_, end)| *end <= bytes.len());
        range.map(|(start, end)| start..end).ok_or_else(|| problem("it ends early"))
    };
    if let Ok(order) = range(&format!("{folder}byteorder"))
        && bytes[order].starts_with(b"big")
    {
        return Err("a big-endian checkpoint: save it again on a little-endian machine".into());
    }
    let pickle = Pickle::parse(&bytes[range(&pickle_name)?], budget)?;
    let views = views(&pickle, budget)?;
    let mut storages: HashMap<&str, Range<usize>> = HashMap::new();
    for view in &views {
        if !storages.contains_key(view.storage) {
            let storage = range(&format!("{folder}data/{}", view.storage))?;
            storages.insert(view.storage, storage);
        }
    }
    views.into_iter().map(|view| view.entry(|key| storages.get(key).cloned())).collect()
}

/// Magic number, protocol, system, object, storage keys: five pickles; then every storage as its
/// length (i64) and its elements.
fn list_legacy(bytes: &[u8], budget: &mut Budget) -> Result<Vec<Entry>, String> {
    if !bytes.starts_with(LEGACY_MAGIC) {
        return Err("a pickle, but not a PyTorch checkpoint".into());
    }
    let mut at = LEGACY_MAGIC.len();
    let mut next = || {
        let pickle = Pickle::parse(&bytes[at..], budget)?;
        at += pickle.n_bytes;
        Ok::<_, String>(pickle)
    };
    let (_protocol, _system, object, keys) = (next()?, next()?, next()?, next()?);
    let views = views(&object, budget)?;
    let sizes = storage_sizes(&object, budget)?;
    let mut storages: HashMap<&str, Range<usize>> = HashMap::new();
    for &key in keys.sequence(keys.root()).ok_or("its list of storages is missing")? {
        let key = keys.text(key).ok_or("a storage without a name")?;
        let size = sizes.get(key).copied();
        let size = size.ok_or_else(|| format!("storage {} has no type", short(key)))?;
        let ends_early = || format!("it ends early, in storage {}", short(key));
        let head = bytes.get(at..at + 8).and_then(|head| head.try_into().ok());
        let n_elements = u64::from_le_bytes(head.ok_or_else(ends_early)?);
        let n_bytes = usize::try_from(n_elements).ok().and_then(|n| n.checked_mul(size));
        let end = n_bytes.and_then(|n_bytes| n_bytes.checked_add(at + 8));
        let end = end.filter(|&end| end <= bytes.len()).ok_or_else(ends_early)?;
        budget.take(100)?;
        storages.insert(key, at + 8..end);
        at = end;
    }
    views.into_iter().map(|view| view.entry(|key| storages.get(key).cloned())).collect()
}

/// A tensor as a window on a storage.
struct View<'a> {
    name: String,
    n_outer: usize,
    dtype: DType,
    storage: &'a str,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View<'_> {
    /// The tensor with the place of its elements; fails if they are not all there.
    fn entry(self, storage: impl Fn(&str) -> Option<Range<usize>>) -> Result<Entry, String> {
        let problem = |what: &str| format!("tensor {}: {what}", short(&self.name));
        let storage = storage(self.storage).ok_or_else(|| problem("its storage is missing"))?;
        let size = self.dtype.size_in_bytes();
        let is_empty = self.shape.contains(&0);
        let last = |(&n, &stride): (&usize, &usize)| n.saturating_sub(1).checked_mul(stride);
        let mut axes = self.shape.iter().zip(&self.strides);
        let reach = axes.try_fold(self.offset, |sum, axis| sum.checked_add(last(axis)?));
        let end = reach.and_then(|last| last.checked_add(1)?.checked_mul(size));
        let end = end.and_then(|end| end.checked_add(storage.start));
        let beyond = || problem("it reaches beyond its storage");
        let end = end.filter(|&end| end <= storage.end || is_empty).ok_or_else(beyond)?;
        let strides =
            (!is_empty && self.strides != contiguous_strides(&self.shape)).then_some(self.strides);
        let first = storage.start + if is_empty { 0 } else { self.offset * size };
        let bytes = first..if is_empty { first } else { end };
        let Self { name, n_outer, dtype, shape, .. } = self;
        Ok(Entry { name, n_outer, dtype, shape, strides, part: 0, bytes })
    }
}

fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// All tensors in the dicts of a checkpoint.
fn views<'a>(pickle: &Pickle<'a>, budget: &mut Budget) -> Result<Vec<View<'a>>, String> {
    if let Object::Call { callable, .. } = pickle.get(pickle.root()) {
        let (module, name) = pickle.global(*callable).unwrap_or(("", "object"));
        return Err(format!(
            "holds a pickled {}, not a state dict; in Python: torch.save(model.state_dict(), FILE)",
            short(&format!("{module}.{name}"))
        ));
    }
    if let Some((module, name)) = pickle.foreign_call() {
        return Err(format!(
            "opening it in Python would call {}, which torch.load(weights_only=True) refuses, too: \
             it may be malicious; get it elsewhere, or save the state dict alone",
            short(&format!("{module}.{name}"))
        ));
    }
    let mut views = Vec::new();
    // Each dict is looked at once, wherever it is met first: they may contain one another.
    let mut met = vec![false; pickle.ids().len()];
    let mut waiting: Vec<(String, Id, usize)> = vec![(String::new(), pickle.root(), 0)];
    let mut at = 0;
    while at < waiting.len() {
        let (prefix, dict, depth) = std::mem::take(&mut waiting[at]);
        at += 1;
        let Object::Dict(entries) = pickle.get(dict) else { continue };
        if std::mem::replace(&mut met[dict as usize], true) {
            continue;
        }
        for &(key, value) in entries {
            let Some(key) = pickle.text(key).filter(|key| key.len() <= MAX_NAME) else { continue };
            let is_dict = matches!(pickle.get(value), Object::Dict(_)) && depth < MAX_DEPTH;
            let args = rebuild_args(pickle, value);
            if !is_dict && args.is_none() {
                continue;
            }
            budget.take(200 + 2 * (prefix.len() + key.len()))?;
            let name = format!("{prefix}{key}");
            match args {
                None => waiting.push((name + ".", value, depth + 1)),
                Some(args) => views.extend(view(pickle, name, prefix.len(), args, budget)?),
            }
        }
    }
    if views.is_empty() {
        return Err("holds no tensors where a state dict would have them".into());
    }
    Ok(views)
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, …)`; `None` for what does not hold
/// floating-point numbers.
fn view<'a>(
    pickle: &Pickle<'a>,
    name: String,
    n_outer: usize,
    args: &[Id],
    budget: &mut Budget,
) -> Result<Option<View<'a>>, String> {
    let broken = || format!("tensor {}: its description is broken", short(&name));
    // The last argument, if there, says that the elements are meant negated or conjugated.
    if let Some(Object::Dict(bits)) = args.get(6).map(|&bits| pickle.get(bits))
        && !bits.is_empty()
    {
        let name = short(&name);
        return Err(format!(
            "tensor {name}: a view that is negated or conjugated; save a copy of it"
        ));
    }
    let [storage, offset, shape, strides, ..] = *args else { return Err(broken()) };
    let Some((class, key)) = storage_of(pickle, storage) else { return Err(broken()) };
    let dtype = match class {
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        _ => return Ok(None),
    };
    if key.len() > MAX_NAME {
        return Err(broken());
    }
    let mut sizes = |id: Id| -> Option<Vec<usize>> {
        let items = pickle.sequence(id)?;
        budget.take(size_of::<usize>() * items.len()).ok()?;
        let size = |&id: &Id| pickle.int(id).and_then(|size| usize::try_from(size).ok());
        items.iter().map(size).collect()
    };
    let (shape, strides) = sizes(shape).zip(sizes(strides)).ok_or_else(broken)?;
    let offset = pickle.int(offset).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.ok_or_else(broken)?;
    if shape.len() != strides.len() {
        return Err(broken());
    }
    Ok(Some(View { name, n_outer, dtype, storage: key, offset, shape, strides }))
}

/// The arguments of `_rebuild_tensor_v2`, perhaps inside `_rebuild_parameter` or
/// `_rebuild_from_type_v2`; `None` for anything else.
fn rebuild_args<'p>(pickle: &'p Pickle<'_>, value: Id) -> Option<&'p [Id]> {
    let Object::Call { callable, args } = pickle.get(value) else { return None };
    let (mut function, mut args) = (pickle.global(*callable)?, pickle.sequence(*args)?);
    for _ in 0..3 {
        match function {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => return Some(args),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                let Object::Call { callable, args: inner } = pickle.get(*args.first()?) else {
                    return None;
                };
                (function, args) = (pickle.global(*callable)?, pickle.sequence(*inner)?);
            }
            ("torch._tensor", "_rebuild_from_type_v2") => {
                (function, args) =
                    (pickle.global(*args.first()?)?, pickle.sequence(*args.get(2)?)?);
            }
            _ => return None,
        }
    }
    None
}

/// Class and key of a storage: `("storage", class, key, location, n_elements, …)`.
fn storage_of<'a>(pickle: &Pickle<'a>, id: Id) -> Option<(&'a str, &'a str)> {
    let Object::Persistent(id) = pickle.get(id) else { return None };
    let parts = pickle.sequence(*id)?;
    let is_storage = pickle.text(*parts.first()?)? == "storage";
    let (_, class) = pickle.global(*parts.get(1)?)?;
    is_storage.then_some((class, pickle.text(*parts.get(2)?)?))
}

/// Bytes per element of every storage: those that hold no weights must be skipped.
fn storage_sizes<'a>(
    pickle: &Pickle<'a>,
    budget: &mut Budget,
) -> Result<HashMap<&'a str, usize>, String> {
    let mut sizes = HashMap::new();
    for id in pickle.ids() {
        let Some((class, key)) = storage_of(pickle, id) else { continue };
        let n_bytes = match class {
            "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
            "FloatStorage" | "IntStorage" => 4,
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
            "ByteStorage" | "CharStorage" | "BoolStorage" => 1,
            _ => continue,
        };
        budget.take(60)?;
        sizes.insert(key, n_bytes);
    }
    Ok(sizes)
}
