//! ONNX files: small ones that are committed, whole networks where `HSETS_ONNX` names a folder of
//! them (`fixtures/onnx/export.py networks FOLDER`), and hostile ones.

#![cfg(feature = "onnx")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::{distance, error, quantities, uniform};
use hsets_autodiff::{Cpu, Network};
use hsets_core::{Link, Silent, Smoothing, Target};
use hsets_models::{Classifier, LoadOptions, OnnxFile};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataLocation, DataType, Dimension, GraphProto, ModelProto,
    NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TypeProto, TypeProtoTensor, ValueInfoProto,
};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/onnx").join(name)
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the golden file is there");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

fn options(path: &Path) -> LoadOptions {
    LoadOptions { model: Some(path.display().to_string()), ..LoadOptions::default() }
}

fn refused(path: &Path) -> String {
    let refused = Classifier::load(&options(path), &Silent).err().expect("a bad file");
    let text = refused.to_string();
    assert!(!text.contains('\n') && text.len() < 600, "{text}");
    text
}

fn image(n: usize) -> Vec<f64> {
    uniform("image", n).into_iter().map(|v| f64::from(v as f32)).collect()
}

/// Where PyTorch's own `float32` is so far from its `float64`, a tie decides (such as that of all
/// positions in max pooling of a black image), and there is no number to hold against.
const DECIDED_BY_TIES: f64 = 1e-2;

/// The largest error of logits, gradient, Integrated Gradients and Hessian rows in `f64`.
fn worst(classifier: &Classifier, case: &Value, settings: (usize, usize)) -> (f64, String) {
    let network = Network::<Cpu<f64>>::new(classifier.graph(), classifier.weights());
    let network = network.expect("a network");
    let features = serde_json::from_value(case["features"].clone());
    let features: Vec<usize> = features.expect("features");
    let vectors = case["vectors"].as_object().expect("vectors");
    let names: Vec<String> = vectors.keys().cloned().collect();
    let image = image(classifier.shape().len());
    let found = quantities(&network, &image, &features, &names, settings);
    let is_sure = |golden: &Value| {
        golden["f32_distance"].as_f64().is_none_or(|distance| distance < DECIDED_BY_TIES)
    };
    let sure = vectors.iter().filter(|(_, golden)| is_sure(golden));
    let errors = sure.map(|(name, golden)| (error(&found[name], golden), name.clone()));
    errors.fold((0.0, String::new()), |worst, one| if one.0 > worst.0 { one } else { worst })
}

#[test]
fn small_files_agree_with_pytorch() {
    let all = json(&fixture("tiny.json"));
    let size = |key: &str| all[key].as_u64().unwrap() as usize;
    for name in ["convolutions", "tokens", "windows", "scales", "classic"] {
        let case = &all[name];
        for file in case["files"].as_array().unwrap() {
            let file = file.as_str().unwrap();
            let classifier = Classifier::load(&options(&fixture(file)), &Silent).unwrap();
            assert_eq!(classifier.name(), file);
            let (error, what) = worst(&classifier, case, (size("target"), size("ig_steps")));
            println!("{file}: {error:.1e} ({what})");
            assert!(error < 1e-8, "{file}: {error:.1e} ({what})");
        }
    }
}

/// Channels last, halves, any batch and size, two outputs, a softmax at the end, metadata.
#[test]
fn a_file_as_keras_writes_them() {
    let path = fixture("keras.onnx");
    let wanted = json(&fixture("tiny.json"))["keras"].clone();
    let text = refused(&path);
    assert!(text.contains("any size") && text.contains("--size"), "{text}");
    let sized = LoadOptions { input_size: Some([8, 10]), ..options(&path) };
    let text = Classifier::load(&sized, &Silent).err().unwrap().to_string();
    assert!(text.contains("--output") && text.contains("'scores' [n, 5]"), "{text}");
    let chosen = LoadOptions { output: Some("scores".into()), ..sized.clone() };
    let classifier = Classifier::load(&chosen, &Silent).unwrap();
    assert!(classifier.notes()[0].contains("Softmax 'top'"), "{:?}", classifier.notes());
    assert_eq!(classifier.preprocessing().std, [0.25; 3]);
    let network = Network::<Cpu<f64>>::new(classifier.graph(), classifier.weights()).unwrap();
    let logits = network.logits_of(&[&image(classifier.shape().len())]).unwrap().remove(0);
    let expected: Vec<f64> = serde_json::from_value(wanted["logits"].clone()).unwrap();
    assert!(distance(&logits, &expected) < 1e-12, "{logits:?} {expected:?}");

    let like = LoadOptions { like: Some("nothing_known".into()), ..chosen };
    assert!(Classifier::load(&like, &Silent).is_err());
    let reading = OnnxFile::read(&path).unwrap().reading(Some([64, 64]), Some("q")).unwrap();
    assert_eq!((reading.n_classes, reading.receptive_field), (4, [3, 3]));
    assert!(reading.sees_all.contains("GlobalAveragePool"), "{}", reading.sees_all);
}

#[test]
fn whole_networks_agree_with_pytorch() {
    let Some(folder) = std::env::var_os("HSETS_ONNX").map(PathBuf::from) else { return };
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    entries.sort();
    let mut faults = Vec::new();
    for path in entries {
        let case = json(&path);
        for file in case["files"].as_array().unwrap() {
            let name = file["file"].as_str().unwrap();
            let classifier = match Classifier::load(&options(&folder.join(name)), &Silent) {
                Ok(classifier) => classifier,
                Err(error) => {
                    println!("{name}: {error}");
                    faults.push(name.to_owned());
                    continue;
                }
            };
            if file["width"] == 64 {
                let (error, what) = worst(&classifier, &case, (3, 3));
                println!("{name}: {error:.1e} ({what})");
                if error > 1e-8 {
                    faults.push(name.to_owned());
                }
            } else {
                let network = Network::<Cpu<f32>>::new(classifier.graph(), classifier.weights());
                let image: Vec<f32> =
                    image(classifier.shape().len()).into_iter().map(|v| v as f32).collect();
                let logits = network.unwrap().logits_of(&[&image]).unwrap().remove(0);
                let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
                let other: Vec<f64> = serde_json::from_value(file["onnxruntime"].clone()).unwrap();
                let off = distance(&logits, &other);
                println!("{name}: {off:.1e} of onnxruntime's logits ({} nodes)", file["nodes"]);
                if off > 1e-4 {
                    faults.push(name.to_owned());
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:?}");
}

// Files made here.

#[expect(clippy::unnecessary_wraps, reason = "every field of a file is optional")]
fn text(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn tensor(name: &str, dims: &[i64], kind: DataType, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name: text(name),
        dims: dims.to_vec(),
        data_type: Some(kind),
        raw_data: Some(RefCell::new(bytes)),
        ..TensorProto::default()
    }
}

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    let n: i64 = dims.iter().product();
    let bytes = (0..n).flat_map(|i| ((i % 7) as f32 - 3.0).to_le_bytes()).collect();
    tensor(name, dims, DataType::FLOAT, bytes)
}

fn node(op: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: text(op),
        name: text(name),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        ..NodeProto::default()
    }
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| Dimension { dim_value: Some(size), dim_param: None };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    let kind = TypeProto { tensor_type: Some(tensor), sequence: None };
    ValueInfoProto { name: text(name), r#type: Some(kind) }
}

/// Convolution, ReLU, mean, linear layer.
fn good() -> ModelProto {
    let graph = GraphProto {
        node: vec![
            node("Conv", "conv", &["x", "k"], &["a"]),
            node("Relu", "relu", &["a"], &["b"]),
            node("GlobalAveragePool", "mean", &["b"], &["c"]),
            node("Flatten", "flat", &["c"], &["d"]),
            node("Gemm", "fc", &["d", "w"], &["y"]),
        ],
        initializer: vec![floats("k", &[4, 3, 3, 3]), floats("w", &[4, 5])],
        input: vec![value("x", &[1, 3, 8, 8])],
        output: vec![value("y", &[1, 5])],
        value_info: vec![],
    };
    ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: text(""), version: Some(17) }],
        ..ModelProto::default()
    }
}

/// The good network, changed.
fn changed(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = good();
    change(model.graph.as_mut().expect("a graph"));
    model
}

fn written(folder: &Path, model: &ModelProto) -> PathBuf {
    let path = folder.join("net.onnx");
    let bytes = model.write_buf().expect("a file");
    std::fs::write(&path, bytes).expect("written");
    path
}

fn whole_numbers(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, dims, DataType::INT64, bytes)
}

/// The good network, its maps times a mask that is 0 in a row and a column, all channels of a pixel
/// then divided by their norm: some have none.
#[test]
fn norms_of_zeros_and_products_of_constants() {
    let folder = tempfile::tempdir().unwrap();
    let masked = |change: &dyn Fn(&mut GraphProto)| {
        changed(|g| {
            g.node.insert(2, node("Mul", "masked", &["b", "m"], &["e"]));
            g.node.insert(3, node("ReduceL2", "norm", &["e", "one"], &["f"]));
            g.node.insert(4, node("Max", "least", &["f", "tiny"], &["h"]));
            g.node.insert(5, node("Div", "unit", &["e", "h"], &["i"]));
            g.node[6].input[0] = "i".into();
            g.initializer.push(whole_numbers("one", &[1], &[1]));
            let tiny = 1e-12_f32.to_le_bytes().to_vec();
            g.initializer.push(tensor("tiny", &[], DataType::FLOAT, tiny));
            change(g);
        })
    };
    // m[y, x] = p[y]·q[x], given as it is, and as a product whose elements are gathered.
    let p = |i: usize| (i % 7) as f32 - 3.0;
    let given = masked(&|g| {
        let bytes = (0..36).flat_map(|i| (p(i / 6) * p(i % 6)).to_le_bytes()).collect();
        g.initializer.push(tensor("m", &[1, 1, 6, 6], DataType::FLOAT, bytes));
    });
    let made = masked(&|g| {
        g.node.insert(0, node("MatMul", "product", &["p", "q"], &["o"]));
        g.node.insert(1, node("GatherND", "gathered", &["o", "places"], &["r"]));
        g.node.insert(2, node("Reshape", "as_map", &["r", "sizes"], &["m"]));
        g.initializer.extend([floats("p", &[1, 1, 6, 1]), floats("q", &[1, 6])]);
        let places: Vec<i64> = (0..36).flat_map(|i| [0, 0, i / 6 - 6, i % 6]).collect();
        g.initializer.push(whole_numbers("places", &[36, 4], &places));
        g.initializer.push(whole_numbers("sizes", &[4], &[1, 1, 6, 6]));
    });
    let rows = |model: &ModelProto| {
        let path = written(folder.path(), model);
        let classifier = Classifier::load(&options(&path), &Silent).expect("a network");
        let network = Network::<Cpu<f64>>::new(classifier.graph(), classifier.weights());
        let image = image(classifier.shape().len());
        let network = network.expect("a network");
        let linearized = network.linearized_at(&image, &Target::Logit(1), Smoothing::PAPER);
        let linearized = linearized.expect("finite");
        let rows = linearized.rows(&[30, 100]).expect("finite").concat();
        [linearized.logits().to_vec(), linearized.gradient().to_vec(), rows].concat()
    };
    let (given, made) = (rows(&given), rows(&made));
    assert!(given.iter().all(|value| value.is_finite()) && given.iter().any(|&value| value != 0.0));
    assert_eq!(given, made);
}

/// Ops with their inputs; the first gives z0, the next z1, and so on.
type Nodes<'a> = &'a [(&'a str, &'a [&'a str])];

/// The good network with more nodes behind it, the last of which gives its output. Beside y there are
/// its negative and some constants.
fn extended(folder: &Path, nodes: Nodes<'_>) -> (Classifier, Network<Cpu<f64>>) {
    let model = changed(|g| {
        g.node.push(node("Neg", "negative", &["y"], &["n"]));
        for (at, (op, inputs)) in nodes.iter().enumerate() {
            g.node.push(node(op, &format!("n{at}"), inputs, &[&format!("z{at}")]));
        }
        g.output[0].name = text(&format!("z{}", nodes.len() - 1));
        for (name, number) in [("three", 3f32), ("hundred", 100.0)] {
            g.initializer.push(tensor(name, &[], DataType::FLOAT, number.to_le_bytes().to_vec()));
        }
        g.initializer.push(floats("row", &[1, 5]));
        g.initializer.push(whole_numbers("last", &[1], &[1]));
    });
    let classifier = Classifier::load(&options(&written(folder, &model)), &Silent);
    let classifier = classifier.expect("a network");
    let network = Network::new(classifier.graph(), classifier.weights()).expect("a network");
    (classifier, network)
}

/// The good network with more nodes behind it: probabilities at the end are left out, and what is
/// made of probabilities otherwise is said.
#[test]
fn probabilities_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let image = vec![0.5; 3 * 64];
    let loaded = |nodes: Nodes<'_>| {
        let (classifier, network) = extended(folder.path(), nodes);
        let logits = network.logits_of(&[&image]).expect("finite").remove(0);
        (logits, classifier.notes().concat(), classifier.field().link())
    };
    let (plain, notes, link) = loaded(&[("Identity", &["y"])]);
    assert!(!notes.contains("logits") && link == Link::Softmax, "{notes}");
    let softmax: (&str, &[&str]) = ("Softmax", &["y"]);
    let sigmoid = vec![("Sigmoid", &["y"] as &[&str]), ("Identity", &["z0"])];
    for (nodes, said, meant) in [
        (vec![softmax], "ends in Softmax 'n0': the logits before", Link::Softmax),
        (vec![softmax, ("Clip", &["z0"])], "Softmax 'n0' and Clip 'n1'", Link::Softmax),
        (sigmoid, "each class by itself: a probability is the sigmoid", Link::Sigmoid),
    ] {
        let (logits, notes, link) = loaded(&nodes);
        assert!(notes.contains(said), "{notes}");
        assert_eq!(link, meant);
        assert_eq!(logits, plain);
    }
    for nodes in [
        vec![softmax, ("Mul", &["z0", "hundred"])],
        vec![softmax, ("Sigmoid", &["y"]), ("Add", &["z0", "z1"]), ("Div", &["z2", "hundred"])],
    ] {
        let (logits, notes, _) = loaded(&nodes);
        assert!(notes.contains("made of probabilities, those of Softmax 'n0'"), "{notes}");
        assert_ne!(logits, plain);
    }
    // Each value is looked at once, by however many ways it is reached.
    let names: Vec<String> = (0..16).map(|at| format!("z{at}")).collect();
    let inputs: Vec<[&str; 8]> = names.iter().map(|name| [name.as_str(); 8]).collect();
    let sums = inputs.iter().map(|inputs| ("Sum", inputs as &[&str]));
    loaded(&[softmax].into_iter().chain(sums).collect::<Vec<_>>());
    // A gate is no probability.
    let gated = [("Sigmoid", &["y"] as &[&str]), ("Mul", &["z0", "y"])];
    let (_, notes, _) = loaded(&gated);
    assert!(!notes.contains("logits"), "{notes}");
}

/// The good network with more nodes behind it that come to the same in two ways.
#[test]
fn ops_of_any_number_of_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(3 * 64);
    let gradient = |nodes: Nodes<'_>| {
        let (_, network) = extended(folder.path(), nodes);
        let target = Target::Logit(0);
        let found = network.gradients_of(&[&image], &target, Smoothing::Exact).expect("finite");
        [found[0].logits.clone(), found[0].gradient.clone()].concat()
    };
    let same: [(Nodes<'_>, Nodes<'_>); 7] = [
        (&[("Max", &["y", "n"])], &[("Abs", &["y"])]),
        (&[("Min", &["n", "y"]), ("Neg", &["z0"])], &[("Abs", &["y"])]),
        (
            &[("Mean", &["y", "y", "row"])],
            &[("Add", &["y", "y"]), ("Add", &["z0", "row"]), ("Div", &["z1", "three"])],
        ),
        (&[("Sum", &["row", "y", "n", "y"])], &[("Add", &["y", "row"])]),
        (
            &[("Max", &["y", "row"])],
            &[("Sub", &["y", "row"]), ("Relu", &["z0"]), ("Add", &["z1", "row"])],
        ),
        (&[("Celu", &["y"])], &[("Elu", &["y"])]),
        (
            &[("ReduceMin", &["y", "last"])],
            &[("Neg", &["y"]), ("ReduceMax", &["z0", "last"]), ("Neg", &["z1"])],
        ),
    ];
    for (one, other) in same {
        let (one, other) = (gradient(one), gradient(other));
        assert!(one.iter().any(|&value| value != 0.0));
        assert!(distance(&one, &other) < 1e-12, "{one:?} {other:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of what can be wrong")]
fn what_is_wrong_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &good());
    assert_eq!(Classifier::load(&options(&path), &Silent).unwrap().labels().len(), 5);
    let external = |place: &str, length: &str| {
        let entry =
            |key: &str, value: &str| StringStringEntryProto { key: text(key), value: text(value) };
        TensorProto {
            name: text("k"),
            dims: vec![4, 3, 3, 3],
            data_type: Some(DataType::FLOAT),
            external_data: vec![entry("location", place), entry("length", length)],
            data_location: Some(DataLocation::EXTERNAL),
            ..TensorProto::default()
        }
    };
    std::fs::write(folder.path().join("beside.data"), vec![0; 432]).unwrap();
    let ok =
        written(folder.path(), &changed(|g| g.initializer[0] = external("beside.data", "432")));
    assert!(Classifier::load(&options(&ok), &Silent).is_ok());
    let cases: Vec<(ModelProto, &[&str])> = vec![
        (ModelProto { ir_version: Some(8), ..ModelProto::default() }, &["holds no graph"]),
        (changed(|g| g.node[1].input[0] = "b".into()), &["Relu 'relu' reads 'b'", "cycle"]),
        (changed(|g| g.node.swap(0, 1)), &["Relu 'relu' reads 'a'", "out of order"]),
        (changed(|g| drop(g.initializer.remove(0))), &["Conv 'conv' reads 'k'", "no tensor"]),
        (changed(|g| g.initializer[1].name = text("k")), &["two tensors are called 'k'"]),
        (changed(|g| g.node[2].output[0] = "a".into()), &["two values are called 'a'"]),
        (changed(|g| g.initializer[0].dims[0] = -4), &["tensor 'k' has a size of -4"]),
        (changed(|g| g.initializer[0].dims[0] = 5), &["tensor 'k' holds 432 bytes", "540"]),
        (changed(|g| g.initializer[0].dims = vec![1 << 40, 1 << 40]), &["tensor 'k'", "memory"]),
        (
            changed(|g| g.initializer[0] = external("../net.onnx", "4")),
            &["tensor 'k' lies in '../net.onnx', outside the folder"],
        ),
        (changed(|g| g.initializer[0] = external("/etc/passwd", "4")), &["outside the folder"]),
        (
            changed(|g| g.initializer[0] = external("gone.data", "4")),
            &["gone.data", "can't be read"],
        ),
        (
            changed(|g| g.initializer[0] = external("beside.data", "99999999999999")),
            &["beside.data", "that has 432"],
        ),
        (changed(|g| g.initializer[0] = external("beside.data", "400")), &["400 bytes", "432"]),
        (
            changed(|g| {
                for i in 0..2500 {
                    let tied = external(["beside.data", "./beside.data"][i % 2], "432");
                    g.initializer.push(TensorProto { name: text(&format!("t{i}")), ..tied });
                }
            }),
            &["beside.data, in the same bytes as many others"],
        ),
        (
            changed(|g| g.initializer[0].data_type = Some(DataType::FLOAT8E4M3FN)),
            &["tensor 'k'", "FLOAT8E4M3FN"],
        ),
        (changed(|g| g.input[0] = value("x", &[1, 10])), &["takes 'x' [1, 10], not a picture"]),
        (changed(|g| g.input[0] = value("x", &[8, 3, 8, 8])), &["takes 8 pictures at once"]),
        (changed(|g| g.input[0] = value("x", &[1, 3, -5, 8])), &["'x' has a size of -5"]),
        (changed(|g| g.input.push(value("z", &[1, 3]))), &["takes several inputs", "'z' [1, 3]"]),
        (changed(|g| g.input.clear()), &["reads 'x'"]),
        (changed(|g| g.output.push(value("c", &[1, 4, 1, 1]))), &["several outputs", "--output"]),
        (
            changed(|g| g.output[0] = value("b", &[1, 4, 6, 6])),
            &["'b' is [1, 4, 6, 6], not one score"],
        ),
        (changed(|g| g.output[0] = value("w", &[4, 5])), &["does not depend on the picture"]),
        (
            changed(|g| {
                g.node[1].op_type = text("NonZero");
                g.node[2].op_type = text("Loop");
            }),
            &["no derivative of NonZero in 'relu'"],
        ),
        (
            changed(|g| {
                g.node[1].domain = text("pkg.torch");
                g.node[1].op_type = text("function_that_calls_itself");
            }),
            &["no derivative of pkg.torch.function_that_calls_itself in 'relu'"],
        ),
        (
            changed(|g| {
                g.node.insert(1, node("NonZero", "odd", &["a"], &["o"]));
                g.node.insert(2, node("Det", "even", &["a"], &["e"]));
                g.node[3].op_type = text("Add");
                g.node[3].input = vec!["o".into(), "e".into()];
            }),
            &["no derivative of Det in 'even'; no derivative of NonZero in 'odd'"],
        ),
        (changed(|g| g.initializer[1].dims = vec![5, 4]), &["Gemm 'fc'"]),
        (
            changed(|g| {
                g.node.insert(1, node("Expand", "wide", &["one", "sizes"], &["o"]));
                g.node.insert(2, node("Mul", "scaled", &["a", "o"], &["e"]));
                g.node[3].input[0] = "e".into();
                g.initializer.push(floats("one", &[1]));
                g.initializer.push(whole_numbers("sizes", &[2], &[1 << 13, 1 << 12]));
            }),
            &["Expand 'wide': makes a tensor of sizes [8192, 4096]", "a file of this size"],
        ),
        (
            changed(|g| {
                let ints = AttributeProto {
                    name: text("strides"),
                    ints: vec![0, 1],
                    r#type: Some(AttributeType::INTS),
                    ..AttributeProto::default()
                };
                g.node[0].attribute.push(ints);
            }),
            &["Conv 'conv'", "strides [0, 1]"],
        ),
    ];
    let mut faults = Vec::new();
    for (model, expected) in cases {
        let text = refused(&written(folder.path(), &model));
        let all = expected.iter().all(|part| text.contains(part));
        if !all || !text.contains("net.onnx") {
            faults.push(format!("{text} lacks one of {expected:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let mut old = good();
    old.opset_import[0].version = Some(9);
    assert!(refused(&written(folder.path(), &old)).contains("version 9"));
}

/// The same network from memory, with what is known of it besides; nothing beside a file is read.
#[test]
fn a_network_in_memory_is_the_one_in_the_file() {
    let name = "convolutions-old17.onnx";
    let bytes = std::fs::read(fixture(name)).unwrap();
    let from_file = Classifier::load(&options(&fixture(name)), &Silent).unwrap();
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let stated = BTreeMap::from([entry("mean", "[0.5, 0.25, 0.5]"), entry("std", "[1, 2, 4]")]);
    let from_memory = |metadata: &BTreeMap<String, String>| {
        let name = Path::new("a module");
        Classifier::from_onnx_bytes(&bytes, name, metadata, &LoadOptions::default())
    };
    let classifier = from_memory(&stated).unwrap();
    assert_eq!(classifier.name(), "a module");
    assert_eq!(classifier.notes(), [] as [String; 0]);
    assert_eq!(classifier.preprocessing().mean, [0.5, 0.25, 0.5]);
    assert_eq!(classifier.preprocessing().std, [1.0, 2.0, 4.0]);
    assert_eq!(classifier.weights_sha256(), from_file.weights_sha256());
    let image: Vec<f32> = image(classifier.shape().len()).into_iter().map(|v| v as f32).collect();
    let expected = from_file.field().logits_of_slices(&[&image]).unwrap();
    assert_eq!(classifier.field().logits_of_slices(&[&image]).unwrap(), expected);

    let labels = BTreeMap::from([entry("labels", r#"["one", "two"]"#)]);
    let refused = from_memory(&labels).err().unwrap().to_string();
    assert!(refused.contains("2 labels"), "{refused}");

    let mut model = good();
    let place = StringStringEntryProto { key: text("location"), value: text("beside.data") };
    let kernel = &mut model.graph.as_mut().unwrap().initializer[0];
    kernel.raw_data = None;
    kernel.external_data = vec![place];
    kernel.data_location = Some(DataLocation::EXTERNAL);
    let bytes = model.write_buf().unwrap();
    let refused = OnnxFile::from_bytes(Path::new("a module"), &bytes).err().unwrap().to_string();
    assert!(refused.contains("a module: tensor 'k' lies in 'beside.data'"), "{refused}");
    assert!(refused.contains("in memory"), "{refused}");
}

/// Cut anywhere, or with any byte changed, a file is an error or another network, never a panic.
#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    for name in ["keras.onnx", "convolutions-old17.onnx"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(Classifier::load(&options(&path), &Silent).is_err(), "{name} cut to {length}");
        }
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 700) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            let sized = LoadOptions { input_size: Some([19, 22]), ..options(&path) };
            let _ = Classifier::load(&sized, &Silent);
        }
    }
}
