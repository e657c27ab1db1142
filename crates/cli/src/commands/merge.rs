//! `hsets merge`: shards become one file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hsets_evaluation::{Merged, merge};
use serde_json::json;

use crate::{
    args::{General, MergeArgs},
    failure::Failure,
    output::{complain, say},
};

/// Exit code when pictures lack.
const INCOMPLETE: u8 = 1;

pub(crate) fn run(args: &MergeArgs, general: &General) -> Result<(), Failure> {
    let parts = if args.parts.is_empty() { shards_of(&args.out)? } else { args.parts.clone() };
    let merged = merge(&parts, &args.out, args.any_code)?;
    if general.json {
        say(&record(&merged, &args.out).to_string());
    } else if !general.quiet {
        let out = args.out.display();
        let (files, rows, failed) = (parts.len(), merged.n_rows, merged.n_failed);
        say(&format!("{out}: {rows} rows of {files} files, {failed} of them failed"));
    }
    if merged.missing.is_nothing() {
        return Ok(());
    }
    complain(&gaps(&merged));
    Err(Failure::Reported(INCOMPLETE))
}

/// The files of shards beside that of all results, in order.
fn shards_of(out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = out.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let prefix = format!("{stem}.shard-");
    let mut parts = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && path.extension() == out.extension() {
            parts.push(path);
        }
    }
    parts.sort();
    anyhow::ensure!(
        !parts.is_empty() || out.exists(),
        "{}: there is no {prefix}*; name the files to join",
        folder.display()
    );
    Ok(parts)
}

fn gaps(merged: &Merged) -> String {
    let shards = merged.missing.shards();
    let list: Vec<String> =
        shards.iter().map(|index| format!("{index}/{}", merged.count)).collect();
    let running = match merged.in_use.len() {
        0 => String::new(),
        n => format!("; {n} of the files are still written to"),
    };
    format!(
        "pictures lack: run hsets evaluate again with --shard {} (or once without --shard){running}",
        list.join(", ")
    )
}

fn record(merged: &Merged, out: &Path) -> serde_json::Value {
    let missing = merged.missing.pictures.iter();
    let pictures: serde_json::Map<String, serde_json::Value> =
        missing.map(|(shard, pictures)| (shard.to_string(), json!(pictures))).collect();
    let untried = merged.missing.untried.iter();
    let untried: serde_json::Map<String, serde_json::Value> =
        untried.map(|(shard, n)| (shard.to_string(), json!(n))).collect();
    json!({
        "out": out.display().to_string(),
        "rows": merged.n_rows,
        "failed": merged.n_failed,
        "shards": merged.count,
        "missing": pictures,
        "untried": untried,
    })
}
