//! Files made to exhaust memory, time or the stack. They are tried one after another in a program of
//! their own, so that the highest use of memory is theirs.

use std::path::Path;
use std::time::{Duration, Instant};

use hsets_weights::TensorFile;

/// The earlier form of checkpoints around one pickled object, with one storage "0" of `data`.
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

/// `_rebuild_tensor_v2(storage "0", 0, shape, stride, …)`; `shape` and `stride` leave a tuple each.
fn tensor(shape: &[u8], stride: &[u8]) -> Vec<u8> {
    let head = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
                 X\x01\0\0\x000X\x03\0\0\0cpuK\x02NtQK\0";
    [&head[..], shape, stride, b"\x89NtR"].concat()
}

fn text(content: &[u8]) -> Vec<u8> {
    [b"X", &(content.len() as u32).to_le_bytes()[..], content].concat()
}

fn long(value: u64) -> Vec<u8> {
    [&b"\x8a\x08"[..], &value.to_le_bytes()].concat()
}

/// A dict of one tensor of this shape and stride.
fn dict(shape: &[u8], stride: &[u8]) -> Vec<u8> {
    [&b"\x80\x02}"[..], &text(b"a"), &tensor(shape, stride), b"s."].concat()
}

fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let one = [&b"K\x01\x85"[..]; 2].concat();
    let small = tensor(&one[..3], &one[..3]);
    // Tuples of one tuple twice, 120 times: 2^120 objects if references were copied.
    let mut nested_memo = b"\x80\x02)q\0".to_vec();
    for i in 0..120u8 {
        nested_memo.extend([b'h', i, b'h', i, 0x86, b'q', i + 1]);
    }
    nested_memo.push(b'.');
    // A dict in itself, and dicts that contain one another.
    let cyclic = [&b"\x80\x02}q\0"[..], &text(b"a"), b"h\0s", &text(b"b"), &small, b"s."].concat();
    let mut diamond = b"\x80\x02}".to_vec();
    diamond.extend([&text(b"t")[..], &small, b"sq\0"].concat());
    for i in 0..100u8 {
        let twice = [&text(b"a")[..], &[b'h', i], b"s", &text(b"b"), &[b'h', i], b"s"].concat();
        diamond.extend([&b"}"[..], &twice, &[b'q', i + 1]].concat());
    }
    diamond.push(b'.');
    // One long module name, on the stack again and again.
    let module = text(&vec![b'm'; 100_000]);
    let mut globals = [&b"\x80\x04"[..], &module, b"q\0", &text(b"n"), b"q\x01"].concat();
    globals.extend(b"h\0h\x01\x93".repeat(40_000));
    globals.push(b'.');
    // One long key for thousands of tensors, each in a dict of its own.
    let key = text(&vec![b'k'; 100_000]);
    let mut keys = [&b"\x80\x02}"[..], &key, b"q\0N", b"s", &small, b"q\x010"].concat();
    for i in 0..20_000u32 {
        let of_dict = [&text(&i.to_le_bytes())[..], b"}h\0h\x01ss"].concat();
        keys.extend(of_dict);
    }
    keys.push(b'.');
    let mut axes = b"(".to_vec();
    axes.extend(b"K\x01".repeat(100_000));
    axes.push(b't');
    let huge = [long(1_000_000_000_000), b"\x85".to_vec()].concat();
    let zero = b"K\0\x85".to_vec();
    let header = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let many_axes = format!(
        r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#,
        "1,".repeat(200_000)
    );
    let mut many_axes = header(&many_axes);
    many_axes.extend([0; 4]);
    let names: Vec<String> = (0..120_000)
        .map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    vec![
        ("tuples of tuples", legacy(&nested_memo, &[])),
        ("a dict in itself, deep", legacy(&diamond, &[0; 4])),
        ("repeated globals", legacy(&globals, &[])),
        ("a long key", legacy(&keys, &[0; 4])),
        ("many axes", legacy(&dict(&axes, &axes), &[0; 4])),
        ("10^12 elements", legacy(&dict(&huge, &one[..3]), &[0; 4])),
        ("10^12 times the same element", legacy(&dict(&huge, &zero), &[0; 4])),
        (
            "a million brackets",
            legacy(&[&b"\x80\x02)"[..], &vec![0x85; 1_000_000], b"."].concat(), &[]),
        ),
        (
            "five million tuples",
            legacy(&[&b"\x80\x02"[..], &vec![b')'; 5_000_000], b"."].concat(), &[]),
        ),
        ("marks alone", legacy(&[&b"\x80\x02"[..], &vec![b'('; 5_000_000], b"."].concat(), &[])),
        (
            "copies of the top",
            legacy(&[&b"\x80\x02N"[..], &vec![b'2'; 5_000_000], b"."].concat(), &[]),
        ),
        (
            "a memo of millions",
            legacy(&[&b"\x80\x02N"[..], &vec![0x94; 5_000_000], b"."].concat(), &[]),
        ),
        ("a length of 2 GiB", legacy(b"\x80\x02X\xff\xff\xff\x7fshort.", &[])),
        ("a length of 2^63", legacy(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fshort.", &[])),
        ("many axes in safetensors", many_axes),
        ("many names", header(&format!("{{{}}}", names.join(",")))),
        ("nested JSON", header(&"[".repeat(1_000_000))),
        ("a header of 2^64 bytes", u64::MAX.to_le_bytes().to_vec()),
        ("cyclic", legacy(&cyclic, &[0; 4])),
    ]
}

/// Peak resident memory in bytes, counted anew from here.
#[cfg(target_os = "linux")]
fn forget_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    peak()
}

#[cfg(target_os = "linux")]
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(not(target_os = "linux"))]
fn forget_peak() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn peak() -> Option<u64> {
    None
}

#[test]
fn nothing_exhausts_memory_or_time() {
    for (name, bytes) in cases() {
        let limit = 16 * bytes.len() as u64 + (64 << 20);
        let before = forget_peak();
        let begun = Instant::now();
        let read = TensorFile::from_bytes(Path::new("hostile"), bytes);
        let seconds = begun.elapsed();
        // The one that is only odd is read: its dict is looked at once.
        match read {
            Ok(_) => assert!(["cyclic", "a dict in itself, deep"].contains(&name), "{name}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!error.contains('\n') && error.len() < 600, "{name}: {error}");
            }
        }
        // A machine may be busy; without bounds these take minutes.
        assert!(seconds < Duration::from_secs(10), "{name}: {seconds:?}");
        if let (Some(before), Some(peak)) = (before, peak()) {
            let grown = peak.saturating_sub(before);
            assert!(grown <= limit, "{name}: {} MiB", grown >> 20);
        }
    }
    calls_are_refused_by_name();
}

/// What `torch.load(weights_only=True)` would not call is refused, wherever it stands.
fn calls_are_refused_by_name() {
    for module in ["os\nsystem", "torch.hub\nload", "builtins\neval", "numpy.f2py.diagnose\nrun"] {
        let call = format!("c{module}\n");
        let pickle =
            [&b"\x80\x02}"[..], &text(b"a"), call.as_bytes(), &text(b"ls"), b"\x85Rs."].concat();
        let bytes = legacy(&pickle, &[0; 4]);
        let error = TensorFile::from_bytes(Path::new("hostile"), bytes).expect_err("refused");
        let error = error.to_string();
        assert!(error.contains(&module.replace('\n', ".")), "{error}");
        assert!(error.contains("weights_only"), "{error}");
    }
}
