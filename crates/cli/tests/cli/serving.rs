//! What is saved in the explorer, repeated by the command that it prints.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Place, Ran, program};

/// `hsets serve`, until it is dropped.
struct Server {
    child: Child,
    /// Host and port.
    host: String,
}

impl Server {
    fn start(place: &Place, line: &str) -> Self {
        let mut child = program()
            .args(["serve", "--port", "0", "--json"])
            .args(line.split(' '))
            .current_dir(place.path(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        let host = said["url"].as_str().unwrap().trim_start_matches("http://").trim_matches('/');
        Self { child, host: host.to_owned() }
    }

    /// What comes back, head and all.
    fn request(&self, first: &str, body: &str) -> String {
        let Self { host, .. } = self;
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        write!(
            stream,
            "{first} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    /// The answer to a question about the first picture.
    fn ask(&self, ask: &Value) -> Value {
        let pictures = self.request("GET /api/pictures", "");
        let (_, pictures) = pictures.split_once("\r\n\r\n").unwrap();
        let pictures: Value = serde_json::from_str(pictures).unwrap();
        let target = json!({ "class": 1, "against": null });
        let question =
            json!({ "window": "w", "picture": pictures[0]["id"], "target": target, "ask": ask });
        let reply = self.request("POST /api/ask", &question.to_string());
        let answer = reply.lines().find(|line| line.starts_with("{\"answer\"")).expect(&reply);
        serde_json::from_str::<Value>(answer).unwrap()["answer"].take()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_was_done_by_hand_is_repeated_by_the_printed_command() {
    let place = Place::new();
    fs::create_dir(place.path("pictures")).unwrap();
    place.picture("pictures/my picture.png", 90, 70);
    let server = Server::start(
        &place,
        "pictures --segmenter grid:4 --seed 3 --out saved --resize 68 --interpolation bicubic \
         --mean 0.4,0.5,0.5",
    );
    let segments = json!({ "by": "grid:4x4" });
    // The first 16 pixels of rows 20 to 23 of 64.
    let region = "zk.g.1c.g.1c.g.1c.g";
    let ask = json!({ "kind": "contrasts", "region": region, "segments": segments });
    let seen = server.ask(&ask);
    let partners: Vec<&Value> = seen["partners"].as_array().unwrap().iter().take(3).collect();
    assert_eq!(partners.len(), 3);
    let by_hand = json!({
        "sets": [region],
        "taken_away": { "regions": [region, "0.g.1c.g"], "reference": "blur" },
        "measured": {
            "region": region,
            "partners": partners.iter().map(|one| &one["region"]).collect::<Vec<_>>(),
        },
    });
    let save = json!({
        "kind": "save", "name": "mine (1)", "method": "hsets", "segments": segments,
        "grown": null, "by_hand": by_hand, "link": "",
    });
    let answer = server.ask(&save);
    let command = answer["command"].as_str().unwrap();
    assert!(command.contains("--model bundled"), "{command}");
    for option in ["--resize 68", "--interpolation bicubic", "--mean 0.4,0.5,0.5"] {
        assert!(command.contains(option), "{command}");
    }
    drop(server);

    let own = format!("'{}' ", program().get_program().display());
    let command = command.replacen("hsets ", &own, 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} --quiet")]).current_dir(place.path(""));
    Ran::of(shell.output().unwrap()).ok();
    let record = |path: &str| -> Value {
        serde_json::from_slice(&fs::read(place.path(path)).unwrap()).unwrap()
    };
    let saved = record("saved/mine (1)/explanation.json");
    let repeated = record("saved/repeated/my picture/explanation.json");
    for part in ["by_hand", "sets", "settings", "model", "logits", "target"] {
        assert!(!saved[part].is_null(), "{part}");
        assert_eq!(saved[part], repeated[part], "{part}");
    }
    // The record holds what was seen.
    let measured = &saved["by_hand"]["measured"];
    assert_eq!(measured["region"], region);
    assert_eq!((&measured["reference"], &measured["unit"]), (&json!("ring"), &json!("log-odds")));
    let found = measured["partners"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    for one in found {
        let shown = partners.iter().find(|shown| shown["region"] == one["region"]).unwrap();
        assert_eq!(one["effect"], shown["value"]);
        assert_eq!(one["interval"], shown["interval"]);
        assert!(one["claim"].is_boolean() && one["p_value"].is_number());
    }
}
