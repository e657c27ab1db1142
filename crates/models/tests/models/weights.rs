//! Weight files: every form PyTorch writes, every naming, and hostile ones.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use hsets_autodiff::Weights;
use hsets_core::{Image, Link, Randomisable as _, Shape, Silent};
use hsets_models::{
    Architecture, Classifier, Device, GraphOptions, LoadOptions, Naming, PaddingMode, WeightFile,
};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name)
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().and_then(|t| t.to_dtype(DType::F64));
    flat.and_then(|t| t.to_vec1()).expect("a tensor on the CPU")
}

#[test]
fn every_form_of_checkpoint_is_read() {
    let golden = json("checkpoints/checkpoints.json");
    let expected = golden.as_object().unwrap();
    for name in ["plain.pth", "legacy.pth", "nested.pth", "protocol4.pt", "plain.safetensors"] {
        let file = WeightFile::read(&fixture("checkpoints").join(name)).unwrap();
        let found: Vec<&str> = file.weights.iter().map(|(name, _)| name).collect();
        let mut names: Vec<&str> = expected.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(found, names, "{name}");
        for (key, entry) in expected {
            let tensor = file.weights.get(key).unwrap();
            let shape: Vec<u64> = tensor.dims().iter().map(|&size| size as u64).collect();
            assert_eq!(Value::from(shape), entry["shape"], "{name}: {key}");
            let numbers = entry["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
            for (found, expected) in values(tensor).into_iter().zip(numbers) {
                // The JSON parser may miss the last bit of a double.
                assert!((found - expected).abs() <= 1e-15 * expected.abs(), "{name}: {key}");
            }
        }
    }
}

#[test]
fn a_pickled_module_is_refused_with_advice() {
    let error = WeightFile::read(&fixture("checkpoints/module.pth")).unwrap_err().to_string();
    assert!(error.contains("Linear") && error.contains("state_dict()"), "{error}");
}

fn random(name: &str) -> (Architecture, Weights, Vec<String>) {
    let architecture: Architecture = name.parse().expect("an architecture");
    let channels = ["classifier.0", "classifier.3"].map(|name| (name.to_owned(), 64));
    let channels = if name.starts_with("vgg") { channels.into() } else { BTreeMap::new() };
    let options = GraphOptions { channels, ..GraphOptions::new(Shape::new(3, 32, 32), 10) };
    let graph = architecture.graph(&options).expect("a graph");
    let names = graph.parameters().iter().map(|p| p.name.clone()).collect();
    (architecture, Weights::random(&graph, 0).expect("weights"), names)
}

fn save(tensors: impl Iterator<Item = (String, Tensor)>, path: &Path) {
    let tensors: HashMap<String, Tensor> = tensors.collect();
    candle_core::safetensors::save(&tensors, path).expect("the file is written");
}

fn save_all(weights: &Weights, path: &Path) {
    save(weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())), path);
}

fn assert_same(found: &Weights, expected: &Weights) {
    let names = |weights: &Weights| weights.iter().map(|(n, _)| n.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, tensor) in expected.iter() {
        let other = found.get(name).expect("the same names");
        assert_eq!(other.dims(), tensor.dims(), "{name}");
        assert_eq!(values(other), values(tensor), "{name}");
    }
}

/// timm lists the same tensors in the same order as torchvision, under other names, and keeps some
/// linear layers as convolutions. The names come from timm itself.
#[test]
fn timm_names_lead_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("timm.safetensors");
    let golden = json("goldens.json");
    let pairs = [
        ("vgg11_bn", "vgg11_bn"),
        ("mobilenetv2_100", "mobilenet_v2"),
        ("mobilenetv3_small_100", "mobilenet_v3_small"),
        ("mobilenetv3_large_100", "mobilenet_v3_large"),
    ];
    for (timm, ours) in pairs {
        let (architecture, weights, names) = random(ours);
        let timm_names = golden["timm_names"][timm].as_array().unwrap();
        assert_eq!(timm_names.len(), names.len(), "{timm}");
        let renamed = names.iter().zip(timm_names).map(|(name, timm_name)| {
            let timm_name = timm_name.as_str().unwrap();
            let mut tensor = weights.get(name).unwrap().clone();
            let as_conv = ["fc1.weight", "fc2.weight", "conv_head.weight"];
            if tensor.rank() == 2 && as_conv.iter().any(|end| timm_name.ends_with(end)) {
                let (rows, columns) = tensor.dims2().unwrap();
                let side = if timm_name.ends_with("fc1.weight") { 7 } else { 1 };
                tensor = tensor.reshape((rows, columns / side / side, side, side)).unwrap();
            }
            (timm_name.to_owned(), tensor)
        });
        save(renamed, &path);
        let file = WeightFile::read(&path).unwrap();
        assert_eq!(file.naming, Naming::Timm);
        assert_same(&file.weights, &weights);
        let options = LoadOptions {
            weights: Some(path.clone()),
            input_size: Some([32, 32]),
            ..LoadOptions::default()
        };
        let classifier = Classifier::load(&options, &Silent).unwrap();
        assert_eq!(classifier.architecture(), Some(architecture));
        assert_eq!(classifier.labels().len(), 10);
        // Those that timm took over from TensorFlow have the same tensors.
        let is_told = classifier.notes().iter().any(|note| note.contains("tf_mobilenetv3_"));
        assert_eq!(is_told, timm.starts_with("mobilenetv3"), "{timm}");
        let asked = LoadOptions { model: Some(timm.into()), ..options };
        let classifier = Classifier::load(&asked, &Silent).unwrap();
        assert!(classifier.notes().is_empty(), "{:?}", classifier.notes());
    }
}

#[test]
fn legacy_densenet_names_and_wrappers_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.safetensors");
    let (_, weights, _) = random("densenet121");
    let old = weights.iter().map(|(name, tensor)| {
        let mut name = name.to_owned();
        for part in ["norm1", "norm2", "conv1", "conv2"] {
            let dotted = format!("{}.{}", &part[..4], &part[4..]);
            if name.contains("denselayer") {
                name = name.replace(&format!(".{part}."), &format!(".{dotted}."));
            }
        }
        (format!("module.{name}"), tensor.clone())
    });
    save(old, &path);
    assert_same(&WeightFile::read(&path).unwrap().weights, &weights);
}

#[test]
fn shards_are_joined_and_may_not_lead_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (_, weights, _) = random("resnet20");
    let all: Vec<(String, Tensor)> =
        weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    let index = folder.path().join("model.safetensors.index.json");
    let mut map = serde_json::Map::new();
    for (i, part) in all.chunks(50).enumerate() {
        let shard = format!("model-{i}.safetensors");
        save(part.iter().cloned(), &folder.path().join(&shard));
        map.extend(part.iter().map(|(name, _)| (name.clone(), Value::from(shard.clone()))));
    }
    std::fs::write(&index, serde_json::json!({ "weight_map": map }).to_string()).unwrap();
    assert_same(&WeightFile::read(&index).unwrap().weights, &weights);
    std::fs::write(&index, r#"{"weight_map": {"a": "../../etc/passwd"}}"#).unwrap();
    let error = WeightFile::read(&index).unwrap_err().to_string();
    assert!(error.contains("not in the same folder"), "{error}");
}

fn load_error(path: &Path, model: &str) -> String {
    let options = LoadOptions {
        model: Some(model.into()),
        weights: Some(path.to_path_buf()),
        ..LoadOptions::default()
    };
    let error = Classifier::load(&options, &Silent).err().expect("refused").to_string();
    assert!(!error.contains('\n') && error.len() < 1500, "{error}");
    error
}

#[test]
fn all_that_is_wrong_is_in_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (_, weights, _) = random("resnet20");
    let mut tensors: HashMap<String, Tensor> =
        weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    tensors.remove("layer1.0.conv1.weight");
    let zero = Tensor::zeros(3, DType::F32, &candle_core::Device::Cpu).unwrap();
    tensors.insert("extra.bias".into(), zero.clone());
    tensors.insert("layer2.0.bn1.bias".into(), zero);
    let nan = Tensor::from_vec(vec![f32::NAN; 16], 16, &candle_core::Device::Cpu).unwrap();
    tensors.insert("bn1.bias".into(), nan);
    save(tensors.into_iter(), &path);
    let error = load_error(&path, "resnet20");
    for part in ["layer1.0.conv1.weight", "extra.bias", "layer2.0.bn1.bias", "bn1.bias", "NaN"] {
        assert!(error.contains(part), "{part} in: {error}");
    }
    let (_, other, _) = random("resnet32");
    save(other.iter().map(|(n, t)| (n.to_owned(), t.clone())), &path);
    let error = load_error(&path, "resnet20");
    assert!(error.contains("looks like a resnet32, not a resnet20"), "{error}");
}

#[test]
fn the_metadata_of_a_file_is_enough_to_load_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (architecture, weights, _) = random("resnet20");
    let names: Vec<String> = (0..10).map(|i| format!("kind {i}")).collect();
    let metadata = HashMap::from([
        ("architecture".to_owned(), "resnet20".to_owned()),
        ("labels".to_owned(), serde_json::to_string(&names).unwrap()),
        ("mean".to_owned(), "[0.1, 0.2, 0.3]".to_owned()),
        ("input_size".to_owned(), "[40, 48]".to_owned()),
        ("crop_pct".to_owned(), "1".to_owned()),
    ]);
    let tensors: Vec<(&str, &Tensor)> = weights.iter().collect();
    safetensors::serialize_to_file(tensors, Some(metadata), &path).unwrap();
    let mut options = LoadOptions { weights: Some(path), ..LoadOptions::default() };
    let classifier = Classifier::load(&options, &Silent).unwrap();
    assert_eq!(classifier.architecture(), Some(architecture));
    assert_eq!(classifier.labels().name(7), "kind 7");
    assert_eq!(classifier.shape(), Shape::new(3, 40, 48));
    assert_eq!(classifier.preprocessing().mean, [0.1, 0.2, 0.3]);
    assert_eq!(classifier.weights_sha256().len(), 64);
    options.mean = Some([0.5; 3]);
    assert_eq!(Classifier::load(&options, &Silent).unwrap().preprocessing().mean, [0.5; 3]);
}

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile");
    std::fs::write(&path, bytes).expect("the file is written");
    let error = WeightFile::read(&path).expect_err("hostile").to_string();
    assert!(!error.contains('\n') && error.len() < 600, "{error}");
    error
}

#[test]
fn hostile_safetensors_are_refused() {
    let with_header = |header: &str, n_data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + n_data, 0);
        bytes
    };
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    refused(&u64::MAX.to_le_bytes());
    refused(&[0xff; 40]);
    refused(&with_header("{", 0));
    refused(&with_header(&format!(r#"{{"a":{}}}"#, tensor("[2]", 0, 8)), 4));
    refused(&with_header(&format!(r#"{{"a":{}}}"#, tensor("[2]", 8, 0)), 8));
    refused(&with_header(&format!(r#"{{"a":{}}}"#, tensor("[4]", 0, 8)), 8));
    let huge = tensor("[4611686018427387904,4]", 0, 8);
    refused(&with_header(&format!(r#"{{"a":{huge}}}"#), 8));
    let overlap = format!(r#"{{"a":{},"b":{}}}"#, tensor("[2]", 0, 8), tensor("[2]", 4, 12));
    refused(&with_header(&overlap, 12));
    refused(&with_header(&"[".repeat(100_000), 0));
}

/// A checkpoint of the earlier form around one pickled object, with one storage "0" of `data`.
fn legacy(object: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03."); // protocol 1001
    bytes.extend(b"\x80\x02}.");
    bytes.extend(object);
    bytes.extend(b"\x80\x02]X\x01\0\0\x000a.");
    bytes.extend((data.len() as u64 / 4).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// {"a": _rebuild_tensor_v2(storage "0", offset, (size,), (stride,), …)}
fn tensor_pickle(offset: i32, size: i32, stride: i32) -> Vec<u8> {
    let int = |value: i32| [&b"J"[..], &value.to_le_bytes()].concat();
    [
        &b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n("[..],
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02NtQ",
        &int(offset),
        &int(size),
        b"\x85",
        &int(stride),
        b"\x85\x89NtRs.",
    ]
    .concat()
}

#[test]
fn hostile_checkpoints_are_refused() {
    // The harness itself is sound: a well-meant tensor is read.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.pth");
    std::fs::write(&path, legacy(&tensor_pickle(0, 2, 1), &[0; 8])).unwrap();
    assert_eq!(WeightFile::read(&path).unwrap().weights.get("a").unwrap().dims(), [2]);

    for [offset, size, stride] in [
        [0, i32::MAX, 1],
        [0, i32::MAX, 0],
        [1 << 30, 2, 1],
        [-1, 2, 1],
        [0, -2, 1],
        [0, 2, i32::MAX],
    ] {
        refused(&legacy(&tensor_pickle(offset, size, stride), &[0; 8]));
    }
    let code = refused(&legacy(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.", &[0; 8]));
    assert!(code.contains("os.system") && code.contains("not a state dict"), "{code}");
    refused(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
    refused(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.");
    refused(b"PK\x03\x04 not a zip file");
    refused(&legacy(b"\x80\x02X\xff\xff\xff\x7fshort.", &[])); // a text of 2 GiB
    refused(&legacy(b"\x80\x02j\x07\0\0\0.", &[])); // nothing was stored under 7
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    /// Flipped bytes of real checkpoints give an error or tensors, never a panic.
    #[test]
    fn damaged_checkpoints_do_not_panic(
        name in 0usize..4,
        flips in proptest::collection::vec((0usize..4000, 0u8..255), 1..6),
    ) {
        let names = ["plain.pth", "legacy.pth", "nested.pth", "plain.safetensors"];
        let mut bytes = std::fs::read(fixture("checkpoints").join(names[name])).unwrap();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged");
        std::fs::write(&path, bytes).unwrap();
        let _ = WeightFile::read(&path);
    }
}

/// timm's MobileNets of other widths: the residual blocks follow from the widths, the logits are
/// those of the network with the same tensors under canonical names, which PyTorch confirms
/// (`goldens.rs`).
#[test]
fn timm_networks_of_other_widths_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let golden = json("variants.json");
    let cases = golden["cases"].as_array().unwrap().iter();
    let mut n_loaded = 0;
    for case in cases.filter(|case| case["timm_names"].is_array()) {
        let name = case["model"].as_str().unwrap();
        let architecture: Architecture = name.parse().unwrap();
        let widths = case["channels"].as_object().unwrap().iter();
        let width = |(name, width): (&String, &Value)| {
            (name.clone(), usize::try_from(width.as_u64().unwrap()).unwrap())
        };
        let options = GraphOptions {
            channels: widths.map(width).collect(),
            batch_norm_eps: case["eps"].as_f64(),
            ..GraphOptions::new(Shape::new(3, 64, 64), 10)
        };
        let graph = architecture.graph(&options).unwrap();
        let weights = Weights::random(&graph, 0).unwrap();
        let timm_names = case["timm_names"].as_array().unwrap().iter();
        let renamed = graph.parameters().iter().zip(timm_names).map(|(parameter, timm_name)| {
            let timm_name = timm_name.as_str().unwrap();
            let mut tensor = weights.get(&parameter.name).unwrap().clone();
            if timm_name == "conv_head.weight" && tensor.rank() == 2 {
                let (rows, columns) = tensor.dims2().unwrap();
                tensor = tensor.reshape((rows, columns, 1, 1)).unwrap();
            }
            (timm_name.to_owned(), tensor)
        });
        save(renamed, &path);
        let options = LoadOptions {
            weights: Some(path.clone()),
            input_size: Some([64, 64]),
            ..LoadOptions::default()
        };
        let classifier = Classifier::load(&options, &Silent).unwrap();
        assert_eq!(classifier.architecture(), Some(architecture));
        let expected = Device::Cpu.bind(&graph, &weights, None).unwrap();
        let image = Image::new(
            Shape::new(3, 64, 64),
            (0..3 * 64 * 64).map(|i| (i as f32 * 0.37).sin()).collect(),
        );
        let image = [image.unwrap()];
        let logits = classifier.field().logits(&image).unwrap();
        assert_eq!(logits, expected.logits(&image).unwrap(), "{name}");
        n_loaded += 1;
    }
    assert_eq!(n_loaded, 3);
}

/// What `config.json` or the metadata call the network counts, whatever the tensors look like.
#[test]
fn a_named_architecture_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (_, weights, _) = random("mobilenet_v3_small");
    save_all(&weights, &path);
    let options = LoadOptions { weights: Some(path.clone()), ..LoadOptions::default() };
    let config = |name: &str| {
        let json = format!(r#"{{"architecture": "{name}", "num_classes": 10}}"#);
        std::fs::write(folder.path().join("config.json"), json).unwrap();
    };
    config("tf_mobilenetv3_small_100");
    let classifier = Classifier::load(&options, &Silent).unwrap();
    assert_eq!(classifier.padding(), Some(PaddingMode::Same));
    assert_eq!(classifier.batch_norm_eps(), Some(1e-3));
    assert!(classifier.notes().is_empty(), "{:?}", classifier.notes());

    config("mobilenetv3_rw");
    let error = Classifier::load(&options, &Silent).err().expect("refused").to_string();
    assert!(error.contains("'mobilenetv3_rw'") && error.contains("--model"), "{error}");
    let asked = LoadOptions { model: Some("mobilenet_v3_small".into()), ..options };
    let classifier = Classifier::load(&asked, &Silent).unwrap();
    assert!(classifier.notes()[0].contains("mobilenetv3_rw"), "{:?}", classifier.notes());
    assert_eq!(classifier.padding(), Some(PaddingMode::Torch));
}

#[test]
fn a_single_logit_is_said_to_be_a_sigmoid() {
    let architecture: Architecture = "resnet20".parse().unwrap();
    let options = GraphOptions::new(Shape::new(3, 32, 32), 1);
    let weights = Weights::random(&architecture.graph(&options).unwrap(), 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save_all(&weights, &path);
    let options = LoadOptions { weights: Some(path), ..LoadOptions::default() };
    let classifier = Classifier::load(&options, &Silent).unwrap();
    assert!(classifier.notes()[0].contains("sigmoid"), "{:?}", classifier.notes());
    let [prediction] = &classifier.ranked(&[-2.0], 5)[..] else { panic!("one class") };
    assert!((prediction.probability - 0.119_202_922_022_117_6).abs() < 1e-12);
    let options = LoadOptions { probabilities: Some(Link::Softmax), ..options };
    let error = Classifier::load(&options, &Silent).err().unwrap().to_string();
    assert!(error.contains("softmax of a single logit"), "{error}");
}

#[test]
fn classes_that_stand_by_themselves() {
    let architecture: Architecture = "resnet20".parse().unwrap();
    let options = GraphOptions::new(Shape::new(3, 32, 32), 3);
    let weights = Weights::random(&architecture.graph(&options).unwrap(), 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save_all(&weights, &path);
    let load = |probabilities| {
        let weights = Some(path.clone());
        let options = LoadOptions { weights, probabilities, ..LoadOptions::default() };
        let classifier = Classifier::load(&options, &Silent).unwrap();
        let found = classifier.ranked(&[-1.0, 2.0, 1.0], 5);
        let is_said = classifier.notes().concat().contains("each class by itself");
        let is_typed = probabilities.is_some();
        assert_eq!(is_said, classifier.field().link() == Link::Sigmoid && !is_typed);
        let randomised = classifier.randomised(1, 7).unwrap();
        assert_eq!(randomised.link(), classifier.field().link());
        found.iter().map(|class| class.probability).collect::<Vec<_>>()
    };
    let sigmoids = [2.0, 1.0, -1.0].map(|z: f64| 1.0 / (1.0 + (-z).exp()));
    let are_sigmoids = |found: Vec<f64>| {
        found.iter().zip(sigmoids).all(|(p, expected): (_, f64)| (p - expected).abs() < 1e-12)
    };
    assert!(are_sigmoids(load(Some(Link::Sigmoid))));
    assert!((load(None).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // As Hugging Face's trainers write it; what is typed counts more.
    let config = r#"{"problem_type": "multi_label_classification"}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    assert!(are_sigmoids(load(None)));
    assert!((load(Some(Link::Softmax)).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    std::fs::write(folder.path().join("config.json"), r#"{"probabilities": "sigmoid"}"#).unwrap();
    assert!(are_sigmoids(load(None)));
}

/// State dicts of whole networks, as other programs name and nest them.
#[test]
fn networks_are_found_among_other_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let one = || Tensor::ones(3, DType::F32, &candle_core::Device::Cpu).unwrap();
    let (_, weights, _) = random("resnet18");
    // (prefix, name of the last layer, other tensors)
    for (prefix, head, others) in [
        ("", "fc", &[][..]),
        ("module.", "module.fc", &[]),
        ("model.", "model.fc", &["criterion.weight", "best"]),
        ("backbone.", "head.fc", &["ema.decay"]),
        ("encoder.", "classifier", &[]),
        ("net.encoder.module.", "net.classifier.1", &[]),
        ("", "fc.1", &[]),
        ("resnet.", "classifier.1", &[]),
    ] {
        let renamed = weights.iter().map(|(name, tensor)| {
            let name = match name.strip_prefix("fc.") {
                Some(part) => format!("{head}.{part}"),
                None if prefix == "resnet." => format!("{prefix}{}", hugging_face(name)),
                None => format!("{prefix}{name}"),
            };
            (name, tensor.clone())
        });
        let others_there = others.iter().map(|name| ((*name).to_owned(), one()));
        save(renamed.chain(others_there), &path);
        let file = WeightFile::read(&path).unwrap();
        assert_same(&file.weights, &weights);
        let said = file.notes.join("; ");
        assert!(others.iter().take(1).all(|name| said.contains(name)), "{said}");
        let options = LoadOptions {
            weights: Some(path.clone()),
            input_size: Some([32, 32]),
            ..LoadOptions::default()
        };
        let classifier = Classifier::load(&options, &Silent).unwrap();
        assert_eq!(classifier.name(), "resnet18", "{prefix}");
    }
}

/// Hugging Face's names of a ResNet, written from torchvision's.
fn hugging_face(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let kind =
        |layer: &str| if layer.starts_with("conv") { "convolution" } else { "normalization" };
    match parts[..] {
        [layer, suffix] => format!("embedder.embedder.{}.{suffix}", kind(layer)),
        [stage, block, "downsample", at, suffix] => {
            let stage = stage.trim_start_matches("layer").parse::<usize>().expect("a number") - 1;
            let kind = if at == "0" { "convolution" } else { "normalization" };
            format!("encoder.stages.{stage}.layers.{block}.shortcut.{kind}.{suffix}")
        }
        [stage, block, layer, suffix] => {
            let stage = stage.trim_start_matches("layer").parse::<usize>().expect("a number") - 1;
            let at: usize = layer[layer.len() - 1..].parse().expect("a number");
            let (kind, at) = (kind(layer), at - 1);
            format!("encoder.stages.{stage}.layers.{block}.layer.{at}.{kind}.{suffix}")
        }
        _ => unreachable!("{name}"),
    }
}

/// A tensor of the network's own level that no architecture has makes it another network.
#[test]
fn a_network_with_more_layers_is_another_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (_, weights, _) = random("resnet20");
    let gate = Tensor::ones((4, 16, 1, 1), DType::F32, &candle_core::Device::Cpu).unwrap();
    let all = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    save(all.chain([("layer1.0.se.fc1.weight".to_owned(), gate)]), &path);
    let options = LoadOptions { weights: Some(path.clone()), ..LoadOptions::default() };
    let error = Classifier::load(&options, &Silent).err().expect("refused").to_string();
    assert!(error.contains("bn1.bias [16]") && error.contains("tensors"), "{error}");
    assert!(load_error(&path, "resnet20").contains("layer1.0.se.fc1.weight"));
}

/// Recognised by shape, NaN or not; then the tensor with NaN is named.
#[test]
fn nan_is_named_without_an_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let (_, weights, _) = random("resnet20");
    let nan = Tensor::from_vec(vec![f32::NAN; 16], 16, &candle_core::Device::Cpu).unwrap();
    let all = weights.iter().map(|(name, tensor)| {
        let tensor = if name == "bn1.bias" { nan.clone() } else { tensor.clone() };
        (name.to_owned(), tensor)
    });
    save(all, &path);
    let options = LoadOptions { weights: Some(path), ..LoadOptions::default() };
    let error = Classifier::load(&options, &Silent).err().expect("refused").to_string();
    assert!(error.contains("bn1.bias") && error.contains("NaN"), "{error}");
}

/// Position embeddings tell the size of the pictures, unless the user does.
#[test]
fn vision_transformers_of_other_sizes_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, side: usize| {
        let architecture: Architecture = name.parse().unwrap();
        let graph = architecture.graph(&GraphOptions::new(Shape::new(3, side, side), 4)).unwrap();
        let weights = Weights::random(&graph, 0).unwrap();
        let path = folder.path().join(format!("{side}.safetensors"));
        save_all(&weights, &path);
        LoadOptions { weights: Some(path), ..LoadOptions::default() }
    };
    let small = file("deit_tiny_patch16_224", 48);
    let own = Classifier::load(&small, &Silent).unwrap();
    assert_eq!((own.shape(), own.labels().len()), (Shape::new(3, 48, 48), 4));
    // As prepared for 224: resized to 248, and the middle taken.
    assert_eq!(own.preprocessing().resize, 53);
    let asked = LoadOptions { input_size: Some([64, 80]), ..small };
    assert_eq!(Classifier::load(&asked, &Silent).unwrap().shape(), Shape::new(3, 64, 80));
    // One that is published at that size comes first.
    let large = Classifier::load(&file("vit_tiny_patch16_384", 384), &Silent).unwrap();
    assert_eq!((large.name(), large.preprocessing().resize), ("vit_tiny_patch16_384", 384));
}

/// Widths of another architecture do not even go together in this one.
#[test]
fn a_file_of_another_architecture_is_named() {
    let (_, weights, _) = random("resnet18");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    save_all(&weights, &path);
    let error = load_error(&path, "resnet50");
    assert!(error.contains("w.safetensors: this file looks like a resnet18"), "{error}");
}
