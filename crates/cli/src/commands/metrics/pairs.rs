//! Which picture does a map explain?

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::bail;
use hsets_datasets::is_picture;
use hsets_pipeline::core::Error;

/// A map and the picture it explains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The picture's name: its path below the folder that was given, without the ending.
    pub(super) name: PathBuf,
    pub(super) map: PathBuf,
    pub(super) input: PathBuf,
}

/// A file, and its path below the folder that was given, without the ending.
struct Listed {
    name: PathBuf,
    file: PathBuf,
}

/// One input takes all maps; files are paired by order. With folders, names decide: the paths
/// below the folders, or, where one side has no folders, the last part of them. A pair that is not
/// the only one is an error.
pub(super) fn of(maps: &[PathBuf], inputs: &[PathBuf]) -> anyhow::Result<Vec<Pair>> {
    let by_order = !maps.iter().chain(inputs).any(|path| path.is_dir());
    let maps = listed(maps, "files that end in .npy or .safetensors", |name| {
        matches!(ending(name).as_str(), "npy" | "safetensors")
    })?;
    let inputs = listed(inputs, "pictures", is_picture)?;
    let pair = |map: Listed, input: &Listed| Pair {
        name: name_of_map(&map.name),
        map: map.file,
        input: input.file.clone(),
    };
    if let [input] = &inputs[..] {
        return Ok(maps.into_iter().map(|map| pair(map, input)).collect());
    }
    if by_order {
        if maps.len() != inputs.len() {
            let expected = format!("as many as inputs, {}, or a single input", inputs.len());
            return Err(Error::config("map", maps.len(), expected).into());
        }
        return Ok(maps.into_iter().zip(&inputs).map(|(map, input)| pair(map, input)).collect());
    }
    let names = maps.iter().map(|map| name_of_map(&map.name));
    let maps_by_last = grouped(names, |name| last(&name));
    let by_path = grouped(inputs.iter(), |input| input.name.clone());
    let by_last = grouped(inputs.iter(), |input| last(&input.name));
    let find = |map: Listed| {
        let name = name_of_map(&map.name);
        let refused = |expected: String| Error::config("map", map.file.display(), expected);
        let found = match by_path.get(&name) {
            Some(found) => found,
            None => match by_last.get(&last(&name)) {
                Some(found) if maps_by_last[&last(&name)].len() == 1 => found,
                Some(_) => {
                    let why = "several maps have this name: put them in folders as the inputs are";
                    return Err(refused(why.into()));
                }
                None => return Err(refused(format!("an input named {}", name.display()))),
            },
        };
        if let [input] = found[..] {
            return Ok(pair(map, input));
        }
        let found = found.iter().map(|input| input.file.display().to_string());
        let found = found.collect::<Vec<_>>().join(", ");
        Err(refused(format!("one input of this name, found {found}")))
    };
    Ok(maps.into_iter().map(find).collect::<Result<_, _>>()?)
}

fn grouped<K: Ord, T>(items: impl Iterator<Item = T>, key: impl Fn(T) -> K) -> BTreeMap<K, Vec<T>>
where
    T: Clone,
{
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for item in items {
        groups.entry(key(item.clone())).or_default().push(item);
    }
    groups
}

/// Files, and those that `fits` in folders and their folders, in order. Hidden ones are left out.
fn listed(
    paths: &[PathBuf],
    what: &str,
    fits: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Listed>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            // `cat/maps.safetensors`, as `explain` writes it, is the map of `cat`.
            let name = path.parent().and_then(Path::file_name).map_or(name.clone(), |folder| {
                if stem(&name) == "maps" { Path::new(folder).join(&name) } else { name }
            });
            files.push(Listed { name: name.with_extension(""), file: path.clone() });
            continue;
        }
        let before = files.len();
        gather(path, Path::new(""), &fits, &mut Vec::new(), &mut files)?;
        if files.len() == before {
            bail!("{}: no {what}", path.display());
        }
    }
    Ok(files)
}

/// `above` are the folders on the way here: a link to one of them leads nowhere new.
fn gather(
    folder: &Path,
    name: &Path,
    fits: &impl Fn(&str) -> bool,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<Listed>,
) -> std::io::Result<()> {
    let real = folder.canonicalize()?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    let entries: std::io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let last = path.file_name().unwrap_or_default();
        let shown = last.to_string_lossy();
        if shown.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            gather(&path, &name.join(last), fits, above, files)?;
        } else if path.is_file() && fits(&shown) {
            let name = name.join(last).with_extension("");
            files.push(Listed { name, file: path });
        }
    }
    above.pop();
    Ok(())
}

fn ending(name: &str) -> String {
    Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The last part of a name.
fn last(name: &Path) -> PathBuf {
    name.file_name().map(PathBuf::from).unwrap_or_default()
}

/// The picture's name: of `cat/maps`, as `explain` writes it, it is `cat`.
fn name_of_map(name: &Path) -> PathBuf {
    match name.parent() {
        Some(folder) if name.ends_with("maps") && folder != Path::new("") => folder.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with empty files of these names.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn found(files: &[&str]) -> Result<Vec<String>, String> {
        let root = tree(files);
        let [maps, photos] = ["maps", "photos"].map(|folder| root.path().join(folder));
        let below = |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
        let pairs = of(&[maps], &[photos]).map_err(|error| error.to_string())?;
        Ok(pairs
            .into_iter()
            .map(|pair| format!("{} {}", below(pair.map), below(pair.input)))
            .collect())
    }

    #[test]
    fn paths_below_the_folders_pair() {
        let files = [
            "maps/cat/001.npy",
            "maps/dog/001.npy",
            "photos/cat/001.png",
            "photos/dog/001.tif",
            "maps/._a.npy",
            "maps/a.npy",
            "photos/a.JPG",
            "photos/._a.JPG",
        ];
        let expected = [
            "maps/a.npy photos/a.JPG",
            "maps/cat/001.npy photos/cat/001.png",
            "maps/dog/001.npy photos/dog/001.tif",
        ];
        assert_eq!(found(&files).unwrap(), expected);
        // As `explain` writes them: a folder for each picture.
        let files = [
            "maps/a/maps.safetensors",
            "maps/b/maps.safetensors",
            "photos/x/a.jpg",
            "photos/y/b.jpg",
        ];
        let expected =
            ["maps/a/maps.safetensors photos/x/a.jpg", "maps/b/maps.safetensors photos/y/b.jpg"];
        assert_eq!(found(&files).unwrap(), expected);
    }

    #[test]
    fn pairs_that_are_not_unique_are_refused() {
        let files = ["maps/x.npy", "photos/x.jpg", "photos/x.png"];
        assert!(found(&files).unwrap_err().contains("one input of this name"));
        let files = ["maps/001.npy", "photos/cat/001.png", "photos/dog/001.png"];
        assert!(found(&files).unwrap_err().contains("photos/dog/001.png"));
        let files = ["maps/a/1.npy", "maps/b/1.npy", "photos/1.png", "photos/2.png"];
        assert!(found(&files).unwrap_err().contains("several maps"));
        let files = ["maps/a/1.npy", "photos/b/2.png", "photos/c/3.png"];
        assert!(found(&files).unwrap_err().contains("an input named a/1"));
    }

    #[test]
    #[cfg(unix)]
    fn links_that_lead_back_are_followed_once() {
        let root = tree(&["maps/a.npy", "photos/a.png"]);
        std::os::unix::fs::symlink(".", root.path().join("photos/again")).unwrap();
        let [maps, photos] = ["maps", "photos"].map(|folder| root.path().join(folder));
        assert_eq!(of(&[maps], &[photos]).unwrap().len(), 1);
    }

    #[test]
    fn names_of_maps() {
        assert_eq!(name_of_map(Path::new("out/cat/maps")), Path::new("out/cat"));
        assert_eq!(name_of_map(Path::new("cat")), Path::new("cat"));
        assert_eq!(name_of_map(Path::new("maps")), Path::new("maps"));
    }
}
