//! Weights from the Hugging Face hub, by alias.
//!
//! What lies in the cache is used as it is, without asking the hub. An alias follows the branch
//! `main` of its repository until it is downloaded; `alias@REVISION` with a full commit pins it, and
//! the SHA-256 of the weights that were used is part of every result.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use hsets_core::Progress;

use crate::aliases::repository;
use crate::error::{Error, Result};

/// File of a repository that holds the weights.
const WEIGHTS: &str = "model.safetensors";
/// File of a repository that tells the preprocessing.
const CONFIG: &str = "config.json";

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
    /// Settings as Hugging Face's own tools read them from the environment: `HF_HUB_CACHE`,
    /// `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let folder = |name: &str| variable(name).map(PathBuf::from);
        let home = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .unwrap_or_else(|| Cache::default().path().clone());
        let token_path = folder("HF_TOKEN_PATH")
            .or_else(|| home.map(|home| home.join("token")))
            .unwrap_or_else(|| Cache::default().token_path());
        let stored = || std::fs::read_to_string(&token_path).ok();
        let token = variable("HF_TOKEN").or_else(stored).map(|token| token.trim().to_owned());
        let is_on = |name: &str| {
            variable(name).is_some_and(|value| {
                matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
            })
        };
        Self {
            cache,
            endpoint: variable("HF_ENDPOINT"),
            token: token.filter(|token| !token.is_empty()),
            offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
        }
    }

    /// The files of an alias (`resnet50`), or of a repository (`timm/resnet50.a1_in1k`), either with
    /// `@REVISION`; downloaded unless they are in the cache.
    pub fn fetch(&self, model: &str, progress: &dyn Progress) -> Result<HubFiles> {
        let (name, revision) = model.split_once('@').unwrap_or((model, "main"));
        let id = repository(name)?;
        let wanted = Wanted { what: model, id, revision, file: WEIGHTS, option: "--weights" };
        if let Some(weights) = self.cached(&wanted, WEIGHTS) {
            return Ok(HubFiles { weights, config: self.cached(&wanted, CONFIG) });
        }
        let api = self.repository(&wanted)?;
        let weights = download(&api, WEIGHTS, progress).map_err(|e| self.failed(&wanted, &e))?;
        // A repository without a config is fine: the architecture's own preprocessing applies.
        let config = download(&api, CONFIG, progress).ok();
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
        if let Some(path) = self.cached(&wanted, file) {
            return Ok(path);
        }
        let api = self.repository(&wanted)?;
        download(&api, file, progress).map_err(|error| self.failed(&wanted, &error))
    }

    /// A file in the cache. A commit is looked for as such too: only branches have a reference in a
    /// cache that other tools filled.
    fn cached(&self, wanted: &Wanted<'_>, file: &str) -> Option<PathBuf> {
        let repository = self.cache.join(wanted.repo().folder_name());
        let at_commit = || repository.join("snapshots").join(wanted.revision).join(file);
        let by_reference = Cache::new(self.cache.clone()).repo(wanted.repo()).get(file);
        by_reference.or_else(|| Some(at_commit()).filter(|path| path.is_file()))
    }

    /// The repository as the hub has it. Fails if the hub may not be asked.
    fn repository(&self, wanted: &Wanted<'_>) -> Result<ApiRepo> {
        if self.offline {
            let reason = "it is not in the cache, and HF_HUB_OFFLINE forbids downloads";
            return Err(self.refusal(wanted, reason));
        }
        let builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_progress(false)
            .with_token(self.token.clone());
        let builder = match &self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint.clone()),
            None => builder,
        };
        let api = builder.build().map_err(|error| self.failed(wanted, &error))?;
        Ok(api.repo(wanted.repo()))
    }

    fn failed(&self, wanted: &Wanted<'_>, error: &ApiError) -> Error {
        self.refusal(wanted, &format!("the download failed ({error})"))
    }

    fn refusal(&self, wanted: &Wanted<'_>, reason: &str) -> Error {
        let endpoint = self.endpoint.as_deref().unwrap_or("https://huggingface.co");
        let Wanted { what, id, revision, file, option } = wanted;
        let url = format!("{endpoint}/{id}/resolve/{revision}/{file}");
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
    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.into(), RepoType::Model, self.revision.into())
    }
}

fn download(api: &ApiRepo, file: &str, progress: &dyn Progress) -> Result<PathBuf, ApiError> {
    api.download_with_progress(file, Forward { progress, stage: format!("download {file}") })
}

/// Progress of a download, told to ours.
struct Forward<'a> {
    progress: &'a dyn Progress,
    stage: String,
}

impl hf_hub::api::Progress for Forward<'_> {
    fn init(&mut self, size: usize, _filename: &str) {
        self.progress.begin(&self.stage, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.progress.advance(size as u64);
    }

    fn finish(&mut self) {
        self.progress.end();
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
        Hub::from_variables(|name| variables.get(name).map(ToString::to_string))
    }

    #[test]
    fn the_environment_is_honoured() {
        let set = hub(&[("HF_HOME", "/data/hf"), ("HF_TOKEN", " secret\n")]);
        assert_eq!(set.cache, Path::new("/data/hf/hub"));
        assert_eq!(set.token.as_deref(), Some("secret"));
        assert!(!set.offline);
        assert_eq!(hub(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]).cache, Path::new("/c"));
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
        fs::write(snapshot.join(WEIGHTS), b"weights").unwrap();
        let cache = folder.path().display().to_string();
        let hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_HUB_OFFLINE", "1")]);
        let pinned = format!("resnet18@{commit}");
        for model in ["resnet18", "timm/resnet18.tv_in1k", &pinned] {
            let files = hub.fetch(model, &Silent).unwrap();
            assert_eq!(fs::read(&files.weights).unwrap(), b"weights");
            assert_eq!(cached_commit(&files.weights), Some(commit));
            assert_eq!(files.config, None);
        }
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

    /// A hub with one repository on this machine; answers ranges, as the real one does.
    fn serve(weights: &'static [u8]) -> String {
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
                         content-length: {}\r\netag: \"e\"\r\nx-repo-commit: c0ffee\r\n\
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
        let mut hub = hub(&[("HF_HUB_CACHE", &cache), ("HF_ENDPOINT", &serve(WEIGHTS))]);
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
}
