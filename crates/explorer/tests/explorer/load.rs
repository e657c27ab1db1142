//! Many clients, and clients that leave.

use std::{
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use hsets_explorer::Limits;
use serde_json::{Value, json};

use crate::support::{Running, SIDE, options, png, scene};

/// A generator of its own, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) as usize) % below
    }
}

/// Any question, of which some make no sense.
fn any_question(dice: &mut Dice) -> Value {
    let by = ["grid:8x8", "quickshift", "slic"][dice.roll(3)];
    let segments = json!({ "by": by });
    let start = dice.roll(SIDE * SIDE - 200);
    let region = hsets_explorer::Region::new(start..start + 1 + dice.roll(150));
    match dice.roll(8) {
        0 => json!({ "kind": "predict" }),
        1 => json!({ "kind": "segments", "segments": segments }),
        2 | 3 => json!({ "kind": "partners", "region": region, "segments": segments }),
        4 => json!({ "kind": "glance", "region": region, "segments": segments }),
        5 | 6 => {
            let reference = ["ring", "blur", "zero", "mean", "green"][dice.roll(5)];
            json!({
                "kind": "without", "regions": [region], "reference": reference, "segments": segments,
            })
        }
        _ => json!({ "kind": "layer", "method": "gradient", "segments": segments }),
    }
}

fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

fn rest(server: &Running) {
    let begun = Instant::now();
    while server.get("/api/state").json()["waiting"] != 0 {
        assert!(begun.elapsed() < Duration::from_mins(2), "something is never answered");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How long tests may go on; all of it with `HSETS_LONG`.
fn long(n: usize) -> usize {
    if std::env::var_os("HSETS_LONG").is_some() { n } else { n / 10 }
}

#[test]
fn random_questions_leave_nothing_behind() {
    let limits = Limits { n_uploads: 3, n_warm: 2, ..Limits::DEFAULT };
    let server = Running::with(hsets_explorer::Options { limits, ..options() });
    let picture = png(&scene());
    let mut dice = Dice(7);
    let mut after_warming = None;
    let n = long(2000);
    for turn in 0..n {
        let pictures = server.pictures();
        let (id, _) = &pictures[dice.roll(pictures.len())];
        match dice.roll(10) {
            0 => {
                // A picture of its own, a broken one now and then.
                let mut bytes = picture.clone();
                bytes.extend_from_slice(&turn.to_le_bytes());
                let cut = if dice.roll(3) == 0 { 50 } else { bytes.len() };
                let status = server.upload("any.png", &bytes[..cut]).status;
                assert!([200, 400].contains(&status), "{status}");
            }
            1 | 2 => {
                // Somebody asks and leaves at once.
                let question = json!({
                    "window": "leaver", "picture": id, "target": null, "ask": any_question(&mut dice),
                });
                let question = question.to_string();
                let mut stream = server.connect();
                let _ = write!(
                    stream,
                    "POST /api/ask HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{question}",
                    server.address,
                    question.len() + dice.roll(2) * 10
                );
            }
            _ => {
                let told = server.ask(id, &Value::Null, &any_question(&mut dice));
                let error = told["error"].as_str().unwrap_or_default();
                assert!(!error.contains("stumble") && !error.contains("broke"), "{told}");
            }
        }
        if turn == n / 2 {
            rest(&server);
            after_warming = memory();
        }
    }
    rest(&server);
    let state = server.get("/api/state").json();
    assert!(state["warm"].as_u64().unwrap() <= 2, "{state}");
    assert!(server.pictures().len() <= 5);
    if let (Some(before), Some(after)) = (after_warming, memory()) {
        println!("{before} KiB after half of {n} turns, {after} KiB at the end");
        assert!(after < before + 64 * 1024, "{before} KiB grew to {after} KiB");
    }
}

#[test]
fn fifty_at_once_get_an_answer_or_are_told_to_wait() {
    let limits = Limits { n_waiting: 12, ..Limits::DEFAULT };
    let server = Running::with(hsets_explorer::Options { limits, ..options() });
    let ids = server.pictures();
    let (answered, busy) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..50 {
            let (server, ids, answered, busy) = (&server, &ids, &answered, &busy);
            scope.spawn(move || {
                let region = hsets_explorer::Region::new(client * 50..client * 50 + 40);
                let question = json!({
                    "window": format!("client {client}"),
                    "picture": ids[client % 2].0,
                    "target": null,
                    "ask": {
                        "kind": "without", "regions": [region], "reference": "imputed",
                        "segments": { "by": "grid:8x8" },
                    },
                });
                let kind = "Content-Type: application/json";
                loop {
                    let body = question.to_string();
                    let reply = server.request("POST /api/ask", &[kind], body.as_bytes());
                    match reply.status {
                        200 => {
                            assert!(reply.text().contains("\"together\""), "{}", reply.text());
                            answered.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        503 => {
                            assert!(
                                reply.head.contains("retry-after") && reply.text().contains("busy")
                            );
                            busy.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(50));
                        }
                        status => panic!("{status}: {}", reply.text()),
                    }
                }
            });
        }
    });
    println!("50 answers, {busy:?} times busy, in {:?}", begun.elapsed());
    assert_eq!(answered.into_inner(), 50);
    assert!(begun.elapsed() < Duration::from_mins(1));
}

#[test]
fn work_that_nobody_waits_for_ends() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let grid = json!({ "by": "grid:8x8" });
    // Many seconds of work.
    let slow = json!({
        "window": "one", "picture": id, "target": null,
        "ask": { "kind": "layer", "method": "moxi", "segments": grid },
    });
    let ask = |question: &Value| {
        let body = question.to_string();
        let mut stream = server.connect();
        write!(
            stream,
            "POST /api/ask HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        )
        .unwrap();
        stream
    };
    // One leaves; another asks anew from the same window.
    drop(ask(&slow));
    let first = ask(&slow);
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    let quick = json!({ "kind": "layer", "method": "gradient", "segments": grid });
    let answer = server.request(
        "POST /api/ask",
        &["Content-Type: application/json"],
        json!({ "window": "one", "picture": id, "target": null, "ask": quick })
            .to_string()
            .as_bytes(),
    );
    assert!(answer.text().contains("\"answer\""), "{}", answer.text());
    println!("answered after {:?}", begun.elapsed());
    drop(first);
    rest(&server);
}
