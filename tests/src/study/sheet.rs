//! Results as a CSV file that a study appends to and can be continued from.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};

/// One number of one contender on one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `xor`, `photos`.
    pub subject: String,
    /// Which network.
    pub network: String,
    /// Which picture.
    pub picture: String,
    /// Which contender.
    pub contender: String,
    /// Which metric.
    pub metric: String,
    /// The number; NaN where there is none.
    pub value: f64,
}

const HEADER: &str = "subject;network;picture;contender;metric;value";

/// A file of rows.
pub struct Sheet {
    file: File,
    done: BTreeSet<[String; 4]>,
}

impl Sheet {
    /// Begins a file, or continues one.
    pub fn open(path: &Path) -> Result<Self> {
        let rows = if path.exists() { Self::read(path)? } else { Vec::new() };
        let done = rows.iter().map(|r| key(&r.subject, &r.network, &r.picture, &r.contender));
        let done = done.collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() == 0 {
            writeln!(file, "{HEADER}")?;
        }
        Ok(Self { file, done })
    }

    /// Whether this was measured before.
    pub fn has(&self, [subject, network, picture, contender]: [&str; 4]) -> bool {
        self.done.contains(&key(subject, network, picture, contender))
    }

    /// Appends what was measured, all of it or nothing.
    pub fn add(&mut self, of: [&str; 4], scores: &[(&'static str, f64)]) -> Result<()> {
        let line =
            |(metric, value): &(&str, f64)| format!("{};{metric};{value:.5}\n", of.join(";"));
        self.file.write_all(scores.iter().map(line).collect::<String>().as_bytes())?;
        let [subject, network, picture, contender] = of;
        self.done.insert(key(subject, network, picture, contender));
        Ok(())
    }

    /// All rows of a file.
    pub fn read(path: &Path) -> Result<Vec<Row>> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        ensure!(header == HEADER, "{}: expected the columns {HEADER}", path.display());
        lines.map(|line| row(line).with_context(|| format!("{}: {line}", path.display()))).collect()
    }
}

fn key(subject: &str, network: &str, picture: &str, contender: &str) -> [String; 4] {
    [subject, network, picture, contender].map(str::to_owned)
}

fn row(line: &str) -> Result<Row> {
    let cells: Vec<&str> = line.split(';').collect();
    let [subject, network, picture, contender, metric, value] = cells[..] else {
        anyhow::bail!("expected 6 columns");
    };
    let [subject, network, picture, contender, metric] =
        [subject, network, picture, contender, metric].map(str::to_owned);
    Ok(Row { subject, network, picture, contender, metric, value: value.parse()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_continued() {
        let path = std::env::temp_dir().join(format!("sheet-{}.csv", std::process::id()));
        let of = ["xor", "net-0", "7", "ig"];
        Sheet::open(&path).unwrap().add(of, &[("recall", 0.25), ("iou", f64::NAN)]).unwrap();
        let sheet = Sheet::open(&path).unwrap();
        assert!(sheet.has(of) && !sheet.has(["xor", "net-0", "7", "hsets"]));
        let rows = Sheet::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((rows.len(), rows[0].value), (2, 0.25));
        assert!(rows[1].value.is_nan() && rows[1].metric == "iou");
    }
}
