//! One file of the hub, downloaded into a cache that other tools share:
//!
//! ```text
//! models--OWNER--NAME/blobs/ETAG                  the content, `ETAG.incomplete` while it comes
//! models--OWNER--NAME/snapshots/COMMIT/FILE       a link to it
//! models--OWNER--NAME/refs/REVISION               the commit of a branch
//! ```
//!
//! ETag and commit are what the hub says they are: only plain names become names of files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use hsets_core::Progress;
use hsets_weights::hexadecimal;
use sha2::{Digest as _, Sha256};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

/// How often cancelling is looked for.
const TICK: Duration = Duration::from_millis(100);
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;
const MAX_REDIRECTS: usize = 5;

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Failure {
    /// The user wants to stop.
    Cancelled,
    /// The repository has no such file.
    NotFound,
    /// Anything else, for people.
    Reason(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

/// What is to be downloaded, and where it belongs.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) url: String,
    pub(super) token: Option<String>,
    /// Folder of the repository in the cache.
    pub(super) folder: PathBuf,
    pub(super) revision: String,
    pub(super) file: String,
    pub(super) patience: Duration,
}

/// What the thread that waits for the hub tells the one that watches.
enum Event {
    Size(u64),
    Bytes(u64),
    Done(Result<PathBuf, Failure>),
}

impl Download {
    /// Downloads in a thread of its own: whatever the network does, cancelling and patience end the
    /// wait.
    pub(super) fn run(self, progress: &dyn Progress) -> Result<PathBuf, Failure> {
        let (stage, patience) = (format!("download {}", self.file), self.patience);
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            let done = self.download(&sender);
            // Nobody waits any more if this fails.
            let _ = sender.send(Event::Done(done));
        });
        let mut last = Instant::now();
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Done(done)) => {
                    progress.end();
                    return done;
                }
                Ok(Event::Size(n)) => progress.begin(&stage, n),
                Ok(Event::Bytes(n)) => {
                    progress.advance(n);
                    last = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Reason("the download ended without a result".into()));
                }
            }
            if progress.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            if last.elapsed() > patience {
                let seconds = patience.as_secs_f64();
                return Err(Failure::Reason(format!(
                    "the download failed (no answer for {seconds:.0} seconds)"
                )));
            }
        }
    }

    fn download(&self, events: &Sender<Event>) -> Result<PathBuf, Failure> {
        let agent: Agent = Agent::config_builder()
            // The thread that watches gives up first, and says so.
            .timeout_connect(Some(2 * self.patience))
            .timeout_recv_response(Some(2 * self.patience))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("hsets/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        // The hub itself tells the names; what it redirects to tells only bytes.
        let (response, told) = self.get(&agent, "bytes=0-0")?;
        drop(response);
        let header = |name: &str| told.get(name).and_then(|value| value.to_str().ok());
        let etag = header("x-linked-etag").or_else(|| header("etag"));
        let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
        let named = |what: &str, name: Option<&str>| match name {
            Some(name) if is_plain(name) => Ok(name.to_owned()),
            _ => Err(format!(
                "the download failed (what answers is no hub, or means harm: its {what} is no name)"
            )),
        };
        let etag = named("ETag", etag)?;
        let commit = named("commit", header("x-repo-commit"))?;
        let blobs = self.folder.join("blobs");
        let written = |error: std::io::Error| {
            format!("the download cannot be kept in {} ({error})", self.folder.display())
        };
        fs::create_dir_all(&blobs).map_err(written)?;
        let (blob, part) = (blobs.join(&etag), blobs.join(format!("{etag}.incomplete")));
        if !blob.is_file() {
            let mut file = locked(&part, events).map_err(written)?;
            // Another program may have been faster.
            if !blob.is_file() {
                self.fill(&agent, &mut file, events)?;
                check_hash(&mut file, &etag).inspect_err(|_| {
                    // Going on with it would fail again.
                    let _ = fs::remove_file(&part);
                })?;
                fs::rename(&part, &blob).map_err(written)?;
            }
        }
        let pointer = self.folder.join("snapshots").join(&commit).join(&self.file);
        link(&blob, &pointer).map_err(written)?;
        if self.revision != commit {
            let reference = self.folder.join("refs").join(&self.revision);
            write_whole(&reference, commit.as_bytes()).map_err(written)?;
        }
        Ok(pointer)
    }

    /// The answer to a request for bytes, and the headers of the first answer.
    fn get(&self, agent: &Agent, range: &str) -> Result<(Response<Body>, HeaderMap), Failure> {
        let failed = |error: String| format!("the download failed ({error})");
        let mut url = self.url.clone();
        let mut told: Option<HeaderMap> = None;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = agent.get(&url).header("range", range);
            if let Some(token) = self.token.as_ref().filter(|_| same_host(&url, &self.url)) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| failed(error.to_string()))?;
            // A moved repository answers with a place on the hub: names come from where it is now.
            let has_names = response.headers().contains_key("x-repo-commit");
            if told.is_none() && (has_names || !response.status().is_redirection()) {
                told = Some(response.headers().clone());
            }
            if response.status().is_redirection() {
                let location = response.headers().get("location");
                let location = location.and_then(|location| location.to_str().ok());
                url = absolute(location.unwrap_or_default(), &url)
                    .ok_or_else(|| failed("a redirection to nowhere".into()))?;
                continue;
            }
            return match response.status().as_u16() {
                200 | 206 => Ok((response, told.unwrap_or_default())),
                404 => Err(Failure::NotFound),
                code @ (401 | 403) => Err(Failure::Reason(failed(format!(
                    "HTTP {code}: the repository is private or gated; HF_TOKEN may open it"
                )))),
                code => Err(Failure::Reason(failed(format!("HTTP {code}")))),
            };
        }
        Err(Failure::Reason(failed("too many redirections".into())))
    }

    /// Fetches what `file` lacks.
    fn fill(&self, agent: &Agent, file: &mut File, events: &Sender<Event>) -> Result<(), Failure> {
        let broken = |error: std::io::Error| format!("the download failed ({error})");
        let mut have = file.seek(SeekFrom::End(0)).map_err(broken)?;
        let (mut response, _) = self.get(agent, &format!("bytes={have}-"))?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        // "bytes FROM-TO/TOTAL"
        let range = header("content-range").and_then(|range| {
            let (window, total) = range.trim().strip_prefix("bytes")?.split_once('/')?;
            Some((number(window.split_once('-')?.0)?, number(total)?))
        });
        let total = match range {
            Some((from, total)) if from == have => Some(total),
            _ => {
                if range.is_some() {
                    (response, _) = self.get(agent, "bytes=0-")?;
                }
                have = 0;
                file.set_len(0).and_then(|()| file.rewind()).map_err(broken)?;
                let length = response.headers().get("content-length");
                length.and_then(|length| number(length.to_str().ok()?))
            }
        };
        let _ = events.send(Event::Size(total.unwrap_or(0)));
        let _ = events.send(Event::Bytes(have));
        let mut body = response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = body.read(&mut chunk).map_err(broken)?;
            if n == 0 {
                break;
            }
            file.write_all(&chunk[..n]).map_err(broken)?;
            have += n as u64;
            // Whoever asked for it has given up: what is there is kept for the next time.
            if events.send(Event::Bytes(n as u64)).is_err() {
                return Err(Failure::Cancelled);
            }
        }
        match total {
            Some(total) if total != have => {
                let problem = format!("it ended after {have} of {total} bytes; try again to go on");
                Err(Failure::Reason(format!("the download failed ({problem})")))
            }
            _ => file.flush().map_err(|error| broken(error).into()),
        }
    }
}

/// Whether a name is only a name: neither a path nor hidden.
pub(super) fn is_plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(is_plain)
}

fn same_host(a: &str, b: &str) -> bool {
    let host = |url: &str| url.parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority);
    host(a).is_some() && host(a) == host(b)
}

/// An address, which may be given relative to another.
fn absolute(location: &str, base: &str) -> Option<String> {
    let target: Uri = location.parse().ok()?;
    if target.host().is_some() {
        return Some(location.to_owned());
    }
    let base = base.parse::<Uri>().ok()?.into_parts();
    let (scheme, authority) = (base.scheme?, base.authority?);
    location.starts_with('/').then(|| format!("{scheme}://{authority}{location}"))
}

/// The file, once no other program writes it.
fn locked(path: &Path, events: &Sender<Event>) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    while let Err(error) = file.try_lock() {
        if let fs::TryLockError::Error(error) = error {
            return Err(error);
        }
        if events.send(Event::Bytes(0)).is_err() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        thread::sleep(TICK);
    }
    Ok(file)
}

/// Large files have their SHA-256 as ETag.
fn check_hash(file: &mut File, etag: &str) -> Result<(), String> {
    if etag.len() != 64 || !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let mut read = || -> std::io::Result<Sha256> {
        file.rewind()?;
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hash),
                n => hash.update(&chunk[..n]),
            }
        }
    };
    let hash = read().map_err(|error| format!("the download cannot be read again ({error})"))?;
    if hexadecimal(&hash.finalize()).eq_ignore_ascii_case(etag) {
        return Ok(());
    }
    Err("the download failed (its SHA-256 is not the announced one; try again)".into())
}

/// Makes `pointer` lead to `blob`.
fn link(blob: &Path, pointer: &Path) -> std::io::Result<()> {
    if let Some(folder) = pointer.parent() {
        fs::create_dir_all(folder)?;
    }
    if pointer.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    if let Some(name) = blob.file_name() {
        let target = Path::new("../../blobs").join(name);
        if std::os::unix::fs::symlink(target, pointer).is_ok() && pointer.is_file() {
            return Ok(());
        }
        let _ = fs::remove_file(pointer);
    }
    fs::hard_link(blob, pointer).or_else(|_| fs::copy(blob, pointer).map(drop))
}

/// A small file, whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, content)?;
    fs::rename(&new, path)
}
