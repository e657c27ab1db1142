//! Progress bars and Ctrl-C.

use std::{
    io::IsTerminal as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hsets_pipeline::core::{Error, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that takes no longer gets no bar.
const SHOWN_FROM: Duration = Duration::from_secs(2);
/// How long the estimate of a stage's time may settle.
const ESTIMATE_AFTER: Duration = Duration::from_millis(300);

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C asks the stages to stop, the second ends the program at once. So do the signals
/// that a cluster or a closed terminal sends (SIGTERM, SIGHUP).
pub(crate) fn listen_to_ctrl_c() -> anyhow::Result<()> {
    let handler = || {
        if CANCELLED.swap(true, Ordering::Relaxed) {
            std::process::exit(crate::INTERRUPTED.into());
        }
    };
    ctrlc::set_handler(handler).context("cannot listen to Ctrl-C")
}

/// True after Ctrl-C, SIGTERM or SIGHUP.
pub(crate) fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// One bar for the stage that runs, on stderr if that is a terminal.
#[derive(Debug)]
pub(crate) struct Bars {
    enabled: bool,
    prefix: String,
    current: Mutex<Option<Stage>>,
}

#[derive(Debug)]
struct Stage {
    bar: ProgressBar,
    begun: Instant,
    shown: bool,
}

impl Bars {
    /// Bars that begin with `prefix`.
    pub(crate) fn new(quiet: bool, prefix: String) -> Self {
        let enabled = !quiet && std::io::stderr().is_terminal();
        Self { enabled, prefix, current: Mutex::new(None) }
    }

    /// Whether there is a terminal to show them on.
    pub(crate) fn are_shown(&self) -> bool {
        self.enabled
    }

    fn with_stage(&self, update: impl FnOnce(&mut Option<Stage>)) {
        update(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn begin(&self, stage: &str, total: u64) {
        if !self.enabled {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let template = "{prefix}{msg:16} {bar:32} {pos}/{len}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(self.prefix.clone());
        bar.set_message(stage.to_owned());
        self.with_stage(|current| {
            *current = Some(Stage { bar, begun: Instant::now(), shown: false });
        });
    }

    fn advance(&self, n: u64) {
        self.with_stage(|current| {
            let Some(stage) = current else { return };
            stage.bar.inc(n);
            let (elapsed, position) = (stage.begun.elapsed(), stage.bar.position().max(1));
            let total = elapsed.mul_f64(stage.bar.length().unwrap_or(0) as f64 / position as f64);
            if !stage.shown && elapsed > ESTIMATE_AFTER && total > SHOWN_FROM {
                stage.bar.set_draw_target(ProgressDrawTarget::stderr());
                stage.shown = true;
            }
        });
    }

    fn end(&self) {
        self.with_stage(|current| {
            if let Some(stage) = current.take() {
                stage.bar.finish_and_clear();
            }
        });
    }

    fn is_cancelled(&self) -> bool {
        is_cancelled()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.end();
    }
}

/// Fails after Ctrl-C.
pub(crate) fn check() -> Result<(), Error> {
    if is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}
