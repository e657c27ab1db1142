//! State dicts among everything that training scripts save: see `fixtures/weights`.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use hsets_weights::{StateDict, TensorFile};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/weights").join(name)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().and_then(|t| t.to_dtype(DType::F64));
    flat.and_then(|t| t.to_vec1()).expect("a tensor on the CPU")
}

/// The network of the fixtures, or another of its tensors.
fn is_network(dict: &StateDict<'_>) -> Option<()> {
    (dict.contains("conv.weight") && dict.contains("conv.bias") && dict.iter().len() == 2)
        .then_some(())
}

#[test]
fn the_network_is_found_wherever_it_lies() {
    for (name, prefix, left_out) in [
        ("lone_tensor.pth", "state_dict.", "best_acc1"),
        ("lightning.ckpt", "state_dict.model.", "state_dict.criterion.weight"),
        ("average.pth", "model.", "model_ema.module.conv.weight"),
        ("parts.pth", "student.encoder.", "teacher.layer0.weight"),
        ("legacy.pth", "", ""),
    ] {
        let file = TensorFile::read(&fixture(name)).unwrap();
        let (dict, ()) = file.state_dict(is_network).unwrap_or_else(|| panic!("{name}"));
        assert!(dict.prefix().trim_end_matches("module.") == prefix, "{name}: {}", dict.prefix());
        let outside = dict.outside().map(|(name, _)| name);
        assert_eq!(outside.into_iter().next().unwrap_or_default(), left_out, "{name}");
        let read = |wanted: &str| {
            let (_, full, _) = dict.iter().find(|(name, ..)| *name == wanted).unwrap();
            values(&file.tensor(full).unwrap())
        };
        assert_eq!(read("conv.weight"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{name}");
        assert_eq!(read("conv.bias"), [0.5, -2.0], "{name}");
    }
}

#[test]
fn without_knowing_better_the_largest_dict_is_taken() {
    let file = TensorFile::read(&fixture("lone_tensor.pth")).unwrap();
    let dict = file.largest_dict();
    let names: Vec<&str> = dict.iter().map(|(name, ..)| name).collect();
    assert_eq!((dict.prefix(), &names[..]), ("state_dict.module.conv.", &["bias", "weight"][..]));
}

#[test]
fn the_width_of_the_file_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let tensor = Tensor::new(&[0.5f32, -2.0], &candle_core::Device::Cpu).unwrap();
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        let tensors = [("a".to_owned(), tensor.to_dtype(dtype).unwrap())].into();
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let file = TensorFile::read(&path).unwrap();
        let read = file.tensor("a").unwrap();
        assert_eq!((read.dtype(), values(&read)), (dtype, vec![0.5, -2.0]));
        assert_eq!(file.sha256().len(), 64);
    }
}

#[test]
fn files_that_are_no_weights_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pth");
    for (content, part) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"[..], "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = TensorFile::read(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("model.pth"), "{error}");
    }
    assert!(TensorFile::read(folder.path()).unwrap_err().to_string().contains("is no file"));
}
