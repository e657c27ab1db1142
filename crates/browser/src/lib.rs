//! A small client of chromedriver (W3C WebDriver), and what tests ask of a page.
//!
//! Used by the tests of pages and by nothing else: what fails, panics.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "for tests: a failure is a panic"
)]

use std::{
    io::{BufRead, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use image::RgbImage;
use serde_json::{Value, json};

/// A browser with one window. It ends with the test.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

impl Browser {
    /// Starts Chromium without a window; `None`, with a message, where it is not installed. With
    /// `HSETS_REQUIRE_BROWSER` set, that is a failure.
    pub fn start() -> Option<Self> {
        let chromium = PROGRAMS.iter().copied().find(|program| is_installed(program));
        let Some(chromium) = chromium.filter(|_| is_installed("chromedriver")) else {
            let message = "skipped: chromium and chromedriver are not installed \
                           (Debian: apt-get install chromium chromium-driver)";
            assert!(std::env::var_os("HSETS_REQUIRE_BROWSER").is_none(), "{message}");
            println!("{message}");
            return None;
        };
        // It ends at once where the port that it found free was taken by another in between.
        let mut tries = (0..5).map(|_| driver());
        let (driver, port) = tries.find_map(|tried| tried).expect("chromedriver says its port");
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), profile };
        let options = browser.options(chromium);
        let started = browser.call("POST", "/session", &options);
        browser.session.push_str(started["sessionId"].as_str().unwrap());
        browser.size(1280, 900);
        // Transitions would have to be waited for.
        browser.prefer("light");
        Some(browser)
    }

    fn options(&self, chromium: &str) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            profile.as_str(),
        ];
        json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"binary": which(chromium), "args": switches},
        }}})
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let answer = read(&mut BufReader::new(stream));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{path}: {}: {}", value["error"], value["message"]);
        value
    }

    /// Ends the session and with it the browser.
    fn quit(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let path = format!("/session/{}", self.session);
        write!(stream, "DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        BufReader::new(stream).read_line(&mut String::new()).map(drop)
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{path}", self.session), body)
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens a file.
    pub fn open(&self, page: &Path) {
        self.go(&format!("file://{}", page.display()));
    }

    /// Opens an address.
    pub fn go(&self, address: &str) {
        self.ask("url", &json!({ "url": address }));
    }

    /// Width and height of the window.
    pub fn size(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The reader's wish for "light" or "dark"; always without motion.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Value of the body of a function.
    pub fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Value of the body of a function, asked for until it is neither null nor false.
    pub fn wait_for(&self, script: &str) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.run(script);
            if !value.is_null() && value != false {
                return value;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain for: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys one after the other: "a", or names such as "Tab".
    pub fn press(&self, keys: &[&str]) {
        let code = |key: &&str| {
            match *key {
                "Tab" => "\u{e004}",
                "Enter" => "\u{e007}",
                "Escape" => "\u{e00c}",
                "End" => "\u{e010}",
                "Home" => "\u{e011}",
                "ArrowLeft" => "\u{e012}",
                "ArrowUp" => "\u{e013}",
                "ArrowRight" => "\u{e014}",
                "ArrowDown" => "\u{e015}",
                key if key.chars().count() == 1 => key,
                _ => panic!("unknown key {key}"),
            }
            .to_owned()
        };
        let strokes = keys.iter().map(code).flat_map(|code| {
            [json!({"type": "keyDown", "value": code}), json!({"type": "keyUp", "value": code})]
        });
        let strokes: Vec<Value> = strokes.collect();
        self.ask(
            "actions",
            &json!({"actions": [{"type": "key", "id": "keys", "actions": strokes}]}),
        );
    }

    /// Moves the pointer to a place of the window, and clicks there if asked to.
    pub fn point(&self, (x, y): (f64, f64), click: bool) {
        let mut steps =
            vec![json!({"type": "pointerMove", "x": x as i64, "y": y as i64, "duration": 0})];
        if click {
            steps.push(json!({"type": "pointerDown", "button": 0}));
            steps.push(json!({"type": "pointerUp", "button": 0}));
        }
        self.ask(
            "actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": steps}]}),
        );
    }

    /// Drags the pointer through places of the window, the button held down.
    pub fn drag(&self, places: &[(f64, f64)]) {
        let to = |(x, y): &(f64, f64)| json!({"type": "pointerMove", "x": *x as i64, "y": *y as i64, "duration": 0});
        let mut steps: Vec<Value> = places.iter().map(to).collect();
        steps.insert(1, json!({"type": "pointerDown", "button": 0}));
        steps.push(json!({"type": "pointerUp", "button": 0}));
        self.ask(
            "actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": steps}]}),
        );
    }

    /// The middle of the first element that `selector` finds, in the window.
    pub fn middle(&self, selector: &str) -> (f64, f64) {
        let found = self.run(&format!(
            "const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'nearest'}});\
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];"
        ));
        (found[0].as_f64().unwrap(), found[1].as_f64().unwrap())
    }

    /// The window as it is seen.
    pub fn screenshot(&self) -> RgbImage {
        let path = format!("/session/{}/screenshot", self.session);
        let encoded = self.call("GET", &path, &Value::Null);
        let png = base64(encoded.as_str().unwrap());
        image::load_from_memory(&png).unwrap().to_rgb8()
    }

    /// Messages of the console.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(Value::to_string).collect()
    }

    /// Addresses of everything that the page of a file asked for.
    pub fn requests(&self, page: &Path) -> Vec<String> {
        self.requests_of(&format!("file://{}", page.display()))
    }

    /// Addresses of everything that the page at an address asked for.
    pub fn requests_of(&self, address: &str) -> Vec<String> {
        let log = self.ask("se/log", &json!({"type": "performance"}));
        let message = |entry: &Value| -> Option<String> {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let is_ours = message["params"]["documentURL"] == address;
            (is_request && is_ours)
                .then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        };
        log.as_array().unwrap().iter().filter_map(message).collect()
    }

    /// Role and name of everything that assistive technology is told of.
    pub fn spoken(&self) -> Vec<(String, String)> {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|n| n["ignored"] != true)
            .map(|n| (text(&n["role"]), text(&n["name"])))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes the browser, after a failed test too: killing the driver alone would leave it.
        let _ = self.quit();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The body of an answer. The connection stays open behind it.
fn read(stream: &mut impl BufRead) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    body
}

/// chromedriver and the port that it chose; `None` where it found none.
fn driver() -> Option<(Child, u16)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = command.spawn().unwrap();
    let port = port(&mut driver);
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, port?))
}

fn port(driver: &mut Child) -> Option<u16> {
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = |line: String| -> Option<u16> {
        let (_, rest) = line.split_once("successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    };
    lines.map_while(Result::ok).find_map(port)
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn is_installed(program: &str) -> bool {
    which(program).is_some()
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("not base64"),
    };
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(digit).collect();
    let word = |chunk: &[u32]| {
        let bits = chunk.iter().enumerate().map(|(i, d)| d << (18 - 6 * i)).sum::<u32>();
        bits.to_be_bytes()[1..chunk.len()].to_vec()
    };
    digits.chunks(4).flat_map(word).collect()
}
