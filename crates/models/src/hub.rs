//! Weights from the Hugging Face hub, by alias.
//!
//! What lies in the cache is used as it is, without asking the hub. An alias follows the branch
//! `main` of its repository until it is downloaded; `alias@REVISION` with a full commit pins it, and
//! the SHA-256 of the weights that were used is part of every result.

mod download;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hsets_core::Progress;

use crate::aliases::repository;
use crate::error::{Error, Result};
use download::{Download, Failure};

/// Files of a repository that may hold the weights, the preferred one first.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// File of a repository that tells the preprocessing.
const CONFIG: &str = "config.json";
/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub is and what it may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Folder of downloaded files.
    pub cache: PathBuf,
    /// Address of the hub, another than the public one if set.
    pub endpoint: Option<String>,
    /// Token for repositories that ask for one.
    pub token: Option<String>,
    /// Use only what is in the cache.
    pub offline: bool,
    /// How long the hub may be silent before a download is given up.
    pub patience: Duration,
}

/// Files of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFiles {
    /// The weights.
    pub weights: PathBuf,
    /// The repository's `config.json`, if it has one.
    pub config: Option<PathBuf>,
}

impl Hub {
    /// How long the hub may be silent, unless the environment says otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// Settings as Hugging Face's own tools read them from the environment: `HF_HUB_CACHE`,
    /// `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`,
    /// `HF_HUB_DOWNLOAD_TIMEOUT`.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok(), std::env::home_dir())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>, user: Option<PathBuf>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let user = user.unwrap_or_else(|| PathBuf::from("."));
        // A tilde is expanded as a shell would: in a settings file nobody else does.
        let folder = |name: &str| {
            let path = PathBuf::from(variable(name)?);
            Some(path.strip_prefix("~").map(|rest| user.join(rest)).unwrap_or(path))
        };
        let home = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .unwrap_or_else(|| user.join(".cache/huggingface"));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| home.join("hub"));
        let token_path = folder("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let stored = || std::fs::read_to_string(&token_path).ok();
        let token = variable("HF_TOKEN").or_else(stored).map(|token| token.trim().to_owned());
        let is_on = |name: &str| {
            variable(name).is_some_and(|value| {
                matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
            })
        };
        let seconds = variable("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|text| text.trim().parse().ok());
        Self {
            cache,
            endpoint: variable("HF_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned()),
            token: token.filter(|token| !token.is_empty()),
            offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
            patience: seconds.filter(|&s| s > 0).map_or(Self::PATIENCE, Duration::from_secs),
        }
    }

    /// The files of an alias (`resnet50`), or of a repository (`timm/resnet50.a1_in1k`), either with
    /// `@REVISION`; downloaded unless they are in the cache.
    pub fn fetch(&self, model: &str, progress: &dyn Progress) -> Result<HubFiles> {
        let (name, revision) = model.split_once('@').unwrap_or((model, "main"));
        let id = repository(name)?;
        let [preferred, other] = WEIGHTS;
        let wanted = Wanted { what: model, id, revision, file: preferred, option: "--weights" };
        wanted.check()?;
        if let Some(weights) = WEIGHTS.iter().find_map(|file| self.cached(&wanted, file)) {
            return Ok(HubFiles { weights, config: self.cached(&wanted, CONFIG) });
        }
        let weights = match self.download(&wanted, preferred, progress) {
            Err(Failure::NotFound) => self.download(&wanted, other, progress),
            downloaded => downloaded,
        };
        let weights = weights.map_err(|failure| self.failed(&wanted, failure))?;
        // A repository without a config is fine: the architecture's own preprocessing applies.
        let config = match self.download(&wanted, CONFIG, progress) {
            Ok(config) => Some(config),
            Err(Failure::NotFound) => None,
            Err(failure) => {
                let _ = std::fs::remove_file(&weights);
                return Err(self.failed(&wanted, failure));
            }
        };
        Ok(HubFiles { weights, config })
    }

    /// A file of a repository at a revision (a commit or a branch), downloaded unless it is in the
    /// cache. `option` is what the user is told to pass the file with where that fails.
    pub fn fetch_file(
        &self,
        (id, revision): (&str, &str),
        file: &str,
        option: &str,
        progress: &dyn Progress,
    ) -> Result<PathBuf> {
        let wanted = Wanted { what: file, id, revision, file, option };
        wanted.check()?;
        if let Some(path) = self.cached(&wanted, file) {
            return Ok(path);
        }
        self.download(&wanted, file, progress).map_err(|failure| self.failed(&wanted, failure))
    }

    /// A file in the cache. A commit is looked for as such too: only branches have a reference in a
    /// cache that other tools filled.
    fn cached(&self, wanted: &Wanted<'_>, file: &str) -> Option<PathBuf> {
        let repository = self.folder(wanted);
        let reference = std::fs::read_to_string(repository.join("refs").join(wanted.revision));
        let commits = [reference.unwrap_or_default().trim().to_owned(), wanted.revision.into()];
        let snapshots = repository.join("snapshots");
        let named = commits.iter().filter(|commit| download::is_plain(commit));
        named.map(|commit| snapshots.join(commit).join(file)).find(|path| path.is_file())
    }

    fn folder(&self, wanted: &Wanted<'_>) -> PathBuf {
        self.cache.join(format!("models--{}", wanted.id.replace('/', "--")))
    }

    fn url(&self, wanted: &Wanted<'_>, file: &str) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let (id, revision) = (wanted.id, wanted.revision.replace('/', "%2F"));
        format!("{endpoint}/{id}/resolve/{revision}/{file}")
    }

    fn download(
        &self,
        wanted: &Wanted<'_>,
        file: &str,
        progress: &dyn Progress,
    ) -> Result<PathBuf, Failure> {
        if self.offline {
            let reason = "it is not in the cache, and HF_HUB_OFFLINE forbids downloads";
            return Err(Failure::Reason(reason.into()));
        }
        let download = Download {
            url: self.url(wanted, file),
            token: self.token.clone(),
            folder: self.folder(wanted),
            revision: wanted.revision.to_owned(),
            file: file.to_owned(),
            patience: self.patience,
        };
        download.run(progress)
    }

    fn failed(&self, wanted: &Wanted<'_>, failure: Failure) -> Error {
        let reason = match failure {
            Failure::Cancelled => return hsets_core::Error::Cancelled.into(),
            Failure::NotFound => "the repository has no such file".into(),
            Failure::Reason(reason) => reason,
        };
        let Wanted { what, file, option, .. } = wanted;
        let url = self.url(wanted, file);
        Error::Hub(format!(
            "no weights for '{what}': {reason}; download {url} elsewhere and pass it with {option} FILE"
        ))
    }
}

/// What is asked of the hub, and the option that does without it.
struct Wanted<'a> {
    what: &'a str,
    id: &'a str,
    revision: &'a str,
    file: &'a str,
    option: &'a str,
}

impl Wanted<'_> {
    /// Fails on a revision that is no name: it becomes part of paths.
    fn check(&self) -> Result<()> {
        if self.revision.split('/').all(download::is_plain) {
            return Ok(());
        }
        let revision = self.revision.escape_debug();
        Err(Error::UnknownModel(format!(
            "'{revision}' is no branch, tag or commit of a repository"
        )))
    }
}

/// The commit a cached file belongs to: the cache keeps files under `snapshots/COMMIT/`.
pub fn cached_commit(file: &Path) -> Option<&str> {
    let mut parents = file.ancestors().skip(1);
    let commit = parents.next()?;
    let snapshots = parents.next()?.file_name()?;
    (snapshots == "snapshots").then(|| commit.file_name()?.to_str()).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use hsets_core::Silent;

    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        let user = Some(PathBuf::from("/home/me"));
        Hub::from_variables(|name| variables.get(name).map(ToString::to_string), user)
    }

    #[test]
    fn the_environment_is_honoured() {
        let set = hub(&[("HF_HOME", "/data/hf"), ("HF_TOKEN", " secret\n")]);
        assert_eq!(set.cache, Path::new("/data/hf/hub"));
        assert_eq!(set.token.as_deref(), Some("secret"));
        assert!(!set.offline);
        assert_eq!(hub(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]).cache, Path::new("/c"));
        assert_eq!(hub(&[]).cache, Path::new("/home/me/.cache/huggingface/hub"));
        assert_eq!(hub(&[("HF_HOME", "~/x")]).cache, Path::new("/home/me/x/hub"));
        assert_eq!(hub(&[("HF_HUB_CACHE", "~")]).cache, Path::new("/home/me"));
        assert_eq!(hub(&[("HF_HUB_DOWNLOAD_TIMEOUT", "7")]).patience, Duration::from_secs(7));
        for on in ["1", "on", "YES", "True"] {
            assert!(hub(&[("HF_HUB_OFFLINE", on)]).offline, "{on}");
        }
        assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn offline_without_cache_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_HUB_OFFLINE", "1")]);
        let error = hub.fetch("vgg16", &Silent).unwrap_err().to_string();
        let url = "https://huggingface.co/timm/vgg16.tv_in1k/resolve/main/model.safetensors";
        assert!(error.contains(url) && error.contains("--weights"), "{error}");
    }

    #[test]
    fn cached_files_need_no_network() {
        let folder = tempfile::tempdir().unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let repo = folder.path().join("models--timm--resnet18.tv_in1k");
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), commit).unwrap();
        let snapshot = repo.join("snapshots").join(commit);
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(snapshot.join("pytorch_model.bin"), b"older").unwrap();
        let cache = folder.path().display().to_string();
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_HUB_OFFLINE", "1")]);
        let pinned = format!("resnet18@{commit}");
        for model in ["resnet18", "timm/resnet18.tv_in1k", &pinned] {
            let files = hub.fetch(model, &Silent).unwrap();
            assert_eq!(fs::read(&files.weights).unwrap(), b"older");
            assert_eq!(cached_commit(&files.weights), Some(commit));
            assert_eq!(files.config, None);
        }
        fs::write(snapshot.join("model.safetensors"), b"weights").unwrap();
        let files = hub.fetch("resnet18", &Silent).unwrap();
        assert_eq!(fs::read(&files.weights).unwrap(), b"weights");
        assert!(hub.fetch("resnet18@../../main", &Silent).is_err());
    }

    #[test]
    fn an_unreachable_hub_is_one_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        // Port 9 discards; nothing listens there.
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", "http://127.0.0.1:9")]);
        let error = hub.fetch("densenet121", &Silent).unwrap_err().to_string();
        assert!(error.contains("the download failed") && error.contains("--weights"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    /// A hub with one repository on this machine; answers ranges, as the real one does, and calls
    /// its file `etag`.
    fn serve(weights: &'static [u8], etag: &'static str) -> String {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request: Vec<String> =
                    lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                let file = request[0].split_whitespace().nth(1).unwrap();
                let range = request.iter().find_map(|line| {
                    let range = line.to_lowercase().strip_prefix("range: bytes=")?.to_owned();
                    let (from, to) = range.split_once('-')?;
                    let last = weights.len() - 1;
                    Some((from.parse().ok()?, to.parse().unwrap_or(last).min(last)))
                });
                let (from, to): (usize, usize) = range.unwrap_or((0, weights.len() - 1));
                let answer = if file == "/timm/vgg11.tv_in1k/resolve/main/model.safetensors" {
                    let body = &weights[from..=to];
                    let head = format!(
                        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{to}/{}\r\n\
                         content-length: {}\r\netag: \"{etag}\"\r\nx-repo-commit: c0ffee\r\n\
                         connection: close\r\n\r\n",
                        weights.len(),
                        body.len(),
                    );
                    [head.as_bytes(), body].concat()
                } else {
                    let head = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close";
                    format!("{head}\r\n\r\n").into_bytes()
                };
                stream.write_all(&answer).unwrap();
            }
        });
        endpoint
    }

    #[test]
    fn downloads_are_kept_and_their_progress_told() {
        use std::sync::atomic::{AtomicU64, Ordering};
        #[derive(Default)]
        struct Counted(AtomicU64, AtomicU64);
        impl Progress for Counted {
            fn begin(&self, _stage: &str, total: u64) {
                self.0.store(total, Ordering::Relaxed);
            }
            fn advance(&self, n: u64) {
                self.1.fetch_add(n, Ordering::Relaxed);
            }
        }
        const WEIGHTS: &[u8] = &[7; 5000];
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        let mut hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", &serve(WEIGHTS, "e"))]);
        let counted = Counted::default();
        let files = hub.fetch("vgg11", &counted).unwrap();
        assert_eq!(fs::read(&files.weights).unwrap(), WEIGHTS);
        assert_eq!(files.config, None);
        assert_eq!(cached_commit(&files.weights), Some("c0ffee"));
        assert_eq!(counted.0.into_inner(), 5000);
        assert_eq!(counted.1.into_inner(), 5000);
        hub.offline = true;
        assert_eq!(hub.fetch("vgg11", &Silent).unwrap(), files);
    }

    #[test]
    fn a_download_that_was_cut_goes_on() {
        const WEIGHTS: &[u8] = &[7; 5000];
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", &serve(WEIGHTS, "e"))]);
        let blobs = folder.path().join("models--timm--vgg11.tv_in1k/blobs");
        fs::create_dir_all(&blobs).unwrap();
        // Were it fetched anew, the ones would be gone.
        fs::write(blobs.join("e.incomplete"), [1; 3000]).unwrap();
        let files = hub.fetch("vgg11", &Silent).unwrap();
        assert_eq!(fs::read(&files.weights).unwrap(), [&[1; 3000][..], &[7; 2000]].concat());
    }

    /// What a mirror calls its files becomes no path.
    #[test]
    fn names_of_a_hostile_hub_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("a/b/c/d");
        let cache_name = cache.display().to_string();
        for etag in ["../../../evil", "/tmp/evil", "..", "a/b", "", ".hidden", "a b"] {
            let endpoint = serve(&[7; 10], etag);
            let hub = hub(&[("HF_HUB_CACHE", &cache_name), ("HF_ENDPOINT", &endpoint)]);
            let error = hub.fetch("vgg11", &Silent).unwrap_err().to_string();
            assert!(error.contains("ETag"), "{etag}: {error}");
        }
        assert!(!cache.exists() && fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn what_arrives_is_what_was_announced() {
        let hash = "0000000000000000000000000000000000000000000000000000000000000000";
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", &serve(&[7; 10], hash))]);
        let error = hub.fetch("vgg11", &Silent).unwrap_err().to_string();
        assert!(error.contains("SHA-256"), "{error}");
        let blobs = folder.path().join("models--timm--vgg11.tv_in1k/blobs");
        assert!(fs::read_dir(blobs).unwrap().next().is_none());
    }

    /// A hub that accepts and never answers.
    #[test]
    fn silence_and_ctrl_c_end_the_wait() {
        struct Stopped;
        impl Progress for Stopped {
            fn begin(&self, _stage: &str, _total: u64) {}
            fn advance(&self, _n: u64) {}
            fn is_cancelled(&self) -> bool {
                true
            }
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().display().to_string();
        let mut hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", &endpoint)]);
        let begun = std::time::Instant::now();
        let error = hub.fetch("vgg11", &Stopped).unwrap_err();
        assert!(matches!(error, Error::Core(hsets_core::Error::Cancelled)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        hub.patience = Duration::from_secs(1);
        let error = hub.fetch("vgg11", &Silent).unwrap_err().to_string();
        assert!(error.contains("no answer for 1 seconds"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
