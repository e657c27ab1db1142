//! Preprocessing against PIL and torchvision; image files against PIL.
#![cfg(feature = "files")]

use std::path::{Path, PathBuf};

use hsets_core::Photo;
use hsets_models::{Classifier, Exif, LoadOptions, Preprocessing, read_photo, read_tensor};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name)
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

/// The picture that `make_goldens.py` draws.
fn drawn(width: usize, height: usize) -> Photo {
    let pixel = |at: usize| {
        let (y, x) = (at / width, at % width);
        let ramp = (x * 255 / (width - 1).max(1) + y) % 256;
        let checks = (x / 5 + y / 7) % 2 * 255;
        let noise = (x * 1_103_515_245 + y * 12_345 + x * y * 7_919) / 8 % 256;
        [ramp, checks, noise].map(|value| value as u8)
    };
    Photo::new(width, height, (0..width * height).flat_map(pixel).collect()).expect("a photo")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn size(value: &Value) -> usize {
    value.as_u64().expect("a size") as usize
}

#[test]
fn resizing_and_cropping_equal_pil_bit_for_bit() {
    let golden = json("preprocessing.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 80);
    for case in cases {
        let preprocessing = Preprocessing {
            resize: size(&case["resize"]),
            crop: [size(&case["crop"][0]), size(&case["crop"][1])],
            interpolation: case["interpolation"].as_str().unwrap().parse().unwrap(),
            ..Preprocessing::IMAGENET
        };
        let photo = drawn(size(&case["width"]), size(&case["height"]));
        let prepared = preprocessing.prepare(&photo).unwrap();
        assert_eq!(sha256(prepared.photo.rgb()), case["sha256"].as_str().unwrap(), "{case}");
    }
}

/// As `LoadOptions` of a network override its preprocessing.
fn overridden(options: &LoadOptions) -> Result<Preprocessing, String> {
    let architecture = "resnet20".parse().expect("an architecture");
    let network = Classifier::untrained(architecture, 2, options);
    Ok(network.map_err(|error| error.to_string())?.preprocessing().clone())
}

#[test]
fn the_share_of_a_crop_is_timms() {
    let golden = json("transforms.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 50);
    for case in cases {
        let preprocessing = overridden(&LoadOptions {
            input_size: Some([size(&case["size"]); 2]),
            crop_fraction: case["crop_pct"].as_f64(),
            interpolation: Some(case["interpolation"].as_str().unwrap().parse().unwrap()),
            ..LoadOptions::default()
        });
        let photo = drawn(size(&case["width"]), size(&case["height"]));
        let prepared = preprocessing.unwrap().prepare(&photo).unwrap();
        assert_eq!(sha256(prepared.photo.rgb()), case["sha256"].as_str().unwrap(), "{case}");
    }
    for (crop_fraction, resize, part) in
        [(0.0, None, "above 0"), (1.1, None, "above 0"), (0.5, Some(64), "without --resize")]
    {
        let options =
            LoadOptions { crop_fraction: Some(crop_fraction), resize, ..LoadOptions::default() };
        let error = overridden(&options).unwrap_err();
        assert!(error.starts_with("crop = ") && error.contains(part), "{error}");
    }
}

/// All eight are one picture with another orientation written into it, which PIL's `Image.open`
/// leaves alone.
#[test]
fn orientation_is_ignored_where_that_is_asked() {
    let images = json("images/images.json");
    let as_it_lies = &images["exif1.jpg"];
    let expected: Vec<u8> =
        as_it_lies["rgb"].as_array().unwrap().iter().map(|v| size(v) as u8).collect();
    for orientation in 1..=8 {
        let path = fixture("images").join(format!("exif{orientation}.jpg"));
        let photo = read_photo(&path, Exif::Ignore).unwrap();
        assert_eq!([photo.width(), photo.height()], [24, 16], "{orientation}");
        let worst = photo.rgb().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= 3, "{orientation}: off by {worst}");
        let obeyed = read_photo(&path, Exif::Obey).unwrap();
        assert_eq!(photo == obeyed, orientation == 1, "{orientation}");
    }
    let options = LoadOptions { exif: Some(Exif::Ignore), ..LoadOptions::default() };
    assert_eq!(overridden(&options).unwrap().exif, Exif::Ignore);
    assert_eq!(overridden(&LoadOptions::default()).unwrap().exif, Exif::Obey);
}

#[test]
fn normalising_equals_torchvision_bit_for_bit() {
    let golden = &json("preprocessing.json")["normalized"];
    let photo = drawn(size(&golden["width"]), size(&golden["height"]));
    let image = Preprocessing::IMAGENET.normalize(&photo).unwrap();
    let bytes: Vec<u8> = image.data().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(sha256(&bytes), golden["sha256"].as_str().unwrap());
}

/// Lossless formats equal PIL; JPEG decoders may round differently by a few levels.
#[test]
fn every_format_is_read_as_pil_reads_it() {
    let golden = json("images/images.json");
    for (name, expected) in golden.as_object().unwrap() {
        let photo = read_photo(&fixture("images").join(name), Exif::Obey).unwrap();
        let dims = [photo.width(), photo.height()];
        assert_eq!(dims, [size(&expected["size"][0]), size(&expected["size"][1])], "{name}");
        let rgb: Vec<u8> =
            expected["rgb"].as_array().unwrap().iter().map(|v| size(v) as u8).collect();
        let worst = photo.rgb().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let is_jpeg = Path::new(name).extension().is_some_and(|extension| extension == "jpg");
        assert!(worst <= if is_jpeg { 3 } else { 0 }, "{name}: off by {worst}");
    }
}

#[test]
fn broken_files_are_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = read_photo(&path, Exif::Obey).unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains('\n'), "{error}");
        error
    };
    assert!(file("empty.png", b"").contains("is empty"));
    assert!(file("text.jpg", b"hello, world").contains("not an image"));
    for name in ["exif1.jpg", "progressive.jpg", "rgb.png", "rgb.tiff", "lossless.webp"] {
        let whole = std::fs::read(fixture("images").join(name)).unwrap();
        let error = file(name, &whole[..whole.len() * 3 / 4]);
        assert!(error.contains("damaged or truncated"), "{error}");
    }
    let missing =
        read_photo(&folder.path().join("absent.png"), Exif::Obey).unwrap_err().to_string();
    assert!(missing.contains("absent.png"), "{missing}");
}

#[test]
fn a_header_that_claims_a_huge_picture_is_refused_before_memory_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.png");
    // A PNG's header with width and height 20000; its checksum is that of these bytes.
    let mut bytes =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x4e\x20\0\0\x4e\x20\x08\x02\0\0\0".to_vec();
    bytes.extend(crc32(&bytes[12..]).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT");
    bytes.extend(crc32(b"IDAT").to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = read_photo(&path, Exif::Obey).unwrap_err().to_string();
    assert!(error.contains("20000x20000 is too large"), "{error}");
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[test]
fn tensors_are_inputs_too() {
    use candle_core::{Device, Tensor};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.safetensors");
    let photo = drawn(5, 4);
    let image = Preprocessing::IMAGENET.normalize(&photo).unwrap();
    for dims in [vec![3, 4, 5], vec![1, 3, 4, 5]] {
        let tensor = Tensor::from_vec(image.data().to_vec(), dims, &Device::Cpu).unwrap();
        tensor.save_safetensors("input", &path).unwrap();
        let prepared = read_tensor(&path, &Preprocessing::IMAGENET).unwrap();
        assert_eq!(prepared.image, image);
        assert_eq!(prepared.photo, photo);
    }
    let flat = Tensor::zeros(60, candle_core::DType::F32, &Device::Cpu).unwrap();
    flat.save_safetensors("input", &path).unwrap();
    let error = read_tensor(&path, &Preprocessing::IMAGENET).unwrap_err().to_string();
    assert!(error.contains("[3, H, W]"), "{error}");
}
