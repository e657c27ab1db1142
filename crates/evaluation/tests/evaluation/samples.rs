//! Which pictures get rows, and what is in them.

use hsets_evaluation::{Shard, Verdict, order};

use crate::support::{Bench, Pretender, Witness, dataset, refused};

#[test]
fn as_many_correct_pictures_as_asked_for_in_the_order_of_the_shuffle() {
    let bench = Bench::new(dataset(60, &[]), Some(20));
    let outcome = bench.run("r.db");
    assert_eq!(outcome.n_chosen, [("small".to_owned(), 20), ("large".to_owned(), 20)]);
    let results = bench.results("r.db");
    let order = order(60, 5);
    for model in ["small", "large"] {
        let candidates = results.candidates_of(model).unwrap();
        for (rank, candidate) in candidates.iter().enumerate() {
            let sample = &bench.dataset.samples[order[rank]];
            assert_eq!((candidate.rank, &candidate.image), (rank, &sample.id));
            let is_right = Pretender(model).is_right(&sample.id);
            let expected = if is_right { Verdict::Chosen } else { Verdict::Misclassified };
            assert_eq!(candidate.verdict, expected);
            assert_eq!(candidate.predicted == Some(sample.class), is_right);
        }
        // No more than needed were tried.
        assert_eq!(candidates.last().unwrap().verdict, Verdict::Chosen);
        let rows = results.rows().unwrap();
        let rows: Vec<_> = rows.iter().filter(|row| row.model == model).collect();
        assert_eq!(rows.len(), 20 * 2 * 2);
        assert!(rows.iter().all(|row| row.failure.is_none() && row.explained == Some(row.class)));
        assert!(rows.iter().all(|row| row.seed == 10 + u64::from(row.run)));
        assert!(rows.iter().all(|row| row.weights_hash == format!("hash of {model}")));
        assert!(rows.iter().all(|row| row.work.n_rows == row.run as usize && row.n_sets == 5));
    }
}

#[test]
fn numbers_come_back_to_the_bit_and_nan_as_nothing() {
    let bench = Bench::new(dataset(60, &[]), None);
    bench.run("r.db");
    let rows = bench.results("r.db").rows().unwrap();
    let pairs = rows.iter().map(|row| (row.metrics[0].unwrap(), row.metrics[1]));
    let mut n_undefined = 0;
    for (gini, road) in pairs {
        let value = gini.fract();
        n_undefined += usize::from(road.is_none());
        // 1 + value - 1 loses bits; the root is of the value itself.
        assert_eq!(road.is_none(), value < 0.1);
        assert!(road.is_none_or(|road| (road.powi(2) - value).abs() < 1e-12));
    }
    assert!(n_undefined > 5, "{n_undefined}");
}

#[test]
fn all_pictures_and_wrong_ones_too() {
    let mut bench = Bench::new(dataset(30, &[]), None);
    bench.run("correct.db");
    let correct = bench.results("correct.db");
    let n_right = correct.candidates().unwrap().iter().filter(|c| c.verdict.has_rows()).count();
    assert!(n_right < 60);
    assert_eq!(correct.counts().unwrap(), (4 * n_right, 0));
    assert_eq!(correct.candidates().unwrap().len(), 60);
    assert!(correct.missing(Shard::WHOLE, 1).unwrap().is_nothing());
    bench.plan.selection.correct_only = false;
    bench.run("all.db");
    let rows = bench.results("all.db").rows().unwrap();
    assert_eq!(rows.len(), 4 * 60);
    // Then the class that the model sees is explained, not the true one.
    assert!(rows.iter().any(|row| row.explained != Some(row.class)));
}

#[test]
fn fewer_than_asked_for_are_told() {
    let bench = Bench::new(dataset(8, &[]), Some(20));
    let outcome = bench.run("r.db");
    assert!(outcome.n_chosen.iter().all(|(_, n)| *n < 9 && *n > 3));
    assert!(bench.results("r.db").missing(Shard::WHOLE, 1).unwrap().is_nothing());
}

#[test]
fn failures_are_rows_with_a_reason() {
    let special = [(3, "broken"), (6, "vanished"), (7, "panics"), (11, "hard")];
    let mut bench = Bench::new(dataset(24, &special), None);
    bench.plan.selection.correct_only = false;
    bench.maps = true;
    bench.run("r.db");
    let rows = bench.results("r.db").rows().unwrap();
    assert_eq!(rows.len(), 24 * 2 * 2 * 2);
    for row in &rows {
        let reason = row.failure.as_deref();
        let kind = row.image.split('/').next().unwrap();
        let expected = match (kind, row.method.as_str()) {
            ("broken", _) => Some("broken/003.png: truncated"),
            ("vanished", _) => Some("no such file"),
            ("panics", _) => Some("a fault in the program: index out of bounds"),
            ("hard", "poor") => Some("did not converge"),
            _ => None,
        };
        assert_eq!(reason, expected, "{row:?}");
        assert_eq!(row.metrics[0].is_none(), reason.is_some());
    }
    // Once the causes are gone, what failed is done again, and the rest is not.
    let all = bench.dump("r.db");
    assert!(all.contains("truncated"));
    let mut store = bench.store("r.db", Shard::WHOLE).unwrap();
    assert_eq!(store.forget_failed().unwrap(), 4 * 2);
    drop(store);
    bench.dataset.samples[3].id.replace_range(.., "broken/003.png");
    let outcome = bench.run("r.db");
    assert!(outcome.n_pictures >= 8 && outcome.n_pictures < 48, "{outcome:?}");
    assert_eq!(bench.dump("r.db"), all);
}

/// An unreadable picture is none of the samples; when it can be read again, it takes its place.
#[test]
fn a_repaired_picture_is_one_of_the_samples() {
    let order = order(30, 5);
    let intact = Bench::new(dataset(30, &[(order[2], "mended")]), Some(10));
    intact.run("r.db");
    let mut bench = Bench::new(dataset(30, &[(order[2], "broken")]), Some(10));
    // The same names in the plan.
    bench.plan = intact.plan.clone();
    bench.run("r.db");
    let results = bench.results("r.db");
    let (n_rows, n_failed) = results.counts().unwrap();
    assert_eq!((n_rows, n_failed), (2 * 11 * 4, 2 * 4));
    bench.dataset = dataset(30, &[(order[2], "mended")]);
    bench.store("r.db", Shard::WHOLE).unwrap().forget_failed().unwrap();
    bench.run("r.db");
    assert_eq!(bench.dump("r.db"), intact.dump("r.db"));
}

#[test]
fn when_everything_fails_the_run_stops() {
    let special: Vec<(usize, &str)> = (0..40).map(|at| (at, "vanished")).collect();
    let bench = Bench::new(dataset(40, &special), None);
    let stopped = bench.run_watched("r.db", Shard::WHOLE, &Witness::default());
    refused(stopped, &["20 pictures in a row", "no such file", "--retry-failed"]);
    assert_eq!(bench.results("r.db").counts().unwrap(), (80, 80));
}

#[test]
fn maps_are_small_files_that_come_back() {
    use std::io::Read as _;
    let mut bench = Bench::new(dataset(6, &[]), None);
    bench.maps = true;
    bench.run("r.db");
    let row = &bench.results("r.db").rows().unwrap()[0];
    let path = hsets_evaluation::map_file(&bench.path("maps"), &row.model, &row.image);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.names().len(), 4);
    let name = format!("{}/{}", row.method, row.run);
    let scale: f32 = header.metadata().as_ref().unwrap()[&name].parse().unwrap();
    let data = tensors.tensor(&name).unwrap();
    let value = |at: usize| {
        let bytes = [data.data()[2 * at], data.data()[2 * at + 1]];
        scale * f32::from(half::f16::from_le_bytes(bytes))
    };
    assert_eq!(data.shape(), [1, 1, 4]);
    let expected = row.metrics[0].unwrap().fract() as f32;
    assert!((value(3) - expected).abs() < 1e-3 * expected && value(0) == 0.0);
    let elsewhere = hsets_evaluation::map_file("m".as_ref(), "a", "../../etc/x.png");
    assert_eq!(elsewhere, std::path::Path::new("m/a/%2E%2E/%2E%2E/etc/x.png.safetensors.gz"));
}
