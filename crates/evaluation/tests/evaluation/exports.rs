//! Files for other programs.

use hsets_evaluation::{Format, Shard, export, tables};

use crate::support::{Bench, Witness, dataset, refused};

fn bench() -> Bench {
    let bench = Bench::new(dataset(30, &[(9, "hard")]), None);
    bench.run("r.db");
    bench
}

#[test]
fn csv_holds_every_row_to_the_bit() {
    let bench = bench();
    let results = bench.results("r.db");
    let out = bench.path("new/rows.csv");
    export(&results, &out, Format::of(&out).unwrap(), true).unwrap();
    let mut reader = csv::Reader::from_path(&out).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let rows = results.rows().unwrap();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        assert_eq!(&record[column("image")], row.image);
        assert_eq!(record[column("failure")], *row.failure.as_deref().unwrap_or_default());
        for (name, metric) in bench.plan.metrics.iter().zip(&row.metrics) {
            assert_eq!(record[column(name)].parse::<f64>().ok(), *metric);
        }
        assert_eq!(&record[column("seed")], row.seed.to_string());
        let seconds = record[column("seconds")].parse::<f64>();
        assert_eq!(seconds.ok(), row.failure.is_none().then_some(0.002));
    }
}

#[test]
fn without_timings_the_file_is_always_the_same() {
    let [a, b] = [bench(), bench()];
    let bytes = |bench: &Bench| {
        let out = bench.path("rows.csv");
        export(&bench.results("r.db"), &out, Format::Csv, false).unwrap();
        std::fs::read(out).unwrap()
    };
    assert_eq!(bytes(&a), bytes(&b));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_every_row_to_the_bit() {
    use parquet::{
        file::reader::{FileReader as _, SerializedFileReader},
        record::RowAccessor as _,
    };
    let bench = bench();
    let out = bench.path("rows.parquet");
    export(&bench.results("r.db"), &out, Format::of(&out).unwrap(), true).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(out).unwrap()).unwrap();
    let found: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    let rows = bench.results("r.db").rows().unwrap();
    assert_eq!(found.len(), rows.len());
    for (found, row) in found.iter().zip(&rows) {
        assert_eq!(found.get_string(1).unwrap(), &row.image);
        assert_eq!(found.get_long(3).unwrap(), i64::from(row.run));
        assert_eq!(found.get_string(7).ok(), row.failure.as_ref());
        assert_eq!(found.get_double(16).ok(), row.metrics[0]);
        assert_eq!(found.get_double(17).ok(), row.metrics[1]);
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_says_how_to_have_it() {
    let bench = bench();
    let out = bench.path("rows.parquet");
    refused(export(&bench.results("r.db"), &out, Format::Parquet, true), &["--features parquet"]);
    assert!(!out.exists());
}

#[test]
fn tables_for_people() {
    let bench = bench();
    let text = tables(&bench.results("r.db")).unwrap();
    for part in ["## gini", "## road-1-accuracy", "| good |", "(1 left out)", "2 runs from seed 10"]
    {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
    // The better method is better by 1, so its interval of differences lies below -0.9.
    let line = text.lines().find(|line| line.starts_with("| poor |")).unwrap();
    assert!(line.contains("| -1.0") || line.contains("| -0.9"), "{line}");
}

#[test]
fn unknown_formats_and_empty_files() {
    refused(Format::of("rows.xlsx".as_ref()), &["'xlsx'", ".csv, .parquet or .md"]);
    refused(Format::of("rows".as_ref()), &["expected a file that ends in"]);
    let bench = Bench::new(dataset(4, &[]), None);
    let witness = Witness { stop_after: Some(0), ..Witness::default() };
    let _ = bench.run_watched("r.db", Shard::WHOLE, &witness);
    let out = bench.path("rows.csv");
    export(&bench.results("r.db"), &out, Format::Csv, false).unwrap();
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 1);
    assert!(tables(&bench.results("r.db")).unwrap().contains("| good | - |"));
}
