//! `study.json`: what the files of results beside it belong to. They and it are all that the report
//! needs.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use hsets_report::output;
use serde::{Deserialize, Serialize};

use crate::{args::Protocol, study::Study};

/// Program and version, as results name it.
pub(crate) const SOFTWARE: &str = concat!("hsets-study ", env!("CARGO_PKG_VERSION"));
/// Name of the file.
const FILE: &str = "study.json";

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// `imagenet`, `cub` or `demo`.
    pub(crate) study: String,
    /// `clean` or `authors`.
    pub(crate) protocol: String,
    /// What segments the pictures: `sam` or `quickshift`.
    #[serde(default)]
    pub(crate) prior: String,
    /// The preset that others are compared with.
    pub(crate) standard: String,
    /// By experiment the command that ran it last.
    pub(crate) commands: BTreeMap<String, String>,
}

impl Manifest {
    /// Of a study, with what an earlier start wrote down.
    pub(crate) fn of(study: &Study, out: &Path) -> Result<Self> {
        let protocol: Protocol = study.protocol;
        let fresh = Self {
            study: study.name.into(),
            protocol: protocol.name().into(),
            prior: study.prior.into(),
            standard: crate::design::standard(protocol).into(),
            commands: BTreeMap::new(),
        };
        if !out.join(FILE).exists() {
            return Ok(fresh);
        }
        let known = Self::read(out)?;
        let what = |it: &Self| {
            format!("the study {} (protocol {}, prior {})", it.study, it.protocol, it.prior)
        };
        if what(&known) != what(&fresh) {
            let (folder, known, fresh) = (out.display(), what(&known), what(&fresh));
            anyhow::bail!("{folder} holds {known}, not {fresh}: give another --out");
        }
        Ok(known)
    }

    /// Reads it from a folder of results.
    pub(crate) fn read(out: &Path) -> Result<Self> {
        let path = out.join(FILE);
        let text = fs::read(&path).with_context(|| {
            format!("cannot read {}: no study was begun in this folder", path.display())
        })?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        Ok(output::write_file(&out.join(FILE), &text)?)
    }

    /// Whether its pictures are those of the paper.
    pub(crate) fn is_of_paper(&self) -> bool {
        self.study != "demo"
    }
}

/// The command as it was typed.
pub(crate) fn typed() -> String {
    let quoted = |argument: String| {
        let is_plain = |c: char| c.is_alphanumeric() || "-_=/.,:+".contains(c);
        if argument.chars().all(is_plain) {
            return argument;
        }
        format!("'{}'", argument.replace('\'', "'\\''"))
    };
    let arguments = std::env::args().skip(1).map(quoted);
    std::iter::once("cargo xtask reproduce".to_owned())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
