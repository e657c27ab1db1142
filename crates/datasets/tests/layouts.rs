//! Every layout, as a miniature on disk; no file holds a picture, since none is opened.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use hsets_datasets::{Classes, Dataset, Layout, OpenOptions, PartLocation, Result, Split};
use tempfile::TempDir;

/// A folder with empty files of these names.
fn tree(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        write(root.path(), file, "");
    }
    root
}

fn write(root: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn open(root: &Path) -> Result<Dataset> {
    Dataset::open(root, &OpenOptions::default())
}

fn open_split(root: &Path, split: Split) -> Result<Dataset> {
    Dataset::open(root, &OpenOptions { split: Some(split), ..OpenOptions::default() })
}

/// Ids with names of classes.
fn listed(dataset: &Dataset) -> Vec<String> {
    let line = |s: &hsets_datasets::Sample| format!("{} {}", s.id, dataset.classes.name(s.class));
    dataset.samples.iter().map(line).collect()
}

#[track_caller]
fn refused(opened: Result<Dataset>, parts: &[&str]) {
    let error = opened.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_folder_per_class() {
    let files = ["b/2.png", "b/1.JPG", "a/deep/3.jpeg", "a/notes.txt", "a/.hidden.png", "list.txt"];
    let dataset = open(tree(&files).path()).unwrap();
    assert_eq!(dataset.layout, Layout::Folder);
    assert_eq!(listed(&dataset), ["a/deep/3.jpeg a", "b/1.JPG b", "b/2.png b"]);
}

#[test]
fn splits_of_folders() {
    let root = tree(&["train/a/1.png", "train/b/2.png", "val/b/3.png", "val/a/4.png"]);
    assert_eq!(listed(&open(root.path()).unwrap()), ["a/4.png a", "b/3.png b"]);
    let of = |split| listed(&open_split(root.path(), split).unwrap());
    assert_eq!(of(Split::Train), ["a/1.png a", "b/2.png b"]);
    assert_eq!(of(Split::Test), of(Split::Val));
    let all = ["train/a/1.png a", "val/a/4.png a", "train/b/2.png b", "val/b/3.png b"];
    assert_eq!(of(Split::All), all);
    let without = tree(&["train/a/1.png"]);
    refused(open(without.path()), &["split 'val' is missing", "val/"]);
    let plain = tree(&["a/1.png"]);
    refused(open_split(plain.path(), Split::Train), &["split 'train' is missing"]);
    // A class may have the name of a split.
    let trains = tree(&["train/1.png", "tram/2.png"]);
    assert_eq!(listed(&open(trains.path()).unwrap()), ["train/1.png train", "tram/2.png tram"]);
}

#[test]
fn imagenette_and_its_place_in_imagenet() {
    let wnids = [
        "n01440764",
        "n02102040",
        "n02979186",
        "n03000684",
        "n03028079",
        "n03394916",
        "n03417042",
        "n03425413",
        "n03445777",
        "n03888257",
    ];
    let files: Vec<String> = wnids
        .iter()
        .flat_map(|wnid| ["train", "val"].map(|split| format!("{split}/{wnid}/1.JPEG")))
        .collect();
    let root = tree(&files.iter().map(String::as_str).collect::<Vec<_>>());
    write(root.path(), "noisy_imagenette.csv", "path,noisy_labels_0\n");
    let dataset = open(root.path()).unwrap();
    assert_eq!((dataset.layout, dataset.samples.len()), (Layout::Imagenette, 10));
    let indices = dataset.classes.onto(&vec!["any"; 1000], None).unwrap().class_of;
    assert_eq!(indices, [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]);
    // The authors' heads of ten classes.
    assert_eq!(
        dataset.classes.onto(&["any"; 10], None).unwrap().class_of,
        (0..10).collect::<Vec<_>>()
    );
}

#[test]
fn imagenet_in_class_folders() {
    let root = tree(&["val/n01443537/ILSVRC2012_val_00000236.JPEG", "val/n01440764/x.JPEG"]);
    let options = OpenOptions { layout: Some(Layout::ImageNet), ..OpenOptions::default() };
    let dataset = Dataset::open(root.path(), &options).unwrap();
    assert_eq!(dataset.layout, Layout::ImageNet);
    assert_eq!(dataset.classes.onto(&vec![""; 1000], None).unwrap().class_of, [0, 1]);
    let other = tree(&["val/cat/1.JPEG"]);
    refused(Dataset::open(other.path(), &options), &["ILSVRC2012_img_val.tar", "n01440764"]);
}

#[test]
fn flat_imagenet_with_the_devkit() {
    let photos = ["val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000003.JPEG"];
    let root = tree(&photos);
    refused(open(root.path()), &["ground_truth.txt is missing", "ILSVRC2012_devkit_t12.tar.gz"]);
    let data = "ILSVRC2012_devkit_t12/data";
    let truth = format!("{data}/ILSVRC2012_validation_ground_truth.txt");
    // As the devkit begins: 490 is the sea snake, 171 the Pembroke.
    write(root.path(), &truth, "490\n361\n171\n");
    let dataset = open(root.path()).unwrap();
    assert_eq!(dataset.layout, Layout::ImageNet);
    let expected =
        ["ILSVRC2012_val_00000001.JPEG n01751748", "ILSVRC2012_val_00000003.JPEG n02105855"];
    assert_eq!(listed(&dataset), expected);
    assert_eq!([dataset.samples[0].class, dataset.samples[1].class], [65, 230]);
    for id in ["1001", "0", "-1", "x", ""] {
        write(root.path(), &truth, format!("490\n{id}\n171\n"));
        refused(open(root.path()), &["line 2", id]);
    }
    write(root.path(), &truth, "490\n");
    refused(open(root.path()), &["photo 3"]);
}

#[test]
fn flat_imagenet_with_kaggles_list() {
    let root = tree(&["ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG"]);
    let list = "ImageId,PredictionString\nILSVRC2012_val_00000002,n01443537 1 2 3 4 \n";
    write(root.path(), "LOC_val_solution.csv", list);
    let dataset = open(root.path()).unwrap();
    assert_eq!(listed(&dataset), ["ILSVRC2012_val_00000002.JPEG n01443537"]);
    write(root.path(), "LOC_val_solution.csv", "ImageId,PredictionString\nnonsense\n");
    refused(open(root.path()), &["line 2"]);
}

fn cub() -> TempDir {
    let root = tree(&[]);
    for (file, content) in [
        ("images.txt", "1 001.A/A 1.jpg\n2 001.A/A_2.jpg\n3 002.B/B_1.jpg\n"),
        ("image_class_labels.txt", "1 1\n2 1\n3 2\n"),
        ("classes.txt", "1 001.A\n2 002.B\n"),
        ("train_test_split.txt", "1 0\n2 1\n3 0\n"),
        ("bounding_boxes.txt", "1 60.0 27.0 325.0 304.0\n2 1 2 3 4\n3 5 6 7 8\n"),
        ("parts/parts.txt", "1 back\n2 left eye\n"),
        ("parts/part_locs.txt", "1 1 0.0 0.0 0\n1 2 312.0 182.5 1\n"),
    ] {
        write(root.path(), file, content);
    }
    root
}

#[test]
fn cub_with_boxes_and_parts() {
    let root = cub();
    let dataset = open(root.path()).unwrap();
    assert_eq!(dataset.layout, Layout::Cub);
    assert_eq!(listed(&dataset), ["001.A/A 1.jpg 001.A", "002.B/B_1.jpg 002.B"]);
    assert_eq!(dataset.classes, Classes::Named(vec!["001.A".into(), "002.B".into()]));
    let first = &dataset.samples[0];
    assert_eq!(first.path, root.path().join("images/001.A/A 1.jpg"));
    assert_eq!(first.annotations.bounding_box, Some([60.0, 27.0, 325.0, 304.0]));
    let eye = PartLocation { name: "left eye".into(), x: 312.0, y: 182.5 };
    assert_eq!(first.annotations.parts, [eye]);
    let train = open_split(root.path(), Split::Train).unwrap();
    assert_eq!(listed(&train), ["001.A/A_2.jpg 001.A"]);
    assert_eq!(open_split(root.path(), Split::All).unwrap().samples.len(), 3);
}

#[test]
fn cub_with_something_missing() {
    for (file, content, parts) in [
        ("train_test_split.txt", None, ["train_test_split.txt is missing", "CUB_200_2011.tgz"]),
        ("train_test_split.txt", Some("1 0\n"), ["train_test_split.txt", "image 2"]),
        ("classes.txt", Some("1 001.A\n"), ["classes.txt", "class 2"]),
        ("image_class_labels.txt", Some("1 1\n2 x\n3 2\n"), ["image_class_labels.txt", "at 2"]),
        ("images.txt", Some("1\n"), ["images.txt", "line 1"]),
        ("bounding_boxes.txt", Some("1 60.0\n"), ["bounding_boxes.txt", "line 1"]),
        ("parts/part_locs.txt", Some("1 9 1 1 1\n"), ["part_locs.txt", "image 1"]),
    ] {
        let root = cub();
        match content {
            Some(content) => write(root.path(), file, content),
            None => fs::remove_file(root.path().join(file)).unwrap(),
        }
        refused(open(root.path()), &parts);
    }
}

#[test]
fn csv_files() {
    let root = tree(&[]);
    let file = root.path().join("list.csv");
    let open_text = |text: &str, images: Option<&Path>| {
        fs::write(&file, text).unwrap();
        let images = images.map(Path::to_owned);
        Dataset::open(&file, &OpenOptions { images, ..OpenOptions::default() })
    };
    // With names of the columns, in any order; without them; names of classes; numbers.
    let named = open_text("size,Label,FILE\n3,cat,\"a, b.png\"\n4,ant,c.png\n", None).unwrap();
    assert_eq!(listed(&named), ["a, b.png cat", "c.png ant"]);
    assert_eq!(named.samples[0].path, root.path().join("a, b.png"));
    let plain = open_text("x/a.png,7\nx/b.png,0\n", Some(Path::new("/data"))).unwrap();
    assert_eq!(plain.classes, Classes::Numbered { n: 8 });
    assert_eq!(plain.samples[0].path, Path::new("/data/x/a.png"));
    assert_eq!(plain.samples[0].class, 7);
    refused(open_text("a.png\n", None), &["line 1", "path,label"]);
    refused(open_text("a.png,1\na.png,2\n", None), &["'a.png' is listed twice"]);
    refused(open_text("", None), &["list.csv", "picture is missing"]);
    // As others write them: a byte order mark, semicolons, tabs, other names of columns.
    for text in [
        "\u{feff}path,label\na.png,cat\n",
        "filepath;labels\na.png;cat\n",
        "filename\tclass_name\r\na.png\tcat\r\n",
        "a.png;cat\n",
        "\u{feff}a.png\tcat\n",
    ] {
        assert_eq!(listed(&open_text(text, None).unwrap()), ["a.png cat"], "{text:?}");
    }
    refused(
        open_text("picture_of,what\na.png,cat\n", None),
        &["line 1", "'picture_of'", "filepath"],
    );
    refused(open_text("a.png, \n", None), &["line 1", "found 'a.png,'"]);
    // Numbers too large for indices are names.
    let dates = open_text("a.png,18446744073709551615\nb.png,20260101\n", None).unwrap();
    assert_eq!(listed(&dates), ["a.png 18446744073709551615", "b.png 20260101"]);
    let numbers = open_text("a.png,999999\n", None).unwrap();
    assert_eq!(numbers.classes, Classes::Numbered { n: 1_000_000 });
}

#[test]
fn what_is_left_out_is_counted() {
    let root = tree(&["a/1.ppm", "a/2.heic", "a/3.HEIC", "a/notes", "b/4.tif", "b/._4.tif"]);
    let dataset = open(root.path()).unwrap();
    assert_eq!(listed(&dataset), ["a/1.ppm a", "b/4.tif b"]);
    let note = dataset.left_out_note().unwrap();
    assert_eq!(note, "left out: 2 .heic, 1 files without an ending");
    let none = tree(&["a/1.heic"]);
    refused(open(none.path()), &["picture is missing", "left out: 1 .heic"]);
}

#[test]
#[cfg(unix)]
fn links_neither_loop_nor_count_twice() {
    use std::os::unix::fs::symlink;
    let root = tree(&["a/1.png", "b/2.png", "b/deep/3.png"]);
    let link = |target: &str, name: &str| symlink(target, root.path().join(name)).unwrap();
    link(".", "a/self");
    link("..", "a/up");
    link("../b", "a/other");
    link("deep", "b/again");
    link("nowhere", "b/4.png");
    link("1.png", "a/5.png");
    let made = std::process::Command::new("mkfifo").arg(root.path().join("a/6.png")).status();
    assert!(made.unwrap().success());
    let dataset = open(root.path()).unwrap();
    let pictures = ["a/1.png a", "a/5.png a", "b/2.png b", "b/again/3.png b"];
    assert_eq!(listed(&dataset), pictures);
    let note = dataset.left_out_note().unwrap();
    assert!(note.contains("4 links to folders that count already"), "{note}");
    assert!(note.contains("1 links that lead nowhere") && note.contains("1 pipes"), "{note}");
    // The whole dataset may lie behind a link.
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(root.path(), elsewhere.path().join("data")).unwrap();
    assert_eq!(open(&elsewhere.path().join("data")).unwrap().samples.len(), 4);
}

#[test]
fn nothing_there() {
    let root = tree(&["readme.txt"]);
    refused(open(root.path()), &["a folder for each class is missing", "CSV"]);
    refused(open(&root.path().join("none")), &["none"]);
    fs::create_dir(root.path().join("empty")).unwrap();
    refused(open(root.path()), &["picture is missing"]);
    assert!("imagnet".parse::<Layout>().unwrap_err().to_string().contains("imagenet, imagenette"));
    assert!("dev".parse::<Split>().unwrap_err().to_string().contains("train, val"));
}
