//! Somebody who waits for an answer: told how far the work is, and able to leave.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hsets_core::Progress;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{desk::Turn, error::Refusal};

/// Lines of an answer that may wait for a slow reader.
const LINES: usize = 64;
/// How often progress is told.
const EVERY: Duration = Duration::from_millis(100);

/// One question on its way. The answer is a line of JSON, which lines about progress may precede.
pub(crate) struct Ticket {
    lines: mpsc::Sender<Bytes>,
    left: Arc<AtomicBool>,
    /// Who is quicker: the work stands aside while they have their turn.
    gives_way: Option<Turn>,
    stage: Mutex<Stage>,
    done: AtomicU64,
    _place: Place,
}

struct Stage {
    name: String,
    total: u64,
    begun: Instant,
    told: Instant,
}

impl Ticket {
    /// Lets others go first from now on, whenever progress is told.
    pub(crate) fn give_way(&mut self, turn: Turn) {
        self.gives_way = Some(turn);
    }

    /// A line before the answer.
    pub(crate) fn tell(&self, line: &Value) {
        // A reader that is slow misses it.
        let _ = self.lines.try_send(encode(line));
    }

    /// The last line.
    pub(crate) fn answer(&self, outcome: Result<Value, Refusal>) {
        let line = match outcome {
            Ok(answer) => json!({ "answer": answer }),
            Err(Refusal { status, message }) => {
                json!({ "error": message, "status": status.as_u16() })
            }
        };
        // Nobody reads it if they have gone.
        let _ = self.lines.blocking_send(encode(&line));
    }
}

fn encode(line: &Value) -> Bytes {
    (line.to_string() + "\n").into()
}

impl Progress for Ticket {
    fn begin(&self, stage: &str, total: u64) {
        let now = Instant::now();
        self.done.store(0, Ordering::Relaxed);
        let mut current = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Stage { name: stage.to_owned(), total, begun: now, told: now };
    }

    fn advance(&self, n: u64) {
        if let Some(turn) = &self.gives_way {
            turn.pass();
        }
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.told.elapsed() < EVERY {
            return;
        }
        stage.told = Instant::now();
        let Stage { name, total, begun, .. } = &*stage;
        let left = begun.elapsed().as_secs_f64() * total.saturating_sub(done) as f64 / done as f64;
        self.tell(&json!({"stage": name, "done": done, "total": total, "seconds_left": left}));
    }

    fn is_cancelled(&self) -> bool {
        self.left.load(Ordering::Relaxed) || self.lines.is_closed()
    }
}

/// A place among those who wait; free again when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A question: its number, and whether it was given up.
type Asked = (u64, Weak<AtomicBool>);

/// All who wait.
#[derive(Default)]
pub(crate) struct Office {
    waiting: Arc<AtomicUsize>,
    /// The last question of each window of a browser, by what it asks about.
    last: Mutex<BTreeMap<(String, String), Asked>>,
}

impl Office {
    /// Lets somebody in, if fewer than `most` wait. Whatever the same window asked before about the
    /// same thing is given up; so is this, if something of a larger number waits already.
    pub(crate) fn admit(
        &self,
        (window, number): (&str, u64),
        about: &str,
        most: usize,
    ) -> Result<(Ticket, mpsc::Receiver<Bytes>), Refusal> {
        let left = Arc::new(AtomicBool::new(false));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, (_, weak)| weak.strong_count() > 0);
        let key = (window.to_owned(), about.to_owned());
        if last.get(&key).is_some_and(|(known, _)| *known > number) {
            return Err(hsets_core::Error::Cancelled.into());
        }
        let before = last.insert(key, (number, Arc::downgrade(&left)));
        if let Some(before) = before.and_then(|(_, weak)| weak.upgrade()) {
            before.store(true, Ordering::Relaxed);
        }
        drop(last);
        let place = Place(Arc::clone(&self.waiting));
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Refusal::busy());
        }
        let (lines, answer) = mpsc::channel(LINES);
        let now = Instant::now();
        let stage = Mutex::new(Stage { name: String::new(), total: 0, begun: now, told: now });
        let done = AtomicU64::new(0);
        Ok((Ticket { lines, left, gives_way: None, stage, done, _place: place }, answer))
    }

    /// How many wait.
    pub(crate) fn n_waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_click_wins() {
        let office = Office::default();
        let (first, _a) = office.admit(("w", 0), "partners", 9).unwrap();
        let (other, _b) = office.admit(("w", 0), "layer", 9).unwrap();
        let (second, _c) = office.admit(("w", 0), "partners", 9).unwrap();
        assert!(first.is_cancelled() && !second.is_cancelled() && !other.is_cancelled());
    }

    #[test]
    fn the_last_click_wins_even_if_it_arrives_first() {
        let office = Office::default();
        let (second, _a) = office.admit(("w", 2), "partners", 9).unwrap();
        assert!(office.admit(("w", 1), "partners", 9).is_err());
        assert!(!second.is_cancelled());
        let (other, _b) = office.admit(("v", 1), "partners", 9).unwrap();
        drop(second);
        let (late, _c) = office.admit(("w", 1), "partners", 9).unwrap();
        assert!(!other.is_cancelled() && !late.is_cancelled());
    }

    #[test]
    fn who_has_gone_is_not_waited_for() {
        let office = Office::default();
        let (ticket, answer) = office.admit(("w", 0), "layer", 9).unwrap();
        assert!(!ticket.is_cancelled());
        drop(answer);
        assert!(ticket.is_cancelled());
        ticket.answer(Ok(json!(1)));
    }

    #[test]
    fn places_are_bounded_and_become_free() {
        let office = Office::default();
        let admitted: Vec<_> = (0..3).map(|i| office.admit((&i.to_string(), 0), "x", 3)).collect();
        assert_eq!(office.admit(("z", 0), "x", 3).err(), Some(Refusal::busy()));
        assert_eq!(office.n_waiting(), 3);
        drop(admitted);
        assert_eq!(office.n_waiting(), 0);
        assert!(office.admit(("z", 0), "x", 3).is_ok());
    }

    #[test]
    fn an_answer_is_one_line() {
        let office = Office::default();
        let (ticket, mut answer) = office.admit(("w", 0), "x", 3).unwrap();
        ticket.answer(Err(Refusal::bad("no")));
        let line = answer.try_recv().unwrap();
        assert_eq!(line, "{\"error\":\"no\",\"status\":400}\n");
    }
}
