//! What training leaves behind, each file whole or not at all.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use anyhow::Context as _;
use hsets_pipeline::core::Error;
use hsets_report::{
    output::write_file,
    plot::{Axis, LinePlot, Plot, Series},
};
use hsets_training::{Description, Epoch, Event, Settings, State, model_file, to_csv};
use serde_json::{Value, json};

use super::{TrainArgs, data::Data, network::Subject};

/// The best weights so far, as every other command loads them.
pub(super) const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// The folder of a training.
pub(super) struct Files<'a> {
    folder: PathBuf,
    subject: &'a Subject,
    settings: &'a Settings,
    labels: &'a [String],
    job: String,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        args: &TrainArgs,
        settings: &'a Settings,
        data: &'a Data,
        subject: &'a Subject,
    ) -> anyhow::Result<Self> {
        hsets_files::sweep(&args.out);
        Ok(Self {
            folder: args.out.clone(),
            subject,
            settings,
            labels: &data.labels,
            job: describe(args, settings, data, subject)?,
        })
    }

    /// The state in the folder, if there is one. Without `wanted`, one that is there is an error:
    /// hours of work are not overwritten by accident.
    pub(super) fn resume(&self, wanted: bool) -> anyhow::Result<Option<State>> {
        let file = self.folder.join(CHECKPOINT);
        let bytes = match fs::read(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| file.display().to_string())?,
        };
        if !wanted {
            let found = format!("a folder with a checkpoint ({})", file.display());
            return Err(Error::config("out", found, "--resume, or another folder").into());
        }
        let (graph, optimizer) = (&self.subject.graph, self.settings.optimizer);
        Ok(Some(State::from_bytes(&file, &bytes, graph, optimizer, &self.job)?))
    }

    /// Writes the checkpoint last: whatever happens, the other files are as new.
    pub(super) fn store(
        &self,
        state: &State,
        event: Event,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Event::Step { is_due: false, .. } = event {
            return Ok(());
        }
        if let Event::Epoch { is_best } = event {
            if is_best {
                write_file(&self.folder.join(MODEL), &self.model(state)?)?;
            }
            write_file(&self.folder.join("curves.csv"), to_csv(&state.history).as_bytes())?;
            for (name, plot) in plots(&state.history) {
                write_file(&self.folder.join(name), &plot.draw()?.png()?)?;
            }
        }
        let bytes = state.to_bytes(&self.subject.graph, self.settings.optimizer, &self.job);
        Ok(write_file(&self.folder.join(CHECKPOINT), &bytes)?)
    }

    fn model(&self, state: &State) -> anyhow::Result<Vec<u8>> {
        let values = self.subject.whole_values(&state.values)?;
        let mut description = Description::new(&self.subject.classifier, self.labels)
            .with("trained_by", concat!("hsets ", env!("CARGO_PKG_VERSION")))
            .with("training_seed", self.settings.seed.to_string());
        if let Some(epoch) = state.history.last() {
            description = description.with("training_epoch", epoch.epoch.to_string());
            if let Some(accuracy) = epoch.validation_accuracy {
                description = description.with("validation_accuracy", accuracy.to_string());
            }
        }
        Ok(model_file(&self.subject.whole, &values, self.labels.len(), &description))
    }
}

/// What is trained and how, one line for each thing.
fn describe(
    args: &TrainArgs,
    settings: &Settings,
    data: &Data,
    subject: &Subject,
) -> anyhow::Result<String> {
    let classifier = &subject.classifier;
    let Value::Object(settings) = json!(settings) else { anyhow::bail!("settings are no object") };
    let mut lines = BTreeMap::from([
        ("model".to_owned(), classifier.name().to_owned()),
        ("first weights".into(), classifier.weights_sha256().into()),
        ("input".into(), format!("{:?}", classifier.preprocessing())),
        ("head only".into(), args.head_only.to_string()),
        ("head kept".into(), args.keep_head.to_string()),
        ("logits".into(), format!("{:?}", data.groups())),
        ("labels".into(), json!(data.labels).to_string()),
        ("training pictures".into(), fingerprint(data.training.iter())),
        ("held-out pictures".into(), fingerprint(data.held_out.iter())),
    ]);
    lines.extend(settings.into_iter().map(|(name, value)| (name, value.to_string())));
    let lines = lines.into_iter().map(|(name, value)| format!("{name}: {value}"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Number and a hash (FNV-1a) of the names and classes of pictures.
fn fingerprint<'s>(samples: impl ExactSizeIterator<Item = &'s hsets_datasets::Sample>) -> String {
    let n = samples.len();
    let names = samples.flat_map(|s| format!("{}\n{}\n", s.id, s.class).into_bytes());
    let hash = names.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{n}, {hash:016x}")
}

/// Accuracy and loss over the epochs.
fn plots(history: &[Epoch]) -> [(&'static str, Plot); 2] {
    let curve = |name: &str, value: &dyn Fn(&Epoch) -> Option<f64>| {
        let points = history.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
        Series::new(name, points.filter_map(|(x, y)| Some((x, y?))))
    };
    let plot = |title: &str, y: Axis, training: Series, held_out: Series| {
        let plot = LinePlot::new(title).x(Axis::new("epoch")).y(y).series(training);
        if held_out.points.is_empty() { plot } else { plot.series(held_out) }
    };
    let accuracy = plot(
        "Accuracy while training",
        Axis::new("right").unit("%"),
        curve("training, as seen", &|e| Some(100.0 * e.training_accuracy)),
        curve("held out", &|e| e.validation_accuracy.map(|share| 100.0 * share)),
    );
    let loss = plot(
        "Loss while training",
        Axis::new("cross-entropy"),
        curve("training, as seen", &|e| Some(e.training_loss)),
        curve("held out", &|e| e.validation_loss),
    );
    [("curves.png", accuracy.into()), ("loss.png", loss.into())]
}
