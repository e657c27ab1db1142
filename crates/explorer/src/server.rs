//! Connections, limits and routes.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use bytes::Bytes;
use hsets_core::Progress as _;
use hsets_pipeline::{
    Method as ExplainMethod, Settings, models::Classifier, segmentation::SegmenterChoice,
};
use hsets_report::ModelRecord;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::{
    answer::Context,
    assets::{ASSETS, POLICY},
    catalog::{Catalog, Given, Limits},
    desk::Desk,
    error::{Error, Refusal, Result},
    guard::Guard,
    png::png,
    question::{AskedTarget, Question},
    removal::REFERENCES,
    save::Place,
    ticket::Office,
};

/// A client has this long to send the head of a request, and as long for every piece of its body.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether the server shall end.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of a question: 24 regions of a large picture fit.
const MAX_QUESTION: usize = 4 << 20;
/// Bytes of the head of a request.
const MAX_HEAD: usize = 32 << 10;
/// A token of fewer characters may be guessed.
const MIN_TOKEN: usize = 16;

/// What is served, and to whom.
pub struct Options {
    /// The network.
    pub classifier: Classifier,
    /// The network as results name it.
    pub model: ModelRecord,
    /// Pictures to choose from.
    pub pictures: Vec<Given>,
    /// Segmenters to choose from; the first one is used first.
    pub segmenters: Vec<SegmenterChoice>,
    /// How pictures are explained; method, target and seeds are chosen on the page.
    pub settings: Settings,
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 for any that is free.
    pub port: u16,
    /// What everybody must know; needed where other machines can reach `host`.
    pub token: Option<String>,
    /// Names under which the explorer may be asked, as behind a proxy, beside `localhost`.
    pub hosts: Vec<String>,
    /// What many or large requests may cost.
    pub limits: Limits,
    /// Where results are saved, when somebody asks for it.
    pub out: PathBuf,
    /// How the network is named on a command line: `--model resnet50`.
    pub model_arguments: Vec<String>,
    /// Program and version, as results name them.
    pub software: String,
}

/// An explorer that listens.
pub struct Server {
    app: Arc<App>,
    listener: std::net::TcpListener,
    address: SocketAddr,
}

struct App {
    catalog: Arc<Catalog>,
    office: Office,
    guard: Guard,
    classifier: Arc<Classifier>,
    model: ModelRecord,
    segmenters: Vec<SegmenterChoice>,
    settings: Settings,
    limits: Limits,
    saving: Place,
}

impl Server {
    /// Takes the port and looks for the pictures.
    pub fn bind(options: Options) -> Result<Self> {
        let Options {
            classifier,
            model,
            pictures,
            segmenters,
            settings,
            host,
            port,
            token,
            hosts,
            limits,
            out,
            model_arguments,
            software,
        } = options;
        let is_safe = token.as_ref().is_some_and(|token| token.len() >= MIN_TOKEN);
        if !host.is_loopback() && !is_safe {
            return Err(Error::NoToken(host));
        }
        let address = SocketAddr::new(host, port);
        let listen = |source| Error::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let classifier = Arc::new(classifier);
        let catalog = Arc::new(Catalog::new(Arc::clone(&classifier), &pictures, limits)?);
        let app = App {
            catalog,
            office: Office::default(),
            guard: Guard { hosts, token },
            classifier,
            model,
            segmenters,
            settings,
            limits,
            saving: Place { out, model_arguments, software },
        };
        Ok(Self { app: Arc::new(app), listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to open.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::from([127, 0, 0, 1]));
        }
        let token = self.app.guard.token.as_ref().map(|token| format!("?token={token}"));
        format!("http://{address}/{}", token.unwrap_or_default())
    }

    /// Serves until `stop` says so.
    pub fn run(self, stop: impl Fn() -> bool) -> Result<()> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().enable_time().build().map_err(Error::Start)?;
        let Self { app, listener, .. } = self;
        let ended = runtime.block_on(async {
            let listener = TcpListener::from_std(listener).map_err(Error::Start)?;
            let places = Arc::new(Semaphore::new(app.limits.n_connections));
            while !stop() {
                let Ok(accepted) = timeout(LOOK, listener.accept()).await else { continue };
                // Without a place or a socket the client waits or is turned away; others go on.
                let (Ok((stream, _)), Ok(place)) =
                    (accepted, Arc::clone(&places).try_acquire_owned())
                else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let app = Arc::clone(&app);
                tokio::spawn(async move {
                    let _place = place;
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(|request| serve(Arc::clone(&app), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(PATIENCE)
                        .max_buf_size(MAX_HEAD)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            Ok(())
        });
        // Who still waits for an answer has gone with the server.
        runtime.shutdown_background();
        ended
    }
}

/// An answer: known whole, or line by line.
enum Answer {
    Whole(Option<Bytes>),
    Lines(mpsc::Receiver<Bytes>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Lines(lines) => {
                lines.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}

type Answered = Result<Response<Answer>, Refusal>;

async fn serve(app: Arc<App>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let mut cookie = None;
    let answered = match app.admit(&request) {
        Ok(new) => {
            cookie = new;
            route(app, request).await
        }
        Err(refusal) => Err(refusal),
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        let mut response = json_response(&json!({ "error": refusal.message }));
        *response.status_mut() = refusal.status;
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    });
    protect(response.headers_mut());
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Headers of every answer.
fn protect(headers: &mut HeaderMap) {
    let fixed = [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

impl App {
    fn admit(&self, request: &Request<Incoming>) -> Result<Option<String>, Refusal> {
        let headers = request.headers();
        self.guard.check_origin(headers)?;
        if request.uri().path() != "/" {
            Guard::check_site(headers)?;
        }
        self.guard.check_token(headers, request.uri().query())
    }

    fn about(&self) -> Value {
        let methods = ExplainMethod::ALL.iter().map(|method| {
            json!({
                "name": method.name(),
                "description": method.description(),
                "is_control": method.is_control(),
            })
        });
        let references =
            REFERENCES.map(|(name, text)| json!({ "name": name, "description": text }));
        json!({
            "software": self.saving.software,
            "out": self.saving.out.display().to_string(),
            "model": self.model,
            "labels": self.classifier.labels().names().collect::<Vec<_>>(),
            "segmenters": self.segmenters.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "methods": methods.collect::<Vec<_>>(),
            "references": references,
            "upload": self.limits.upload,
        })
    }

    fn list(&self) -> Value {
        self.catalog.entries().iter().map(|entry| json!(**entry)).collect()
    }

    /// How much is held, for those who watch over it.
    fn state(&self) -> Value {
        json!({ "waiting": self.office.n_waiting(), "warm": self.catalog.n_warm() })
    }
}

async fn route(app: Arc<App>, request: Request<Incoming>) -> Answered {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    // Of what HEAD asks for only the head is sent.
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    match parts.as_slice() {
        ["api", "about"] if get => Ok(json_response(&app.about())),
        ["api", "state"] if get => Ok(json_response(&app.state())),
        ["api", "pictures"] if get => Ok(json_response(&app.list())),
        ["api", "pictures"] if request.method() == Method::POST => upload(app, request).await,
        ["api", "pictures", id, "seen.png"] if get => seen(app, (*id).to_owned()).await,
        ["api", "ask"] if request.method() == Method::POST => ask(app, request).await,
        ["api", "ask"] => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "questions are sent by POST"))
        }
        ["saved", folder, file] if get => saved(app, decoded(folder), decoded(file)).await,
        [name] if get => asset(name),
        _ => Err(Refusal::not_found("there is nothing at this address")),
    }
}

fn asset(name: &str) -> Answered {
    if name == "colors.css" {
        return Ok(response("text/css; charset=utf-8", hsets_report::html::colors().into()));
    }
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, kind, content) =
        found.ok_or_else(|| Refusal::not_found("there is nothing at this address"))?;
    Ok(response(kind, Bytes::from_static(content.as_bytes())))
}

fn response(kind: &'static str, content: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(content)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn json_response(value: &Value) -> Response<Answer> {
    response("application/json", value.to_string().into())
}

/// The body of a request of this content type, which a foreign page cannot send without asking.
async fn body(request: Request<Incoming>, kind: &str, limit: usize) -> Result<Bytes, Refusal> {
    let sent = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if sent.is_none_or(|sent| sent.split(';').next().map(str::trim) != Some(kind)) {
        let message = format!("the content type must be {kind}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let too_large = || {
        let message = format!("too large: at most {} MiB", limit >> 20);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if request.body().size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut body = Limited::new(request.into_body(), limit);
    let mut bytes = Vec::new();
    loop {
        let slow = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request came too slowly");
        let Some(frame) = timeout(PATIENCE, body.frame()).await.map_err(slow)? else {
            return Ok(bytes.into());
        };
        let frame = frame.map_err(|error| {
            let is_limit = error.is::<http_body_util::LengthLimitError>();
            if is_limit { too_large() } else { Refusal::bad("the request broke off") }
        })?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
}

/// Runs what blocks beside the connections.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Refusal::internal("this request made the program stumble")))
}

async fn upload(app: Arc<App>, request: Request<Incoming>) -> Answered {
    let query = request.uri().query().unwrap_or_default();
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).map(decoded);
    let name = name.unwrap_or_default();
    let bytes = body(request, "application/octet-stream", app.limits.upload).await?;
    let entry = aside(move || app.catalog.upload(&name, bytes)).await?;
    Ok(json_response(&json!(*entry)))
}

/// Text of a query, with its `%` and `+` resolved.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = after;
        bytes.push(match (first, code) {
            (b'%', Some(byte)) => {
                rest = &after[2..];
                byte
            }
            (b'+', _) => b' ',
            _ => first,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn seen(app: Arc<App>, id: String) -> Answered {
    let png = aside(move || png(&app.catalog.prepared(&id)?.photo)).await?;
    let mut response = response("image/png", png);
    let keep = HeaderValue::from_static("private, max-age=600");
    response.headers_mut().insert(header::CACHE_CONTROL, keep);
    Ok(response)
}

/// A file that was saved from here. Pages are for the disk: here they get no right to run scripts
/// in the name of the explorer, so they are offered as downloads.
async fn saved(app: Arc<App>, folder: String, file: String) -> Answered {
    let (kind, bytes) = aside(move || app.saving.read(&folder, &file)).await?;
    let mut response = response(kind, bytes.into());
    let download = HeaderValue::from_static("attachment");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, download);
    Ok(response)
}

/// Hands a question to a desk of its picture; the answer comes line by line.
async fn ask(app: Arc<App>, request: Request<Incoming>) -> Answered {
    let bytes = body(request, "application/json", MAX_QUESTION).await?;
    let question: Question = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad(format!("not a question: {error}")))?;
    let window: String = question.window.chars().take(64).collect();
    let about = question.ask.about();
    let (mut ticket, lines) =
        app.office.admit((&window, question.number), about, app.limits.n_waiting)?;
    aside(move || {
        let warm = app.catalog.warm(&question.picture)?;
        let entry = app.catalog.entry(&question.picture)?;
        let target = AskedTarget::target(question.target, &warm.logits)?;
        let asked = question.ask.segments();
        // Segments that are not there yet take long, whatever they are for.
        let unknown = asked.is_some_and(|asked| {
            warm.known_segments(&(asked.by.clone(), asked.edits.clone())).is_none()
        });
        let is_long = question.ask.is_long() || unknown;
        if is_long {
            ticket.give_way(warm.quick_turn.clone());
        }
        let place = Arc::clone(&warm);
        let job = move |desk: &mut Desk<'_>| {
            if ticket.is_cancelled() {
                return ticket.answer(Err(hsets_core::Error::Cancelled.into()));
            }
            let context = Context {
                warm: &place,
                settings: &app.settings,
                segmenters: &app.segmenters,
                target,
                entry: &entry,
                model: &app.model,
                saving: &app.saving,
                ticket: &ticket,
            };
            let outcome = context.answer(&question.ask, desk);
            ticket.answer(outcome);
        };
        warm.run(is_long, Box::new(job));
        Ok(())
    })
    .await?;
    let mut response = Response::new(Answer::Lines(lines));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_addresses() {
        assert_eq!(decoded("a%20b+c%C3%A9%"), "a b cé%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
