//! Weights of Segment Anything from a hub on this machine.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::support::{Place, Ran, program};

/// A hub with one file. It answers a request for the first byte and one for all, as hubs do, and
/// knows no other path.
fn serve(path: &'static str, content: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), path, content);
        }
    });
    endpoint
}

fn answer(mut stream: TcpStream, path: &str, content: &[u8]) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request: Vec<String> =
        lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    if request[0].split(' ').nth(1) != Some(path) {
        let head = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return stream.write_all(head.as_bytes()).unwrap();
    }
    let is_first_byte = request.iter().any(|line| line.eq_ignore_ascii_case("range: bytes=0-0"));
    let body = if is_first_byte { &content[..1] } else { content };
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-{}/{}\r\ncontent-length: {}\r\n\
         etag: \"e\"\r\nx-repo-commit: c0ffee\r\nconnection: close\r\n\r\n",
        body.len() - 1,
        content.len(),
        body.len(),
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

/// What the hub has at the pinned place is not what was published, whole though it is.
#[test]
fn a_file_that_is_not_the_published_one_is_refused() {
    const HALF: &[u8] = include_bytes!("../../../../fixtures/sam/half.pth");
    const VIT_B: &str = concat!(
        "/ybelkada/segment-anything/resolve/7790786db131bcdc639f24a915d9f2c331d843ee/",
        "checkpoints/sam_vit_b_01ec64.pth"
    );
    for (name, path, sha256) in [
        ("sam-vit-b", VIT_B, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
        (
            "mobile-sam",
            "/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
    ] {
        let place = Place::new();
        place.picture("cat.png", 64, 64);
        let mut command = program();
        command.args(["segment", "cat.png", "--out", "l.png", "--segmenter", name]);
        command.current_dir(place.path("")).env("HF_HUB_CACHE", place.path("hub"));
        command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", serve(path, HALF));
        let file = path.rsplit('/').next().unwrap();
        let ran = Ran::of(command.output().unwrap());
        ran.failed(1, &[file, "SHA-256", sha256, "remove it and fetch it again"]);
        assert_eq!(place.names(""), ["cat.png", "hub"]);
    }
}
