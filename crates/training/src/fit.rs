//! The loop over epochs and steps.

use candle_core::Tensor;
use hsets_autodiff::{
    Backend, Backpropagation, Cpu, Device as CandleDevice, Error as NetworkError, Graph, Moments,
    Pass, Weights,
};
use hsets_core::{Error as CoreError, Image, Progress};
use hsets_models::Device;
use rayon::prelude::*;

use crate::history::Epoch;
use crate::random::{Purpose, permutation, stream};
use crate::{Error, Examples, Result, Settings, SoftTargets, State};

/// What is trained, on what, and how.
pub struct Job<'a> {
    /// The network. Its logits are those of all groups, one group after another.
    pub graph: &'a Graph,
    /// Logits of each group: the classes, then those of an aid.
    pub groups: &'a [usize],
    /// The examples.
    pub training: &'a dyn Examples,
    /// Examples that are held out.
    pub validation: Option<&'a dyn Examples>,
    /// How.
    pub settings: &'a Settings,
    /// Where.
    pub device: Device,
    /// Store the state after so many steps, too; 0 for never.
    pub save_every: u64,
}

/// Why a state is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A step in the middle of an epoch is done.
    Step {
        /// Whether the state is to be stored.
        is_due: bool,
        /// Steps of an epoch.
        per_epoch: u64,
    },
    /// An epoch is over.
    Epoch {
        /// Whether it is the best so far.
        is_best: bool,
    },
}

type Stored = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Examples that are validated together.
const VALIDATION_BATCH: usize = 64;

/// Trains from `state` to the end, and hands out the state after every step. After a cancellation the
/// state is handed out once more before the error.
pub fn fit(
    job: &Job<'_>,
    state: &mut State,
    progress: &dyn Progress,
    store: &mut dyn FnMut(&State, Event) -> Stored,
) -> Result<()> {
    job.settings.check()?;
    if job.training.is_empty() {
        return Err(CoreError::config("data", "no pictures", "at least one").into());
    }
    match job.device {
        Device::Cpu => run(Cpu::<f32>::new(), job, state, progress, store),
        device => run(CandleDevice::new(device.candle()?), job, state, progress, store),
    }
}

fn run<B: Backend<Scalar = f32>>(
    backend: B,
    job: &Job<'_>,
    state: &mut State,
    progress: &dyn Progress,
    store: &mut dyn FnMut(&State, Event) -> Stored,
) -> Result<()> {
    let settings = job.settings;
    let net = Backpropagation::new(backend, job.graph.clone(), settings.norms(), |_| true);
    let n = job.training.len();
    let (per_epoch, schedule) = (settings.steps_of_epoch(n), settings.schedule(n));
    state.check(per_epoch, schedule.n_steps, settings.batch.min(n))?;
    while state.step < schedule.n_steps && !is_over(state, settings) {
        let epoch = state.step / per_epoch;
        let order = permutation(n, &mut stream(settings.seed, Purpose::Order, epoch, 0));
        progress.begin(&format!("epoch {}/{}", epoch + 1, settings.epochs), per_epoch);
        progress.advance(state.step % per_epoch);
        for at in state.step % per_epoch..per_epoch {
            let batch = settings.batch.min(n);
            let chosen = &order[at as usize * batch..][..batch];
            step(&net, job, state, (epoch, chosen))?;
            progress.advance(1);
            let is_cancelled = progress.is_cancelled();
            let is_due = job.save_every > 0 && state.step.is_multiple_of(job.save_every);
            if at + 1 < per_epoch {
                let event = Event::Step { is_due: is_cancelled || is_due, per_epoch };
                store(state, event).map_err(Error::Caller)?;
            }
            if is_cancelled {
                return Err(CoreError::Cancelled.into());
            }
        }
        progress.end();
        let of_epoch = close_epoch(job, state, progress)?;
        state.history.push(of_epoch);
        let is_best = state.best().map(|best| best.epoch) == Some(epoch + 1);
        store(state, Event::Epoch { is_best }).map_err(Error::Caller)?;
    }
    Ok(())
}

/// Whether the best epoch lies too far back.
fn is_over(state: &State, settings: &Settings) -> bool {
    let (Some(best), Some(last)) = (state.best(), state.history.last()) else { return false };
    settings.patience.is_some_and(|patience| last.epoch - best.epoch >= patience)
}

fn step<B: Backend<Scalar = f32>>(
    net: &Backpropagation<B>,
    job: &Job<'_>,
    state: &mut State,
    (epoch, chosen): (u64, &[usize]),
) -> Result<()> {
    let settings = job.settings;
    let schedule = settings.schedule(job.training.len());
    let view = |&index: &usize| {
        let mut rng = stream(settings.seed, Purpose::Example, epoch, index as u64);
        job.training.view(index, &mut rng)
    };
    let images: Vec<Image> = chosen.par_iter().map(view).collect::<Result<_>>()?;
    let images: Vec<&[f32]> = images.iter().map(Image::data).collect();
    let answers: Vec<Vec<usize>> =
        chosen.iter().map(|&index| job.training.answers(index).to_vec()).collect();
    let targets = SoftTargets {
        groups: job.groups,
        aid: settings.aid(state.step, schedule.n_steps),
        smoothing: settings.label_smoothing,
    };
    let mut value = 0.0;
    let pass = net.run(&state.values, &images, |logits| {
        let loss = targets.loss(logits, &answers);
        value = loss.value;
        loss.gradients
    })?;
    if !value.is_finite() {
        return Err(Error::Diverged { loss: value, step: state.step });
    }
    let classes = answers.iter().map(|answers| answers[0]);
    let right = pass.logits.iter().zip(classes).filter(|(z, class)| top(z, job.groups) == *class);
    let n = chosen.len() as f64;
    for (sum, add) in state.running.iter_mut().zip([value * n, right.count() as f64, n]) {
        *sum += add;
    }
    descend(state, settings, schedule.rate(state.step), &pass);
    state.step += 1;
    Ok(())
}

/// The most probable class.
fn top(logits: &[f32], groups: &[usize]) -> usize {
    let classes = &logits[..groups[0]];
    (1..classes.len()).fold(0, |best, k| if classes[k] > classes[best] { k } else { best })
}

/// Moves the weights, and the running statistics.
fn descend(state: &mut State, settings: &Settings, rate: f64, pass: &Pass<f32>) {
    let (step, optimizer) = (state.step, settings.optimizer);
    let parameters = state.values.par_iter_mut().zip(&mut state.memories).zip(&pass.gradients);
    parameters.for_each(|((weights, memories), gradient)| {
        let Some(gradient) = gradient else { return };
        memories.resize_with(optimizer.memories().len(), || vec![0.0; weights.len()]);
        optimizer.step(step, (rate, settings.weight_decay), weights, gradient, memories);
    });
    let share = settings.norm_momentum;
    for Moments { running_mean, running_variance, of_channels, n } in &pass.moments {
        // The running variance is unbiased, that of the batch is not.
        let unbiased = *n as f64 / (*n as f64 - 1.0).max(1.0);
        for (channel, [mean, variance]) in of_channels.iter().enumerate() {
            let mut follow = |id: hsets_autodiff::ParameterId, value: f64| {
                let running = &mut state.values[id.index()][channel];
                *running = ((1.0 - share) * f64::from(*running) + share * value) as f32;
            };
            follow(*running_mean, *mean);
            follow(*running_variance, variance * unbiased);
        }
    }
}

/// The epoch that ends here; its running sums start anew.
fn close_epoch(job: &Job<'_>, state: &mut State, progress: &dyn Progress) -> Result<Epoch> {
    let n = job.training.len();
    let held_out = job.validation.map(|examples| validate(job, state, examples, progress));
    let held_out = held_out.transpose()?;
    let [loss, right, seen] = std::mem::take(&mut state.running);
    Ok(Epoch {
        epoch: state.step / job.settings.steps_of_epoch(n),
        step: state.step,
        learning_rate: job.settings.schedule(n).rate(state.step - 1),
        training_loss: loss / seen,
        training_accuracy: right / seen,
        validation_loss: held_out.map(|(loss, _)| loss),
        validation_accuracy: held_out.map(|(_, accuracy)| accuracy),
    })
}

/// Mean cross-entropy and accuracy, by the network as it explains: batch norms folded.
fn validate(
    job: &Job<'_>,
    state: &State,
    examples: &dyn Examples,
    progress: &dyn Progress,
) -> Result<(f64, f64)> {
    let n = examples.len();
    progress.begin("validation", n as u64);
    let network = job.device.bind(job.graph, &weights(job.graph, &state.values)?, None)?;
    let targets = SoftTargets { groups: &job.groups[..1], aid: 0.0, smoothing: 0.0 };
    let (mut loss, mut n_right) = (0.0, 0);
    for first in (0..n).step_by(VALIDATION_BATCH) {
        let batch = first..n.min(first + VALIDATION_BATCH);
        let images = batch.clone().into_par_iter().map(|index| examples.plain(index));
        let logits = network.logits(&images.collect::<Result<Vec<_>>>()?)?;
        for (index, logits) in batch.clone().zip(&logits) {
            let class = examples.answers(index)[0];
            n_right += usize::from(top(logits, job.groups) == class);
            let answer = [vec![class]];
            loss += targets.loss(std::slice::from_ref(logits), &answer).value;
        }
        progress.advance(batch.len() as u64);
    }
    progress.end();
    Ok((loss / n as f64, n_right as f64 / n as f64))
}

/// The numbers as weights of the graph.
fn weights(graph: &Graph, values: &[Vec<f32>]) -> Result<Weights> {
    let tensors = graph.parameters().iter().zip(values).map(|(parameter, values)| {
        let shape = parameter.shape.as_slice();
        let tensor = Tensor::from_slice(values, shape, &candle_core::Device::Cpu);
        Ok((parameter.name.clone(), tensor.map_err(NetworkError::from)?))
    });
    Ok(Weights::new(tensors.collect::<Result<Vec<_>>>()?))
}
