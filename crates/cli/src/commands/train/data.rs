//! The pictures: for training and held out.

use anyhow::Context as _;
use hsets_datasets::{Dataset, Layout, OpenOptions, Sample, Split};
use hsets_pipeline::{core::Error, models::Labels};
use hsets_training::{Aid, hold_out};

use super::TrainArgs;

/// What is trained on.
pub(super) struct Data {
    pub(super) training: Vec<Sample>,
    pub(super) held_out: Vec<Sample>,
    pub(super) labels: Vec<String>,
    pub(super) aid: Option<Aid>,
}

impl Data {
    pub(super) fn open(args: &TrainArgs, seed: u64) -> anyhow::Result<Self> {
        if !(0.0..1.0).contains(&args.val_share) {
            return Err(Error::config("val-share", args.val_share, "at least 0, below 1").into());
        }
        let open = |split: Option<Split>| {
            let images = args.images.clone();
            Dataset::open(&args.data, &OpenOptions { layout: None, split, images })
        };
        // A dataset without splits has no training split, but can be read.
        let (dataset, is_split) = match open(Some(Split::Train)) {
            Ok(dataset) => {
                let is_split = !matches!(dataset.layout, Layout::Csv | Layout::ImageNet);
                (dataset, is_split)
            }
            Err(no_split) => (open(None).map_err(|_| no_split)?, false),
        };
        let classes = dataset.classes.clone();
        let (training, held_out) = match (&args.val, is_split) {
            (Some(val), _) => {
                let images = args.val_images.clone();
                let val = Dataset::open(val, &OpenOptions { images, ..OpenOptions::default() })?;
                let names: Vec<String> = (0..classes.len()).map(|k| classes.name(k)).collect();
                let onto = val.classes.onto(&names, None).context("the classes of --val")?.class_of;
                let renamed = val.samples.into_iter();
                let renamed = renamed.map(|s| Sample { class: onto[s.class], ..s });
                (dataset.samples, renamed.collect())
            }
            (None, true) => (dataset.samples, open(Some(Split::Val))?.samples),
            (None, false) => hold_out(dataset.samples, args.val_share, seed),
        };
        let labels = match &args.model.input.labels {
            Some(file) => Labels::read(file)?.names().map(str::to_owned).collect(),
            None => (0..classes.len()).map(|k| classes.name(k)).collect::<Vec<String>>(),
        };
        if labels.len() != classes.len() {
            let problem = format!("{} labels for {} classes", labels.len(), classes.len());
            return Err(Error::config("labels", problem, "as many labels as classes").into());
        }
        let aid = args.aid.as_deref().map(|column| Aid::read(&args.data, column, &training));
        Ok(Self { training, held_out, labels, aid: aid.transpose()? })
    }

    /// Logits of each group: the classes, then those of the aid.
    pub(super) fn groups(&self) -> Vec<usize> {
        let further = self.aid.iter().flat_map(|aid| &aid.groups).copied();
        std::iter::once(self.labels.len()).chain(further).collect()
    }
}
