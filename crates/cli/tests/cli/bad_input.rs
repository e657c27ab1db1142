//! Whatever is wrong: one line that says what, the right exit code, no half-written file.

use std::{fs, path::PathBuf, process::Command};

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

use crate::support::{FILES, Place, QUICK, Ran, program, weights};

#[track_caller]
fn explain_fails(place: &Place, input: &str, code: i32, parts: &[&str]) {
    place.run_model(&format!("explain {input} --out out {QUICK}")).failed(code, parts);
    assert!(place.names("out").is_empty(), "{:?}", place.names("out"));
}

#[test]
fn what_is_no_image() {
    let place = Place::new();
    place.file("text.jpg", "hello");
    place.file("empty.png", "");
    explain_fails(&place, "text.jpg", 1, &["text.jpg"]);
    explain_fails(&place, "empty.png", 1, &["empty.png"]);
    explain_fails(&place, "missing.png", 1, &["missing.png"]);
}

#[test]
fn truncated_images() {
    let place = Place::new();
    let whole = fs::read(place.picture("whole.png", 64, 64)).unwrap();
    place.file("half.png", &whole[..whole.len() / 2]);
    explain_fails(&place, "half.png", 1, &["half.png"]);
    let jpeg = place.path("whole.jpg");
    image::open(place.path("whole.png")).unwrap().save(&jpeg).unwrap();
    let whole = fs::read(jpeg).unwrap();
    place.file("head.jpg", &whole[..40]);
    explain_fails(&place, "head.jpg", 1, &["head.jpg"]);
}

#[test]
fn one_pixel_is_an_image() {
    let place = Place::new();
    place.picture("dot.png", 1, 1);
    place.run_model(&format!("explain dot.png --quiet --out out {QUICK}")).ok();
    assert_eq!(place.names("out/dot"), FILES);
}

/// A PNG whose header claims `side` × `side` pixels.
fn png_that_claims(side: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let mut body = kind.to_vec();
        body.extend(data);
        let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
        bytes
    };
    let mut header = [side.to_be_bytes(), side.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(b"IHDR", &header));
    png.extend(chunk(b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]));
    png.extend(chunk(b"IEND", &[]));
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn pictures_too_large_to_hold() {
    let place = Place::new();
    place.file("huge.png", png_that_claims(20_000));
    explain_fails(&place, "huge.png", 1, &["huge.png", "20000"]);
}

/// The bundled weights with the first element of every tensor replaced.
fn weights_with_nan(place: &Place) -> PathBuf {
    let bytes = fs::read(weights()).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = names
        .iter()
        .filter(|name| file.tensor(name).unwrap().dtype() == Dtype::F32)
        .map(|name| {
            let tensor = file.tensor(name).unwrap();
            let mut data = tensor.data().to_vec();
            if name.ends_with("weight") {
                data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            }
            (name.clone(), tensor.shape().to_vec(), data)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    place.file("nan.safetensors", serialize(views, None).unwrap())
}

#[track_caller]
fn weights_fail(place: &Place, model: &str, file: &str, code: i32, parts: &[&str]) {
    place.picture("cat.png", 64, 64);
    let line = format!("explain cat.png --model {model} --weights {file} --out out {QUICK}");
    place.run(line.split(' ')).failed(code, parts);
    assert!(place.names("out").is_empty());
}

#[test]
fn weights_that_are_not_numbers() {
    let place = Place::new();
    weights_with_nan(&place);
    weights_fail(&place, "resnet20", "nan.safetensors", 1, &["NaN", "weights"]);
}

#[test]
fn weights_of_another_architecture() {
    let place = Place::new();
    let bundled = weights();
    weights_fail(&place, "vgg16", bundled.to_str().unwrap(), 1, &["features.0.weight"]);
}

#[test]
fn hostile_safetensors() {
    let place = Place::new();
    let huge_header = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    place.file("header.safetensors", huge_header);
    let header = br#"{"a":{"dtype":"F32","shape":[99999999,9999999],"data_offsets":[0,8]}}"#;
    let lying = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    place.file("lying.safetensors", lying);
    for file in ["header.safetensors", "lying.safetensors"] {
        weights_fail(&place, "resnet20", file, 1, &[file]);
        place.run_model(&format!("predict {file}")).failed(1, &[file]);
    }
}

#[test]
fn hostile_pickle() {
    let place = Place::new();
    place.file("evil.pth", b"cposix\nsystem\n(S'touch pwned'\ntR.");
    weights_fail(&place, "resnet20", "evil.pth", 1, &["evil.pth"]);
    assert!(!place.path("pwned").exists());
}

#[test]
fn unknown_names() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    explain_fails(&place, "cat.png --target 3", 2, &["3"]);
    explain_fails(&place, "cat.png --target ornage", 2, &["ornage"]);
    place.run(["predict", "cat.png", "--model", "resnet_50"]).failed(2, &["resnet50"]);
    explain_fails(&place, "cat.png --baseline gray", 2, &["baseline", "blur"]);
}

#[test]
fn settings_out_of_range() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    explain_fails(&place, "cat.png --mu 1.5", 2, &["mu = 1.5"]);
    explain_fails(&place, "cat.png --seed-pixel 64,0", 2, &["seed-pixel = 64,0", "64x64"]);
    explain_fails(&place, "cat.png --threads 0", 2, &["threads = 0"]);
    explain_fails(&place, "cat.png --threads 99999999", 2, &["threads = 99999999", "4096"]);
    let line = "hessian cat.png --at 3,0,0 --out h.safetensors";
    place.run_model(line).failed(2, &["at = 3,0,0"]);
    let line = "explain cat.png --out out --sets 0";
    place.run_model(line).failed(2, &["sets = 0"]);
    explain_fails(&place, "cat.png --target 1 --against 1", 2, &["against = 1", "another class"]);
    let line = "game cat.png --players 1 --segmenter grid";
    place.run_model(line).failed(2, &["players = 1", "2 segments"]);
}

#[test]
fn usage_errors_have_code_2() {
    let place = Place::new();
    for line in ["", "explode", "explain", "explain a.png --out out", "ig a.png --steps many"] {
        let ran = place.run(line.split_whitespace());
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
    }
}

#[test]
fn what_this_build_lacks_is_named() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    if !cfg!(feature = "cuda") {
        explain_fails(&place, "cat.png --device cuda", 2, &["cuda", "--features cuda"]);
    }
    if !cfg!(feature = "sam") {
        explain_fails(&place, "cat.png --segmenter sam", 2, &["sam", "--features sam"]);
    }
}

#[test]
fn other_inputs_are_still_done() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.picture("dog.png", 64, 64);
    place.file("text.jpg", "hello");
    let line = format!("explain cat.png text.jpg dog.png --out out {QUICK}");
    let ran = place.run_model(&line).failed(1, &["text.jpg"]);
    assert_eq!(place.names("out"), ["cat", "dog", "index.html"]);
    assert!(ran.stdout.contains("cat.png") && ran.stdout.contains("dog.png"));
    let ran = place.run_model("predict cat.png text.jpg --json").failed(1, &["text.jpg"]);
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn output_that_cannot_be_written() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.file("file", "in the way");
    let explain = |out: &str| place.run_model(&format!("explain cat.png --out {out} {QUICK}"));
    explain("file").failed(1, &["file", "in the way"]);
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "in the way");
    explain("/proc/hsets").failed(1, &["/proc/hsets", "folder"]);
    let line = "gradient cat.png --out file/g.safetensors";
    place.run_model(line).failed(1, &["file/g.safetensors"]);
}

/// A limit on the size of files stands for a full disk: writes fail in the same place.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let script = format!(
        "trap '' XFSZ; ulimit -f 4; exec '{}' explain cat.png --model resnet20 --weights '{}' \
         --out out --segmenter grid {QUICK}",
        program().get_program().to_str().unwrap(),
        weights().display(),
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output();
    Ran::of(output.unwrap()).failed(1, &["out/cat", "space"]);
    assert!(place.names("out").is_empty(), "{:?}", place.names("out"));
}

/// Root may write anywhere, so this says nothing there.
#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let folder = place.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write to read-only folders");
        return;
    }
    let ran = place.run_model(&format!("explain cat.png --out locked {QUICK}"));
    ran.failed(1, &["locked", "may write"]);
}
