//! A server of its own for each test, and a client that says exactly what it is told to.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use hsets_explorer::{Given, Limits, Options, Server};
use hsets_pipeline::{
    Settings,
    core::Silent,
    models::{Classifier, LoadOptions},
    segmentation::{Grid, QuickShift, SegmenterChoice},
};
use hsets_report::ModelRecord;
use hsets_scenes::{Scene, Task};
use serde_json::{Value, json};

pub(crate) const SIDE: usize = 64;

/// A duel: its two hands decide together.
pub(crate) fn scene() -> Scene {
    Task::Duel.draw(3, 10, SIDE).unwrap()
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What most tests serve: the bundled model and two pictures.
pub(crate) fn options() -> Options {
    let weights =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundled/model.safetensors");
    let load = LoadOptions { weights: Some(weights), ..LoadOptions::default() };
    let classifier = Classifier::load(&load, &Silent).unwrap();
    let mut settings = Settings::paper();
    settings.detection.max_features = 400;
    let other = Task::Duel.draw(3, 45, SIDE).unwrap();
    let drawn = |name: &str, scene: Scene| Given::Drawn { name: name.into(), photo: scene.photo };
    Options {
        model: ModelRecord::new(&classifier, "bundled"),
        classifier,
        pictures: vec![drawn("first duel", scene()), drawn("second duel", other)],
        segmenters: vec![
            SegmenterChoice::Grid(Grid { rows: 8, columns: 8 }),
            SegmenterChoice::QuickShift(QuickShift {
                kernel_size: 1.5,
                max_dist: 8.0,
                ..QuickShift::photo()
            }),
        ],
        settings,
        host: [127, 0, 0, 1].into(),
        port: 0,
        token: None,
        hosts: vec![],
        limits: Limits::DEFAULT,
        out: "never-asked-for".into(),
        model_arguments: vec!["--model".into(), "bundled".into()],
        software: "hsets of a test".into(),
    }
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: Options) -> Self {
        let server = Server::bind(options).unwrap();
        let (address, url) = (server.address(), server.url());
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let run = move || server.run(|| asked.load(Ordering::Relaxed)).unwrap();
        Self { address, url, stop, thread: Some(std::thread::spawn(run)) }
    }

    /// Sends these bytes and reads all that comes back until the other side closes.
    pub(crate) fn say(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        // A server that has had enough may close before all is written.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Reply::new(&answer)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// A request with these lines beside Host.
    pub(crate) fn request(&self, first: &str, lines: &[&str], body: &[u8]) -> Reply {
        let mut head = vec![format!("{first} HTTP/1.1"), "Connection: close".into()];
        if !lines.iter().any(|line| line.starts_with("Host:")) {
            head.push(format!("Host: {}", self.address));
        }
        head.extend(lines.iter().map(ToString::to_string));
        if !body.is_empty() {
            head.push(format!("Content-Length: {}", body.len()));
        }
        let head = head.join("\r\n");
        self.say(&[format!("{head}\r\n\r\n").as_bytes(), body].concat())
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request(&format!("GET {path}"), &[], b"")
    }

    /// Asks about a picture; the last line of what comes.
    pub(crate) fn ask(&self, picture: &str, target: &Value, ask: &Value) -> Value {
        let question = json!({
            "window": "test", "picture": picture, "target": target, "ask": ask,
        });
        let kind = "Content-Type: application/json";
        let reply = self.request("POST /api/ask", &[kind], question.to_string().as_bytes());
        let text = reply.text();
        let last = text.trim_end().lines().last().unwrap_or_else(|| panic!("no answer: {reply:?}"));
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{text}"))
    }

    pub(crate) fn answer(&self, picture: &str, ask: &Value) -> Value {
        let told = self.ask(picture, &Value::Null, ask);
        assert!(told["error"].is_null(), "{told}");
        told["answer"].clone()
    }

    pub(crate) fn pictures(&self) -> Vec<(String, String)> {
        let list = self.get("/api/pictures").json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(|one| (text(&one["id"]), text(&one["name"]))).collect()
    }

    pub(crate) fn upload(&self, name: &str, bytes: &[u8]) -> Reply {
        let kind = "Content-Type: application/octet-stream";
        self.request(&format!("POST /api/pictures?name={name}"), &[kind], bytes)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn new(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let rest = answer.get(end + 4..).unwrap_or_default();
        let chunked = head.contains("transfer-encoding: chunked");
        Self { status, body: if chunked { unchunked(rest) } else { rest.to_vec() }, head }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[(line + 4 + size).min(rest.len())..];
    }
    body
}

/// The PNG of a photo.
pub(crate) fn png(scene: &Scene) -> Vec<u8> {
    let photo = &scene.photo;
    let (width, height) = (photo.width() as u32, photo.height() as u32);
    let image = image::RgbImage::from_raw(width, height, photo.rgb().to_vec()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}
