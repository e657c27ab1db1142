//! Files to begin from: of `fixtures/`, or written as this program writes them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use hsets_autodiff::{Graph, GraphBuilder};
use hsets_datasets::{Annotations, Classes, Dataset, Layout, Sample};
use hsets_evaluation::{
    Candidate, DatasetPlan, Finished, MethodPlan, ModelPlan, Plan, Row, Selection, Shard, Store,
    Timing, Verdict, Work,
};
use hsets_pipeline::core::Shape;
use hsets_training::{Optimizer, State};
use serde_json::json;

/// Of the maps.
pub(super) const MAP: Shape = Shape::new(3, 1, 2);
pub(super) const OPTIMIZER: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false };
pub(super) const JOB: &str = "job: none";

/// The lists of a dataset in CUB's layout.
pub(super) const CUB: [(&str, &str); 7] = [
    ("images.txt", "1 a/b.jpg\n2 a/c.jpg\n"),
    ("image_class_labels.txt", "1 1\n2 1\n"),
    ("classes.txt", "1 a\n"),
    ("train_test_split.txt", "1 0\n2 1\n"),
    ("bounding_boxes.txt", "1 60.0 27 1 2\n"),
    ("parts/parts.txt", "1 back\n"),
    ("parts/part_locs.txt", "1 1 60.0 27 1\n"),
];

/// Those of the files that are there: a test asks that none lacks.
fn fixtures(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    names.iter().filter_map(|name| fs::read(folder.join(name)).ok()).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn checkpoints() -> Vec<Vec<u8>> {
    fixtures(&[
        "models/checkpoints/plain.pth",
        "models/checkpoints/nested.pth",
        "models/checkpoints/legacy.pth",
        "models/checkpoints/protocol4.pt",
        "weights/lightning.ckpt",
        "weights/average.pth",
        "weights/legacy.pth",
        "sam/nested.pth",
        "sam/legacy.pth",
    ])
}

pub(super) fn plain() -> Vec<u8> {
    safetensors().concat()
}

pub(super) fn safetensors() -> Vec<Vec<u8>> {
    fixtures(&["models/checkpoints/plain.safetensors"])
}

pub(super) fn index() -> Vec<Vec<u8>> {
    texts(&[r#"{"metadata":{"total_size":8},"weight_map":{"a":"a.safetensors"}}"#])
}

pub(super) fn small_network() -> Vec<u8> {
    fixtures(&["truth/additive-bag-0.safetensors"]).concat()
}

pub(super) fn config() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"architecture":"bag9","num_classes":3,"pretrained_cfg":{"mean":[0.5,0.5,0.5],
            "std":[0.5,0.5,0.5],"input_size":[3,32,32],"interpolation":"bicubic","crop_pct":0.9,
            "label_names":["a","b","c"],"global_pool":"avg"},"model_args":{"in_chans":3}}"#,
        r#"{"id2label":{"0":"a","1":"b","2":"c"},"hidden_act":"relu","batch_norm_eps":1e-5,
            "padding":"same"}"#,
        r#"{"do_center_crop":true,"crop_size":{"height":32,"width":32},"size":{"shortest_edge":36},
            "image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5],"resample":3,"crop_pct":0.9}"#,
    ])
}

pub(super) fn onnx() -> Vec<Vec<u8>> {
    let names =
        ["keras", "convolutions-new", "convolutions-old17", "tokens-old17", "classic-old17"];
    names.iter().flat_map(|name| fixtures(&[&format!("onnx/{name}.onnx")])).collect()
}

pub(super) fn labels() -> Vec<Vec<u8>> {
    texts(&[
        r#"["cat", "dog"]"#,
        r#"{"0": ["n01440764", "tench"], "1": "dog"}"#,
        r#"{"id2label": {"0": "tench", "1": "b"}}"#,
        "cat\ndog\n",
    ])
}

pub(super) fn photos() -> Vec<Vec<u8>> {
    let names = [
        "animated.gif",
        "animated.webp",
        "bilevel.png",
        "exif6.jpg",
        "grey.jpg",
        "grey16.png",
        "grey_alpha.png",
        "lossless.webp",
        "palette.png",
        "progressive.jpg",
        "rgb.bmp",
        "rgb.png",
        "rgb.tiff",
        "rgba.png",
    ];
    let mut photos = names.map(|name| format!("models/images/{name}")).to_vec();
    photos.push("segmentation/flat.png".into());
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    let maps = texts(&["P1 2 2 0 1 1 0", "P3 1 1 255 1 2 3", "P6 1 1 255 abc"]);
    [fixtures(&photos), maps].concat()
}

pub(super) fn label_maps() -> Vec<Vec<u8>> {
    fixtures(&[
        "segmentation/palette.png",
        "segmentation/flat.photo.png",
        "models/images/grey16.png",
        "models/images/bilevel.png",
        "models/images/rgba.png",
    ])
}

pub(super) fn npy() -> Vec<Vec<u8>> {
    let file = |version: u8, kind: &str, order: &str, dims: &str, data: &[u8]| {
        let header =
            format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {dims}, }}\n");
        let length = (header.len() as u32).to_le_bytes();
        let length = &length[..if version == 1 { 2 } else { 4 }];
        [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), data].concat()
    };
    vec![
        file(1, "<f4", "False", "(1, 2)", &[0; 8]),
        file(1, ">f8", "True", "(3, 1, 2)", &[0; 48]),
        file(2, "|u1", "False", "(1, 1, 1, 2)", &[1; 2]),
        file(3, "<i8", "False", "(1L, 2L)", &[1; 16]),
        file(1, "<f2", "False", "(1, 2)", &[0; 4]),
    ]
}

/// Maps as this program writes tensors.
pub(super) fn maps() -> Vec<Vec<u8>> {
    let file = |kind: &str, n_bytes: usize| {
        let header =
            format!(r#"{{"map":{{"dtype":"{kind}","shape":[1,2],"data_offsets":[0,{n_bytes}]}}}}"#);
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; n_bytes]].concat()
    };
    vec![file("F32", 8), file("BF16", 4), file("U8", 2), file("I64", 16)]
}

pub(super) fn devkit() -> Vec<Vec<u8>> {
    texts(&["490\n361\n171\n"])
}

pub(super) fn kaggle() -> Vec<Vec<u8>> {
    texts(&["ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 1 2 3 4 \n"])
}

pub(super) fn cub() -> Vec<Vec<u8>> {
    let seed = |(which, (_, text)): (u8, &(_, &str))| [&[which], text.as_bytes()].concat();
    (0..).zip(&CUB).map(seed).collect()
}

pub(super) fn csv() -> Vec<Vec<u8>> {
    texts(&[
        "path,label\na.png,cat\n\"b,c.png\",\"d\"\"og\"\n",
        "a.png;7\nb.png;0\n",
        "file\twnid\na\tn01440764\n",
    ])
}

pub(super) fn mask_cache() -> Vec<Vec<u8>> {
    let mask = r#"{"runs":[1,2,1],"predicted_iou":0.9,"stability_score":0.9,"point":[0.5,0.5],"crop":[0,0,2,2]}"#;
    texts(&[&format!("[{mask}]"), "[]"])
}

pub(super) fn by_hand() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"sets":["0.3.5.3"],"taken_away":{"regions":["1.2.a.4"],"reference":"blur"}}"#,
        r#"{"measured":{"region":"0.3","partners":["5.3","9.1"]}}"#,
        "{}",
    ])
}

pub(super) fn training_checkpoint() -> Vec<Vec<u8>> {
    let (state, graph) = state();
    vec![state.to_bytes(&graph, OPTIMIZER, JOB)]
}

/// The state of a small network at its beginning, and the network.
pub(super) fn state() -> (State, Graph) {
    let mut builder = GraphBuilder::new(Shape::new(1, 1, 2));
    let input = builder.input();
    let flat = builder.flatten(input);
    // Two numbers have a linear layer; a checkpoint of a network without one would not be taken.
    let logits = builder.linear(flat, "head", 2).unwrap_or(flat);
    let graph = builder.finish(logits);
    let values = graph.parameters().iter().map(|p| vec![0.5; p.shape.iter().product()]);
    (State::new(values.collect()), graph)
}

/// A file of results as it is written, and one of many small pages, which have less unused room.
pub(super) fn results() -> Vec<Vec<u8>> {
    let small = || {
        let written = written_results()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("r.db");
        fs::write(&path, &written)?;
        let connection = rusqlite::Connection::open(&path)?;
        connection.execute_batch("PRAGMA page_size = 512; VACUUM")?;
        drop(connection);
        anyhow::Ok(vec![written, fs::read(&path)?])
    };
    small().unwrap_or_default()
}

fn written_results() -> anyhow::Result<Vec<u8>> {
    let sample = |id: &str| Sample {
        id: id.into(),
        path: id.into(),
        class: 0,
        annotations: Annotations::default(),
    };
    let dataset = Dataset {
        layout: Layout::Folder,
        classes: Classes::Named(vec!["cat".into()]),
        samples: vec![sample("cat/1.png"), sample("cat/2.png")],
        left_out: BTreeMap::new(),
    };
    let model =
        ModelPlan { name: "m".into(), weights_sha256: "w".into(), settings: json!({ "size": 4 }) };
    let method = MethodPlan { name: "ig".into(), settings: json!({ "steps": 8 }) };
    let plan = Plan {
        format: Plan::FORMAT,
        dataset: DatasetPlan::of(&dataset),
        selection: Selection { samples: None, seed: 5, correct_only: true },
        runs: 1,
        seed: 10,
        models: vec![model],
        methods: vec![method],
        metrics: vec!["gini".into()],
        metric_settings: json!({}),
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("r.db");
    let mut store = Store::open(&path, &plan, Shard::WHOLE, "hsets 1", false)?;
    let candidate = Candidate {
        model: "m".into(),
        rank: 0,
        image: "cat/1.png".into(),
        class: 0,
        predicted: Some(0),
        probability: Some(0.5),
        verdict: Verdict::Chosen,
        reason: None,
    };
    store.add_candidates(std::slice::from_ref(&candidate))?;
    let row = Row {
        model: "m".into(),
        image: "cat/1.png".into(),
        method: "ig".into(),
        run: 0,
        seed: plan.seed_of(0),
        class: 0,
        explained: Some(0),
        failure: None,
        n_sets: 1,
        work: Work::default(),
        settings_hash: plan.settings_hash(&plan.models[0], &plan.methods[0]),
        weights_hash: "w".into(),
        code_version: "hsets 1".into(),
        metrics: vec![Some(0.5)],
    };
    let timing = Timing { seconds: 0.5, stages: vec![("detection".into(), 0.5)] };
    store.add_picture(&candidate, &Finished { rows: vec![(row, Some(timing))], seconds: 1.0 })?;
    drop(store);
    fs::read(&path).context("a file of results")
}
