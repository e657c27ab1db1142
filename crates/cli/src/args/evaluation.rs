//! Arguments of the commands about whole datasets.

use std::path::PathBuf;

use clap::Args;
use hsets_datasets::{Layout, Numbering, Split};
use hsets_evaluation::Shard;
use hsets_pipeline::{attribution::Samples, core::Error};

use super::{InputArgs, MethodArgs, MetricArgs, measuring};

#[derive(Debug, Clone, Args)]
#[command(after_help = EVALUATE_EXAMPLES)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Model, as `hsets models` lists them, or `bundled`; weights in a file of yours are NAME=FILE.
    /// Several by commas, or repeated [default: what --weights look like]
    #[arg(long = "model", short, required_unless_present = "weights", value_name = "NAME[=FILE]", value_delimiter = ',', value_parser = model_spec, help_heading = "Model")]
    pub(crate) models: Vec<ModelSpec>,
    /// Weights of the only model, as in explain; of several, each has its NAME=FILE
    #[arg(long, short, value_name = "FILE", help_heading = "Model")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Methods, as `hsets explain --help` lists them; or all
    #[arg(long, default_value = "hsets,ig", value_name = "LIST", value_delimiter = ',', value_parser = measuring::methods, help_heading = "Method")]
    pub(crate) methods: Vec<measuring::Methods>,
    #[command(flatten)]
    pub(crate) method: MethodArgs,
    /// Subsets sampled of every set, or auto, as --samples of `hsets explain` [default: of the preset]
    #[arg(long, value_name = "T|auto[:CONFIDENCE[:TIE]]", help_heading = "Method")]
    pub(crate) subsets: Option<Samples>,
    #[command(flatten)]
    pub(crate) metrics: MetricArgs,
    /// File of results (SQLite). Where it is there, the evaluation goes on
    #[arg(long, short, value_name = "FILE.db")]
    pub(crate) out: PathBuf,
    /// Keep the maps: a compressed .safetensors for each picture and model
    #[arg(long, value_name = "DIR")]
    pub(crate) maps: Option<PathBuf>,
    /// Only a share of the pictures, INDEX from 0: INDEX/COUNT; auto/COUNT takes the index from
    /// Slurm or Kubernetes. Results go to FILE.shard-INDEX-of-COUNT.db
    #[arg(long, value_name = "SHARD")]
    pub(crate) shard: Option<Shard>,
    /// Measure the first pictures, print what the whole would cost, and stop
    #[arg(long)]
    pub(crate) estimate: bool,
    /// Do again what failed
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Go on with what another version of this program began; every row says which made it
    #[arg(long)]
    pub(crate) any_code: bool,
    #[command(flatten)]
    pub(crate) slurm: SlurmArgs,
}

const EVALUATE_EXAMPLES: &str = "\
Stopped at any moment, the same command goes on where it was and ends with the same rows.
Exit code 1 if rows failed: their column `failure` says why.

Examples:
  hsets evaluate --data ILSVRC2012 --model resnet50,vgg16 --methods hsets,ig,archipelago \\
      --samples 1000 --runs 5 --out results.db
  hsets evaluate --data imagenette2-320 --model resnet50=mine.safetensors --estimate --out r.db
  hsets evaluate --data CUB_200_2011 --model vgg16=cub.pth --out cub.db --slurm --slurm-tasks 64 \\
      --slurm-partition gpu --slurm-gpus 1 --slurm-time 12:00:00
  hsets export results.db --out table.md";

/// Which pictures.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pictures")]
pub(crate) struct DataArgs {
    /// Folder of a dataset, or a CSV file of path,label
    #[arg(long, value_name = "DIR|FILE.csv")]
    pub(crate) data: PathBuf,
    /// imagenet, imagenette, cub, folder or csv [default: what it looks like]
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) dataset: Option<Layout>,
    /// train, val, test or all [default: what is held out, or all]
    #[arg(long, value_name = "SPLIT")]
    pub(crate) split: Option<Split>,
    /// Folder of the paths in a CSV file [default: that of the file]
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// What numbers mean that class folders are named by: `index`, the model's classes; `text`, none,
    /// the folders are in the order of their names, as torchvision's ImageFolder has them [default:
    /// index where that is possible]
    #[arg(long, value_name = "index|text")]
    pub(crate) numbering: Option<Numbering>,
    /// How many pictures for each model, or all
    #[arg(long = "samples", id = "pictures", default_value = "all", value_name = "N|all", value_parser = count)]
    pub(crate) samples: Count,
    /// Seed of the order in which pictures are tried [default: --seed]
    #[arg(long, value_name = "N")]
    pub(crate) sample_seed: Option<u64>,
    /// Explain pictures that the model gets wrong, too
    #[arg(long)]
    pub(crate) misclassified: bool,
    /// Explanations of each picture by each method; run r has seed --seed + r
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) runs: u32,
}

/// `--samples`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Option<usize>);

fn count(text: &str) -> Result<Count, String> {
    if text == "all" {
        return Ok(Count(None));
    }
    text.parse().map(|n| Count(Some(n))).map_err(|_| "expected a number or `all`".into())
}

impl EvaluateArgs {
    /// The models with their weights, wherever these were typed. Fails where it is open which model
    /// `--weights` are of.
    pub(crate) fn models(&self) -> Result<Vec<ModelSpec>, Error> {
        let Some(weights) = &self.weights else { return Ok(self.models.clone()) };
        let with_weights = |name| ModelSpec { name, weights: Some(weights.clone()) };
        match &self.models[..] {
            [] => Ok(vec![with_weights(None)]),
            [ModelSpec { name, weights: None }] => Ok(vec![with_weights(name.clone())]),
            _ => {
                let expected = "one --model without a file; of several, each takes NAME=FILE";
                Err(Error::config("weights", weights.display(), expected))
            }
        }
    }
}

/// `--model NAME[=FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelSpec {
    /// Without it, what the weights look like.
    pub(crate) name: Option<String>,
    pub(crate) weights: Option<PathBuf>,
}

fn model_spec(text: &str) -> Result<ModelSpec, String> {
    let (name, weights) = match text.split_once('=') {
        Some((name, file)) => (name, Some(file)),
        None => (text, None),
    };
    if name.is_empty() || weights == Some("") {
        return Err("expected NAME or NAME=FILE".into());
    }
    Ok(ModelSpec { name: Some(name.to_owned()), weights: weights.map(PathBuf::from) })
}

/// Running on a cluster.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Slurm")]
pub(crate) struct SlurmArgs {
    /// Submit a job array instead of running here: a task for each shard that is not complete, and
    /// a job that joins them when all have ended
    #[arg(long, conflicts_with_all = ["shard", "estimate"])]
    pub(crate) slurm: bool,
    /// Write the scripts, and show what would be submitted
    #[arg(long, requires = "slurm")]
    pub(crate) slurm_print: bool,
    /// Number of shards
    #[arg(long, default_value_t = 16, value_name = "N", requires = "slurm")]
    pub(crate) slurm_tasks: usize,
    /// At most so many tasks at once [default: as many as the cluster gives]
    #[arg(long, value_name = "N", requires = "slurm")]
    pub(crate) slurm_at_once: Option<usize>,
    /// Partition
    #[arg(long, value_name = "NAME", requires = "slurm")]
    pub(crate) slurm_partition: Option<String>,
    /// GPUs of a task
    #[arg(long, value_name = "N", requires = "slurm")]
    pub(crate) slurm_gpus: Option<usize>,
    /// Cores of a task; its number of threads unless --threads says another
    #[arg(long, value_name = "N", requires = "slurm")]
    pub(crate) slurm_cpus: Option<usize>,
    /// Wall time of a task, as Slurm writes it
    #[arg(long, value_name = "[D-]HH:MM:SS", requires = "slurm")]
    pub(crate) slurm_time: Option<String>,
    /// Memory of a task, such as 16G
    #[arg(long, value_name = "SIZE", requires = "slurm")]
    pub(crate) slurm_memory: Option<String>,
    /// Script of the tasks and the joining job; {directives} and {command} are filled in. Edit what
    /// --slurm-print writes
    #[arg(long, value_name = "FILE", requires = "slurm")]
    pub(crate) slurm_template: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = MERGE_EXAMPLES)]
pub(crate) struct MergeArgs {
    /// Files to join [default: all FILE.shard-*.db beside --out]
    #[arg(value_name = "PART.db")]
    pub(crate) parts: Vec<PathBuf>,
    /// The file of all results; what it holds already is kept
    #[arg(long, short, value_name = "FILE.db")]
    pub(crate) out: PathBuf,
    /// Join what different versions of this program made
    #[arg(long)]
    pub(crate) any_code: bool,
}

const MERGE_EXAMPLES: &str = "\
Exit code 1 if pictures lack; what is there is joined all the same.

Examples:
  hsets merge --out results.db                 every results.shard-*.db
  hsets merge node1.db node2.db --out all.db";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    /// File of results
    #[arg(value_name = "FILE.db")]
    pub(crate) results: PathBuf,
    /// Where to write: .csv and .parquet take every row, .md tables of means [default: tables, on
    /// stdout]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Vec<PathBuf>,
    /// Leave out how long things took: then the same evaluation gives the same file
    #[arg(long)]
    pub(crate) no_timings: bool,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  hsets export results.db
  hsets export results.db --out rows.csv --out rows.parquet --out table.md";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_with_and_without_files() {
        let spec = model_spec("vgg16=a=b.pth").unwrap();
        assert_eq!((spec.name.as_deref(), spec.weights), (Some("vgg16"), Some("a=b.pth".into())));
        assert_eq!(model_spec("vgg16").unwrap().weights, None);
        assert!(model_spec("=x").is_err() && model_spec("x=").is_err());
    }
}
