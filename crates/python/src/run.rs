//! Work without the interpreter's lock: other Python threads run meanwhile, Ctrl-C stops it, and a
//! progress bar shows it.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use hsets_pipeline::core::Progress;
use pyo3::{
    exceptions::{PyImportError, PyRuntimeError, PyValueError},
    prelude::*,
    types::PyDict,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::Error;

/// How often Ctrl-C is looked for.
const TICK: Duration = Duration::from_millis(50);

enum Event {
    Begin(String, u64),
    Advance(u64),
    End,
    Done,
}

/// What a stage tells; may be cancelled.
struct Watch {
    events: Sender<Event>,
    /// Whether anybody looks at the stages.
    shown: bool,
    cancelled: AtomicBool,
}

impl Watch {
    fn tell(&self, event: Event) {
        if self.shown {
            // Nobody listens any more once the work was given up.
            let _ = self.events.send(event);
        }
    }
}

impl Progress for Watch {
    fn begin(&self, stage: &str, total: u64) {
        self.tell(Event::Begin(stage.to_owned(), total));
    }

    fn advance(&self, n: u64) {
        self.tell(Event::Advance(n));
    }

    fn end(&self) {
        self.tell(Event::End);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Runs `work` with the interpreter released; `shown` draws a bar of tqdm for each stage.
pub(crate) fn compute<T: Send>(
    py: Python<'_>,
    shown: bool,
    work: impl FnOnce(&dyn Progress) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let pool = pool()?;
    let (events, mut told) = mpsc::channel();
    let watch = Watch { events, shown, cancelled: AtomicBool::new(false) };
    let mut bars = if shown { Some(Bars::new(py)?) } else { None };
    let (mut result, mut stopped) = (None, None);
    pool.in_place_scope(|scope| {
        let (watch, result) = (&watch, &mut result);
        scope.spawn(move |_| {
            *result = Some(panic::catch_unwind(AssertUnwindSafe(|| work(watch))));
            let _ = watch.events.send(Event::Done);
        });
        loop {
            let event;
            (event, told) = py.detach(move || (told.recv_timeout(TICK), told));
            let handled = match event {
                Ok(Event::Done) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => bars.as_mut().map_or(Ok(()), |bars| bars.show(py, &event)),
                Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            if let Err(error) = handled.and_then(|()| py.check_signals()) {
                watch.cancelled.store(true, Ordering::Relaxed);
                stopped.get_or_insert(error);
            }
        }
    });
    if let Some(bars) = bars.as_mut() {
        bars.close(py)?;
    }
    match (stopped, result) {
        (Some(error), _) => Err(error),
        (None, Some(Ok(result))) => Ok(result?),
        (None, Some(Err(panic))) => Err(fault(panic.as_ref())),
        (None, None) => Err(fault(&"the work was lost")),
    }
}

/// What a panic said.
fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    PyRuntimeError::new_err(format!("a fault of hsets, please report it: {text}"))
}

/// Bars of tqdm, one a stage.
struct Bars<'py> {
    make: Bound<'py, PyAny>,
    open: Option<Py<PyAny>>,
}

impl<'py> Bars<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let module = py.import("tqdm.auto").map_err(|_| {
            PyImportError::new_err(
                "progress=True draws with tqdm, which is not installed: pip install tqdm",
            )
        })?;
        Ok(Self { make: module.getattr("tqdm")?, open: None })
    }

    fn show(&mut self, py: Python<'_>, event: &Event) -> PyResult<()> {
        match event {
            Event::Begin(stage, total) => {
                self.close(py)?;
                let options = PyDict::new(py);
                options.set_item("desc", stage)?;
                options.set_item("total", total)?;
                options.set_item("leave", false)?;
                self.open = Some(self.make.call((), Some(&options))?.unbind());
            }
            Event::Advance(n) => {
                if let Some(bar) = &self.open {
                    bar.call_method1(py, "update", (*n,))?;
                }
            }
            Event::End | Event::Done => self.close(py)?,
        }
        Ok(())
    }

    fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.open.take() {
            Some(bar) => bar.call_method0(py, "close").map(drop),
            None => Ok(()),
        }
    }
}

/// The threads of one process.
struct Pool {
    process: u32,
    n_threads: usize,
    threads: Option<Arc<ThreadPool>>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { process: 0, n_threads: 0, threads: None });

/// The threads of this process. A forked child has none of its parent's, so it gets its own.
fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = process::id();
    if pool.process != process {
        // To drop the parent's pool would wait for threads that are not here.
        std::mem::forget(pool.threads.take());
        pool.process = process;
    }
    if let Some(threads) = &pool.threads {
        return Ok(Arc::clone(threads));
    }
    let built = ThreadPoolBuilder::new().num_threads(pool.n_threads).build();
    let built = built.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let threads = Arc::new(built);
    pool.threads = Some(Arc::clone(&threads));
    Ok(threads)
}

/// Number of threads of all work from now on; 0 for one a core. Results do not depend on it.
#[pyfunction]
pub(crate) fn set_threads(n: usize) -> PyResult<()> {
    const MOST: usize = 1024;
    if n > MOST {
        return Err(PyValueError::new_err(format!("threads = {n}: at most {MOST}")));
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.n_threads = n;
    if pool.process == process::id() {
        pool.threads = None;
    }
    Ok(())
}
