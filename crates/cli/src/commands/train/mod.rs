//! `hsets train`: a network for a dataset.

mod args;
mod data;
mod files;
mod network;

pub(crate) use args::TrainArgs;
use data::Data;
use files::Files;
use hsets_training::{Epoch, Event, Examples, Features, Job, Photos, State, fit};
use network::Subject;
use serde_json::json;

use crate::{
    args::General,
    output::{say, short},
    progress::Bars,
};

pub(crate) fn run(args: &TrainArgs, general: &General) -> anyhow::Result<()> {
    let settings = args.settings(general);
    settings.check()?;
    let data = Data::open(args, settings.seed)?;
    let subject = Subject::load(args, general, &data)?;
    let files = Files::new(args, &settings, &data, &subject)?;
    let values = subject.first_values(settings.seed)?;
    let mut state = files.resume(args.resume)?.unwrap_or_else(|| State::new(values));

    let bars = Bars::new(general.quiet, String::new());
    let photos = |samples: &[_], aid| {
        let preprocessing = subject.classifier.preprocessing().clone();
        Photos::new(samples, aid, preprocessing, settings.augmentation)
    };
    let examples = |photos: Photos| -> anyhow::Result<Box<dyn Examples>> {
        Ok(match subject.features(general.device.into())? {
            Some(network) => Box::new(Features::of(&photos, network.as_ref(), &bars)?),
            None => Box::new(photos),
        })
    };
    let training = examples(photos(&data.training, data.aid.as_ref()))?;
    let held_out = match data.held_out.as_slice() {
        [] => None,
        samples => Some(examples(photos(samples, None))?),
    };
    let job = Job {
        graph: &subject.graph,
        groups: &data.groups(),
        training: training.as_ref(),
        validation: held_out.as_deref(),
        settings: &settings,
        device: general.device.into(),
        save_every: args.save_every,
    };
    fit(&job, &mut state, &bars, &mut |state, event| {
        files.store(state, event)?;
        if let (Event::Epoch { is_best }, Some(epoch)) = (event, state.history.last()) {
            tell(epoch, is_best, settings.epochs, general);
        }
        Ok(())
    })?;
    summarise(&state, args, general);
    Ok(())
}

fn tell(epoch: &Epoch, is_best: bool, n_epochs: u64, general: &General) {
    if general.json {
        let record = json!({
            "epoch": epoch.epoch,
            "step": epoch.step,
            "learning_rate": epoch.learning_rate,
            "training_loss": epoch.training_loss,
            "training_accuracy": epoch.training_accuracy,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.validation_accuracy,
            "best": is_best,
        });
        say(&record.to_string());
    } else if !general.quiet {
        let percent = |share: f64| format!("{:5.1} %", 100.0 * share);
        let held_out = match (epoch.validation_loss, epoch.validation_accuracy) {
            (Some(loss), Some(accuracy)) => {
                format!("   held out: loss {}, {} right", short(loss), percent(accuracy))
            }
            _ => String::new(),
        };
        let (loss, right) = (short(epoch.training_loss), percent(epoch.training_accuracy));
        let best = if is_best { "   best" } else { "" };
        let number = epoch.epoch;
        say(&format!("epoch {number}/{n_epochs}: loss {loss}, {right} right{held_out}{best}"));
    }
}

fn summarise(state: &State, args: &TrainArgs, general: &General) {
    let Some(best) = state.best().filter(|_| !general.json && !general.quiet) else { return };
    let accuracy = best.validation_accuracy.map_or(String::new(), |accuracy| {
        format!(", {:.1} % of the held-out pictures right", 100.0 * accuracy)
    });
    let file = args.out.join(files::MODEL);
    say(&format!("best: epoch {}{accuracy} -> {}", best.epoch, file.display()));
}
