//! Who may ask, how much, and for what.

use std::{io::Write as _, net::IpAddr, time::Instant};

use hsets_explorer::{Error, Given, Limits, Server, random_token};
use serde_json::json;

use crate::support::{Running, options, png, scene};

#[test]
fn names_that_others_can_point_here_are_refused() {
    let server = Running::start();
    for host in ["evil.example", "evil.example:8765", "127.0.0.1.nip.io", "localhost.evil.example"]
    {
        for path in ["/", "/explorer.js", "/api/about", "/api/pictures"] {
            let reply = server.request(&format!("GET {path}"), &[&format!("Host: {host}")], b"");
            assert_eq!(reply.status, 403, "{host}{path}");
            assert!(!reply.text().contains("duel"), "{reply:?}");
        }
    }
    let port = server.address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        let reply = server.request("GET /api/about", &[&format!("Host: {host}")], b"");
        assert_eq!(reply.status, 200, "{host}");
    }
}

#[test]
fn pages_of_other_sites_cannot_ask() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let question = json!({
        "window": "x", "picture": id, "target": null, "ask": { "kind": "predict" },
    });
    let question = question.to_string();
    let post = |lines: &[&str]| server.request("POST /api/ask", lines, question.as_bytes()).status;
    let json = "Content-Type: application/json";
    let own = format!("Origin: http://{}", server.address);
    assert_eq!(post(&[json, &own]), 200);
    assert_eq!(post(&[json]), 200);
    assert_eq!(post(&[json, "Origin: http://evil.example"]), 403);
    assert_eq!(post(&[json, "Origin: null"]), 403);
    assert_eq!(post(&[json, "Sec-Fetch-Site: cross-site"]), 403);
    // What a form of another page can send without asking first.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(post(&[&format!("Content-Type: {kind}")]), 415, "{kind}");
    }
    assert_eq!(post(&[]), 415);
    let image = server.request(
        &format!("GET /api/pictures/{id}/seen.png"),
        &["Sec-Fetch-Site: cross-site"],
        b"",
    );
    assert_eq!(image.status, 403);
    // No answer may be read by another origin.
    assert!(!server.get("/api/about").head.contains("access-control-allow"));
}

#[test]
fn every_answer_forbids_what_pages_of_ours_do_not_do() {
    let server = Running::start();
    for path in ["/", "/explorer.js", "/colors.css", "/api/about", "/nothing"] {
        let head = server.get(path).head;
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:"));
        let policy = policy.unwrap_or_else(|| panic!("{path}: {head}"));
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}");
        assert!(head.contains("cross-origin-resource-policy: same-origin"), "{path}");
    }
}

#[test]
fn paths_lead_nowhere_else() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("photos");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.png"), png(&scene())).unwrap();
    std::fs::write(root.path().join("secret.png"), png(&scene())).unwrap();
    let server =
        Running::with(hsets_explorer::Options { pictures: vec![Given::Path(folder)], ..options() });
    assert_eq!(server.pictures().len(), 1);
    let paths = [
        "/../secret.png",
        "/..%2fsecret.png",
        "/api/pictures/../secret.png/seen.png",
        "/api/pictures/..%2fsecret.png/seen.png",
        "/api/pictures/%2e%2e%2fsecret/seen.png",
        "/api/pictures/secret.png/seen.png",
        "/api/pictures/a.png/seen.png",
        "/etc/passwd",
        "//etc/passwd",
        "/Cargo.toml",
    ];
    for path in paths {
        let reply = server.get(path);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    assert_eq!(
        server.get(&format!("/api/pictures/{}/seen.png", server.pictures()[0].0)).status,
        200
    );
}

#[test]
fn large_bodies_are_refused_before_they_are_read() {
    let limits = Limits { upload: 100_000, ..Limits::DEFAULT };
    let server = Running::with(hsets_explorer::Options { limits, ..options() });
    let begun = Instant::now();
    // Promised, and never sent.
    for length in ["100001", "99999999999", "18446744073709551615"] {
        let head = format!(
            "POST /api/pictures?name=x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n",
            server.address
        );
        let reply = server.say(head.as_bytes());
        assert!([400, 413, 431].contains(&reply.status), "{length}: {reply:?}");
    }
    // Sent without saying how much.
    let mut chunked = format!(
        "POST /api/pictures?name=x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address
    )
    .into_bytes();
    for _ in 0..40 {
        chunked.extend_from_slice(b"2000\r\n");
        chunked.extend_from_slice(&[7; 0x2000]);
        chunked.extend_from_slice(b"\r\n");
    }
    let reply = server.say(&chunked);
    // The answer may be lost where the connection is closed while it is still written to.
    assert!([413, 0].contains(&reply.status), "{reply:?}");
    let head = vec![b'x'; 200_000];
    assert_ne!(
        server.request("GET /", &[&format!("X: {}", String::from_utf8(head).unwrap())], b"").status,
        200
    );
    assert_eq!(server.pictures().len(), 2);
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

#[test]
fn nonsense_on_the_wire_ends_that_connection_only() {
    let server = Running::start();
    for bytes in [
        &b"\0\0\0\0"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{{{{{",
        &[0xff; 3000],
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    assert_eq!(server.get("/api/about").status, 200);
}

#[test]
fn other_machines_need_a_token() {
    let anywhere: IpAddr = [0, 0, 0, 0].into();
    for token in [None, Some("short".to_owned())] {
        let options = hsets_explorer::Options { host: anywhere, token, ..options() };
        let error = Server::bind(options).err().unwrap();
        assert!(matches!(error, Error::NoToken(_)), "{error}");
        assert!(error.to_string().contains("token"), "{error}");
    }
    let token = random_token();
    assert_eq!(token.len(), 32);
    assert_ne!(token, random_token());
    let server = Running::with(hsets_explorer::Options {
        host: anywhere,
        token: Some(token.clone()),
        ..options()
    });
    assert!(server.url.ends_with(&format!("/?token={token}")) && server.url.contains("127.0.0.1"));
    for path in ["/", "/explorer.js", "/api/about", "/api/pictures", "/?token=wrong"] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    let page = server.get(&format!("/?token={token}"));
    assert_eq!(page.status, 200);
    let cookie = page.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = format!("Cookie: hsets-token={token}");
    assert_eq!(server.request("GET /api/about", &[&cookie], b"").status, 200);
}
