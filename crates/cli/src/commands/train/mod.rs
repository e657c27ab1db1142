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
use std::time::{Duration, Instant};

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
    let mut log = Log { last: Instant::now(), is_shown: bars.are_shown() };
    fit(&job, &mut state, &bars, &mut |state, event| {
        files.store(state, event)?;
        if let Event::Step { per_epoch, .. } = event {
            log.tell(state, per_epoch, settings.epochs, general);
        }
        if let (Event::Epoch { is_best }, Some(epoch)) = (event, state.history.last()) {
            tell(epoch, is_best, settings.epochs, general);
        }
        Ok(())
    })?;
    summarise(&state, args, general);
    Ok(())
}

/// Lines within an epoch, for who reads a log: a bar shows as much on a terminal.
struct Log {
    last: Instant,
    is_shown: bool,
}

impl Log {
    /// Time between two lines.
    const EVERY: Duration = Duration::from_secs(30);

    fn tell(&mut self, state: &State, per_epoch: u64, n_epochs: u64, general: &General) {
        if general.quiet || (self.is_shown && !general.json) || self.last.elapsed() < Self::EVERY {
            return;
        }
        self.last = Instant::now();
        let [loss, right, seen] = state.running;
        let (epoch, done) = (state.step / per_epoch + 1, state.step % per_epoch);
        if general.json {
            let record = json!({
                "epoch": epoch,
                "step": state.step,
                "steps_per_epoch": per_epoch,
                "training_loss_so_far": loss / seen,
                "training_accuracy_so_far": right / seen,
            });
            say(&record.to_string());
        } else {
            let (loss, right) = (short(loss / seen), 100.0 * right / seen);
            say(&format!(
                "epoch {epoch}/{n_epochs}, step {done}/{per_epoch}: loss {loss}, {right:5.1} % right so far"
            ));
        }
    }
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
