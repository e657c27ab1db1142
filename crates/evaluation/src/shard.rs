//! A share of the pictures, for one of several processes.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{Error, Result};

/// Share `index` of `count`: the pictures whose place in the order of the selection is `index`
/// modulo `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// At least 1.
    pub count: usize,
}

/// Most shards.
const MAX_COUNT: usize = 100_000;

/// What [`Shard::from_str`] takes.
const EXPECTED: &str =
    "expected INDEX/COUNT with INDEX from 0 to COUNT - 1 and COUNT to 100000, auto/COUNT or auto";

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether a picture belongs to it.
    pub fn holds(self, rank: usize) -> bool {
        rank % self.count == self.index
    }

    /// The file of this shard, beside that of all results: `results.shard-3-of-8.db`.
    pub fn file(self, all: &Path) -> PathBuf {
        if self == Self::WHOLE {
            return all.to_owned();
        }
        let stem = all.file_stem().unwrap_or_default().to_string_lossy();
        let end = all.extension().map_or(String::new(), |end| format!(".{}", end.display()));
        all.with_file_name(format!("{stem}.shard-{}-of-{}{end}", self.index, self.count))
    }

    fn new(index: usize, count: usize) -> Result<Self> {
        if index < count && count <= MAX_COUNT {
            return Ok(Self { index, count });
        }
        Err(Error::Usage(format!("shard {index}/{count}: {EXPECTED}")))
    }

    /// `auto`, `auto/COUNT` or `INDEX/COUNT`; `variable` reads the environment.
    ///
    /// The index comes from Slurm's array (`SLURM_ARRAY_TASK_ID`) or from a Kubernetes indexed job
    /// (`JOB_COMPLETION_INDEX`). The count must be named unless all tasks of a Slurm array run: of
    /// an array that is resubmitted in part, the variables do not tell it, and Kubernetes never
    /// does.
    fn parse(text: &str, variable: impl Fn(&str) -> Option<usize>) -> Result<Self> {
        let wrong = || Error::Usage(format!("shard '{text}': {EXPECTED}"));
        let Some(count) = text.strip_prefix("auto") else {
            let (index, count) = text.split_once('/').ok_or_else(wrong)?;
            return Self::new(
                index.parse().map_err(|_| wrong())?,
                count.parse().map_err(|_| wrong())?,
            );
        };
        let slurm = variable("SLURM_ARRAY_TASK_ID");
        let index = slurm.or_else(|| variable("JOB_COMPLETION_INDEX")).ok_or_else(|| {
            Error::Usage(
                "shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set: run in \
                 a job array, or say INDEX/COUNT"
                    .into(),
            )
        })?;
        if let Some(count) = count.strip_prefix('/') {
            return Self::new(index, count.parse().map_err(|_| wrong())?);
        }
        if !count.is_empty() {
            return Err(wrong());
        }
        let [first, last, count] = ["MIN", "MAX", "COUNT"]
            .map(|end| slurm.and(variable(&format!("SLURM_ARRAY_TASK_{end}"))));
        match (first, last, count) {
            (Some(0), Some(last), Some(count)) if last + 1 == count => Self::new(index, count),
            _ => Err(Error::Usage(
                "shard auto: the number of shards is not known here: say auto/COUNT".into(),
            )),
        }
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, |name| env::var(name).ok()?.parse().ok())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, usize)]) -> Result<String> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        Shard::parse(text, find).map(|shard| shard.to_string())
    }

    #[test]
    fn every_picture_belongs_to_one_shard() {
        for rank in 0..20 {
            let holders = (0..7).filter(|&index| Shard { index, count: 7 }.holds(rank));
            assert_eq!(holders.count(), 1);
        }
    }

    #[test]
    fn files_of_shards() {
        let file = |index, count| Shard { index, count }.file(Path::new("a/r.x.db"));
        assert_eq!(file(3, 8), Path::new("a/r.x.shard-3-of-8.db"));
        assert_eq!(file(0, 1), Path::new("a/r.x.db"));
        assert_eq!(Shard { index: 0, count: 2 }.file(Path::new("r")), Path::new("r.shard-0-of-2"));
    }

    #[test]
    fn typed() {
        assert_eq!(parse("0/1", &[]).unwrap(), "0/1");
        assert_eq!(parse("3/8", &[]).unwrap(), "3/8");
        for wrong in ["8/8", "3", "/", "a/b", "-1/2", "0/0", "automatic", "auto/", "auto/x"] {
            let variables = [("JOB_COMPLETION_INDEX", 1)];
            assert!(matches!(parse(wrong, &variables), Err(Error::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn from_slurm_and_kubernetes() {
        let array = |id, min, max, count| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_MAX", max),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ]
        };
        assert_eq!(parse("auto", &array(2, 0, 7, 8)).unwrap(), "2/8");
        // Resubmitted in part: tasks 2 and 5 of who knows how many.
        assert!(parse("auto", &array(2, 2, 5, 2)).is_err());
        assert_eq!(parse("auto/8", &array(2, 2, 5, 2)).unwrap(), "2/8");
        assert_eq!(parse("auto/4", &[("JOB_COMPLETION_INDEX", 3)]).unwrap(), "3/4");
        assert!(parse("auto/3", &[("JOB_COMPLETION_INDEX", 3)]).is_err());
        assert!(parse("auto", &[("JOB_COMPLETION_INDEX", 3)]).is_err());
        assert!(parse("auto/4", &[]).is_err());
    }
}
