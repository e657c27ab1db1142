//! Every parser of bytes that anyone may have written, as a function of bytes that must come back:
//! `fuzz/` calls them with what libFuzzer thinks of, `tests/parsers.rs` with changed seeds.

#[path = "../../crates/cli/src/map_file.rs"]
mod map_file;
mod png;
mod seeds;

use std::{
    fs,
    path::{Path, PathBuf},
};

use hsets_datasets::{Dataset, Layout, OpenOptions};
use hsets_evaluation::{Results, Shard, Statistics};
use hsets_explorer::ByHand;
use hsets_models::{Classifier, Exif, Labels, LoadOptions, OnnxFile, decode_photo};
use hsets_pipeline::{
    core::{Photo, Shape, Silent},
    segmentation::{LabelMap, sam::MaskCache},
};
use hsets_training::State;
use hsets_weights::TensorFile;

/// A parser.
pub struct Parser {
    /// The name, which its fuzz target has as well.
    pub name: &'static str,
    /// Small files to begin from, which are read without an error.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads bytes as a file of this kind, in a folder that it may fill. Says whether it took them.
    pub read: fn(&Path, &[u8]) -> bool,
}

impl Parser {
    /// Most bytes of memory that a file of `n_bytes` may take. Pictures are bounded by their pixels:
    /// a small compressed file may hold many.
    pub fn max_memory(&self, n_bytes: usize) -> usize {
        let is_picture = matches!(self.name, "photo" | "label_map");
        16 * n_bytes + if is_picture { 1 << 30 } else { 64 << 20 }
    }
}

/// The parser of this name.
pub fn parser(name: &str) -> Option<&'static Parser> {
    PARSERS.iter().find(|parser| parser.name == name)
}

/// All of them.
pub const PARSERS: &[Parser] = &[
    Parser {
        name: "checkpoint",
        seeds: seeds::checkpoints,
        read: |_, bytes| weights("w.pth", bytes),
    },
    Parser {
        name: "safetensors",
        seeds: seeds::safetensors,
        read: |_, bytes| weights("w.safetensors", bytes),
    },
    Parser { name: "index", seeds: seeds::index, read: index },
    Parser { name: "config", seeds: seeds::config, read: config },
    Parser {
        name: "onnx",
        seeds: seeds::onnx,
        read: |place, bytes| {
            let Ok(file) = OnnxFile::read(&put(place, "net.onnx", bytes)) else { return false };
            let choices = [(None, None), (Some([8, 8]), Some("q"))];
            choices.into_iter().any(|(size, output)| file.reading(size, output).is_ok())
        },
    },
    Parser {
        name: "labels",
        seeds: seeds::labels,
        read: |place, bytes| Labels::read(&put(place, "labels.json", bytes)).is_ok(),
    },
    Parser {
        name: "photo",
        seeds: seeds::photos,
        read: |_, bytes| decode_photo(&png::sealed(bytes), Path::new("photo"), Exif::Obey).is_ok(),
    },
    Parser {
        name: "label_map",
        seeds: seeds::label_maps,
        read: |_, bytes| LabelMap::decode(&png::sealed(bytes)).is_ok(),
    },
    Parser {
        name: "npy",
        seeds: seeds::npy,
        read: |place, bytes| {
            let path = put(place, "map.npy", bytes);
            map_file::read_map(&path, None, seeds::MAP).is_ok()
        },
    },
    Parser {
        name: "map",
        seeds: seeds::maps,
        read: |place, bytes| {
            let path = put(place, "map.safetensors", bytes);
            map_file::read_map(&path, None, seeds::MAP).is_ok()
        },
    },
    Parser { name: "devkit", seeds: seeds::devkit, read: devkit },
    Parser { name: "kaggle", seeds: seeds::kaggle, read: kaggle },
    Parser { name: "cub", seeds: seeds::cub, read: cub },
    Parser {
        name: "csv",
        seeds: seeds::csv,
        read: |place, bytes| {
            let path = put(place, "list.csv", bytes);
            Dataset::open(&path, &OpenOptions::default()).is_ok()
        },
    },
    Parser { name: "mask_cache", seeds: seeds::mask_cache, read: mask_cache },
    Parser { name: "results", seeds: seeds::results, read: results },
    Parser {
        name: "training_checkpoint",
        seeds: seeds::training_checkpoint,
        read: |_, bytes| {
            let (_, graph) = seeds::state();
            State::from_bytes(Path::new("c"), bytes, &graph, seeds::OPTIMIZER, seeds::JOB).is_ok()
        },
    },
    Parser {
        name: "by_hand",
        seeds: seeds::by_hand,
        read: |place, bytes| {
            let steps = ByHand::open(&put(place, "by-hand.json", bytes));
            steps.is_ok_and(|steps| steps.sets(Shape::new(3, 8, 8)).is_ok())
        },
    },
];

/// Writes a file. Where that fails, the parser finds none.
fn put(place: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = place.join(name);
    let _ = fs::write(&path, bytes);
    path
}

/// Writes a file that the parser needs besides, once.
fn put_once(place: &Path, name: &str, bytes: impl FnOnce() -> Vec<u8>) -> PathBuf {
    let path = place.join(name);
    if path.exists() { path } else { put(place, name, &bytes()) }
}

/// Lists what is in a weight file, and reads all of it.
fn weights(name: &str, bytes: &[u8]) -> bool {
    let file = TensorFile::from_bytes(Path::new(name), bytes.to_vec());
    file.is_ok_and(|file| reads_whole(&file))
}

fn reads_whole(file: &TensorFile) -> bool {
    let mut names = file.names();
    names.all(|name| file.tensor(name).is_ok())
}

fn index(place: &Path, bytes: &[u8]) -> bool {
    put_once(place, "a.safetensors", seeds::plain);
    let file = TensorFile::read(&put(place, "w.safetensors.index.json", bytes));
    file.is_ok_and(|file| reads_whole(&file))
}

/// The same bytes as both files that may lie beside weights.
fn config(place: &Path, bytes: &[u8]) -> bool {
    let weights = Some(put_once(place, "w.safetensors", seeds::small_network));
    let options = LoadOptions { weights, ..LoadOptions::default() };
    let files = ["config.json", "preprocessor_config.json"];
    files.map(|name| {
        let path = put(place, name, bytes);
        let is_taken = Classifier::load(&options, &Silent).is_ok();
        let _ = fs::remove_file(path);
        is_taken
    }) == [true; 2]
}

fn open(place: &Path, layout: Layout) -> bool {
    let options = OpenOptions { layout: Some(layout), ..OpenOptions::default() };
    Dataset::open(place, &options).is_ok()
}

const PHOTO: &str = "ILSVRC2012_val_00000001.JPEG";

fn devkit(place: &Path, bytes: &[u8]) -> bool {
    put_once(place, PHOTO, Vec::new);
    put(place, "ILSVRC2012_validation_ground_truth.txt", bytes);
    open(place, Layout::ImageNet)
}

fn kaggle(place: &Path, bytes: &[u8]) -> bool {
    put_once(place, PHOTO, Vec::new);
    put(place, "LOC_val_solution.csv", bytes);
    open(place, Layout::ImageNet)
}

/// All bytes but the first as one of the lists of CUB: the first says which.
fn cub(place: &Path, bytes: &[u8]) -> bool {
    let _ = fs::create_dir_all(place.join("parts"));
    let lists = seeds::CUB;
    lists.iter().for_each(|(name, text)| drop(put_once(place, name, || text.as_bytes().to_vec())));
    let Some((&which, bytes)) = bytes.split_first() else { return false };
    let (name, text) = lists[usize::from(which) % lists.len()];
    put(place, name, bytes);
    let is_taken = open(place, Layout::Cub);
    put(place, name, text.as_bytes());
    is_taken
}

fn mask_cache(place: &Path, bytes: &[u8]) -> bool {
    put(place, "sam-key.json", bytes);
    let photo = Photo::new(2, 2, vec![0; 12]);
    let cache = MaskCache::new(place);
    matches!((cache, photo), (Ok(cache), Ok(photo)) if cache.load("key", &photo).is_some())
}

/// Opens results, and reads all that others make of them.
fn results(place: &Path, bytes: &[u8]) -> bool {
    let Ok(results) = Results::open(&put(place, "r.db", bytes)) else { return false };
    let read = || {
        results.rows()?;
        results.candidates()?;
        results.missing(Shard::WHOLE, 1)?;
        Statistics::of(&results)
    };
    read().is_ok()
}
