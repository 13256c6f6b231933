//! The HTTP server: one thread that answers, and never makes a lane wait.
//!
//! It is small on purpose: requests of a few hundred bytes, few connections, no bodies. Where no token is needed, only requests that are
//! addressed to this machine are answered, or any web page could read along by a name that it lets point here.

use super::live::Item;
use super::metrics::Metrics;
use super::status::{Identity, Samples, sickness, status, unreadiness};
use super::tls::Certificate;
use crate::config::Http;
use crate::destination::level_named;
use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_core::Stream;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};

/// So many connections at once; those beyond are closed.
const CONNECTIONS: usize = 64;
/// Head of a request.
const HEAD_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// A request must be here within this time, and a connection may idle so long.
const PATIENCE: Duration = Duration::from_secs(10);

struct Shared {
    metrics: Metrics,
    identity: Identity,
    samples: Mutex<Samples>,
    stop: Arc<AtomicBool>,
    /// Digest of the token.
    token: Option<[u8; 32]>,
}

/// The server while it runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    metrics: Metrics,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens and answers; `None` where that is not wanted. `stop` says that the service is being stopped.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn start(
        config: &Http,
        metrics: Metrics,
        identity: Identity,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Option<Self>> {
        if config.listen == "off" {
            return Ok(None);
        }
        let certificate = config.tls.as_ref().map(Certificate::read).transpose()?;
        let listener = bind(&config.listen)?;
        let address = listener.local_addr().context("an address without a number")?;
        let shared = Arc::new(Shared {
            metrics: metrics.clone(),
            identity,
            samples: Mutex::default(),
            stop: Arc::clone(stop),
            token: config.token.as_ref().map(|token| digest(token.reveal().as_bytes())),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the HTTP server")?;
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, certificate, shared) => {}
                        _ = ended => {}
                    }
                    // Streams that were closed may still send what they have.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                });
                runtime.shutdown_timeout(Duration::from_millis(100));
            })
            .context("cannot start a thread")?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        tracing::info!("metrics and status at {scheme}://{address}");
        Ok(Some(Self { address, metrics, end: Some(end), thread: Some(thread) }))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.metrics.0.live.close();
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic in a way that matters now.
            let _ = thread.join();
        }
    }
}

fn bind(listen: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(listen).map_err(|error| {
        let (what, help) = match error.kind() {
            ErrorKind::AddrInUse => (
                "another process listens there, perhaps another sigmund".to_owned(),
                "set `http.listen` to another port, or to `off`",
            ),
            ErrorKind::PermissionDenied => (
                "this user may not".to_owned(),
                "set `http.listen` to a port from 1024 on, or to `off`",
            ),
            ErrorKind::AddrNotAvailable => (
                "this machine has no such address".to_owned(),
                "set `http.listen` to one that it has, such as `127.0.0.1:9464`, or to `off`",
            ),
            _ => (error.to_string(), "set `http.listen` to another address, or to `off`"),
        };
        anyhow::anyhow!("cannot listen on `{listen}`: {what}; {help}")
    })?;
    listener.set_nonblocking(true).context("cannot listen")?;
    Ok(listener)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

async fn serve(listener: TcpListener, mut certificate: Option<Certificate>, shared: Arc<Shared>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!("the HTTP server cannot run: {error}");
            return;
        }
    };
    let router = router(Arc::clone(&shared));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = clock.tick() => {
                let mut samples = shared.samples.lock().unwrap_or_else(PoisonError::into_inner);
                samples.take(&shared.metrics);
                if let Some(certificate) = &mut certificate {
                    certificate.renew();
                }
                continue;
            }
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, most likely: they may be closed soon.
                tracing::warn!("the HTTP server cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        // What is shown live should be seen at once; it works without.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let acceptor = certificate.as_ref().map(Certificate::acceptor);
        tokio::spawn(async move {
            match acceptor {
                None => answer(stream, router).await,
                Some(acceptor) => {
                    match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => answer(stream, router).await,
                        Ok(Err(error)) => {
                            tracing::debug!("an HTTP connection without TLS: {error}");
                        }
                        Err(_) => tracing::debug!("an HTTP connection took too long for TLS"),
                    }
                }
            }
            drop(place);
        });
    }
}

/// Answers the requests of a connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(api_status))
        .route("/api/v1/detections", get(detections))
        .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), guard));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(guarded)
        .fallback(unknown)
        .with_state(shared)
}

/// Lets in who knows the token, or where there is none, who speaks to this machine.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    match &shared.token {
        Some(token) if !knows(headers, token) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            let why = "the token of `http.token` is needed: `Authorization: Bearer …`\n";
            (StatusCode::UNAUTHORIZED, challenge, why).into_response()
        }
        None if !is_for_this_machine(headers) => {
            let why = "without `http.token`, ask by a loopback address or `localhost`\n";
            (StatusCode::FORBIDDEN, why).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Digests are compared, all of each: how long it takes says nothing about the token.
fn knows(headers: &HeaderMap, token: &[u8; 32]) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
    let given = value.as_bytes();
    let Some((scheme, given)) = given.split_at_checked(7) else { return false };
    let difference =
        digest(given.trim_ascii()).iter().zip(token).fold(0, |sum, (a, b)| sum | a ^ b);
    scheme.eq_ignore_ascii_case(b"bearer ") && difference == 0
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        // Not from a browser.
        return true;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().to_canonical().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.text()).into_response()
}

async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    lines(&sickness(&shared.metrics))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    lines(&unreadiness(&shared.metrics, shared.stop.load(Ordering::Relaxed)))
}

fn lines(reasons: &[String]) -> Response {
    match reasons {
        [] => "ok\n".into_response(),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response(),
    }
}

async fn api_status(State(shared): State<Arc<Shared>>) -> Response {
    let stops = shared.stop.load(Ordering::Relaxed);
    let value = {
        let samples = shared.samples.lock().unwrap_or_else(PoisonError::into_inner);
        status(&shared.metrics, &shared.identity, &samples, stops)
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, format!("{value:#}\n")).into_response()
}

/// The items of a watcher as events.
struct Events(super::live::Watcher);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context).map(|item| {
            Some(Ok(match item? {
                Item::Detection(text) => Event::default().event("detection").data(text),
                Item::Lost(lost) => {
                    Event::default().event("lost").data(json!({ "lost": lost }).to_string())
                }
            }))
        })
    }
}

async fn detections(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let bad = |why: String| (StatusCode::BAD_REQUEST, why + "\n").into_response();
    if let Some(name) = query.keys().find(|name| *name != "level") {
        return bad(format!("unknown parameter `{}`; known: `level`", name.escape_debug()));
    }
    let level = match query.get("level").map(|name| level_named(name)).transpose() {
        Ok(level) => level,
        Err(why) => return bad(why),
    };
    match shared.metrics.0.live.watch(level) {
        Some(watcher) => Sse::new(Events(watcher))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
            .into_response(),
        None => {
            let why = "too many watch already; end one of them\n";
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}

async fn unknown() -> Response<Body> {
    let known = "there are /metrics, /healthz, /readyz, /api/v1/status and /api/v1/detections\n";
    (StatusCode::NOT_FOUND, known).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Shown;
    use crate::telemetry::Tally;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn start(token: Option<&str>) -> (Server, Metrics, Arc<AtomicBool>) {
        let token = token.map(|token| token.to_owned().into());
        let config = Http { listen: "127.0.0.1:0".to_owned(), token, tls: None };
        let (metrics, stop) = (Metrics::new(), Arc::default());
        let server = Server::start(&config, metrics.clone(), Identity::default(), &stop);
        (server.expect("a port").expect("a server"), metrics, stop)
    }

    fn connect(server: &Server, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    }

    /// Status line, headers and body.
    fn ask(server: &Server, path: &str, headers: &str) -> String {
        let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
        let head = format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
        let mut text = String::new();
        connect(server, &head).read_to_string(&mut text).expect("an answer");
        text
    }

    fn code(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or("none")
    }

    #[test]
    fn it_says_how_it_is() {
        let (server, metrics, stop) = start(None);
        assert_eq!(code(&ask(&server, "/healthz", "")), "200");
        let ready = ask(&server, "/readyz", "");
        assert!(code(&ready) == "503" && ready.contains("no broker has answered yet"), "{ready}");
        metrics.reached();
        let lane = metrics.lane("detect", 0);
        assert!(ask(&server, "/readyz", "").contains("lane detect-0 joins its group"));
        lane.joined();
        lane.assigned(&[]);
        assert_eq!(code(&ask(&server, "/readyz", "")), "200");
        let status = ask(&server, "/api/v1/status", "");
        assert!(status.contains("application/json") && status.contains("\"running\""), "{status}");
        let text = ask(&server, "/metrics", "");
        assert!(text.contains("application/openmetrics-text; version=1.0.0"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        stop.store(true, Ordering::Relaxed);
        assert!(ask(&server, "/readyz", "").contains("it is being stopped"));
        let unknown = ask(&server, "/nowhere", "");
        assert!(code(&unknown) == "404" && unknown.contains("/metrics"), "{unknown}");
    }

    #[test]
    fn the_token_is_needed() {
        let (server, ..) = start(Some("0123456789abcdef"));
        for path in ["/metrics", "/api/v1/status", "/api/v1/detections"] {
            for given in [
                "",
                "Authorization: Bearer\r\n",
                "Authorization: Bearer 0123456789abcdeg\r\n",
                "Authorization: Basic 0123456789abcdef\r\n",
            ] {
                let answer = ask(&server, path, given);
                assert!(code(&answer) == "401" && !answer.contains("0123456789"), "{answer}");
            }
        }
        let token = "Authorization: bearer 0123456789abcdef\r\n";
        assert_eq!(code(&ask(&server, "/metrics", token)), "200");
        // With the token, from anywhere.
        let host = format!("Host: sigmund.example\r\n{token}");
        assert_eq!(code(&ask(&server, "/metrics", &host)), "200");
        // Probes know no token.
        assert_eq!(code(&ask(&server, "/healthz", "")), "200");
    }

    #[test]
    fn web_pages_cannot_read_along() {
        let (server, ..) = start(None);
        for host in ["evil.example", "evil.example:9464", "10.0.0.1:9464", "localhost.evil.example"]
        {
            let answer = ask(&server, "/api/v1/status", &format!("Host: {host}\r\n"));
            assert_eq!(code(&answer), "403", "{host}");
        }
        for host in ["127.0.0.1:9464", "localhost", "LOCALHOST:80", "[::1]:9464", "[::1]"] {
            let answer = ask(&server, "/api/v1/status", &format!("Host: {host}\r\n"));
            assert_eq!(code(&answer), "200", "{host}");
        }
    }

    #[test]
    fn detections_are_shown_until_the_end() {
        let (server, metrics, _) = start(None);
        let bad = ask(&server, "/api/v1/detections?level=bad", "");
        assert!(code(&bad) == "400" && bad.contains("known: informational"), "{bad}");
        assert_eq!(code(&ask(&server, "/api/v1/detections?color=red", "")), "400");
        let head = "GET /api/v1/detections HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut stream = connect(&server, head);
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !metrics.0.live.is_watched() {
            assert!(std::time::Instant::now() < end, "nobody watches");
            std::thread::sleep(Duration::from_millis(5));
        }
        let lane = metrics.lane("detect", 0);
        let mut tally = Tally { records: 1, ..Tally::default() };
        tally.show(Some(Shown { level: None, text: "{\"id\":\"x\"}".into() }));
        lane.committed(
            &crate::rules::Rules::compile(
                &sigmund_sigma::Loader::default(),
                &[],
                &|_| true,
                &sigmund_engine::Routing::default(),
            ),
            &mut tally,
        );
        drop(server);
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an end");
        assert!(text.contains("event: detection\ndata: {\"id\":\"x\"}\n\n"), "{text}");
    }

    #[test]
    fn requests_are_small() {
        let (server, ..) = start(None);
        let answer = ask(&server, "/healthz", &format!("X: {}\r\n", "x".repeat(HEAD_BYTES)));
        assert_eq!(code(&answer), "431");
        let many: String = (0..HEADERS).map(|at| format!("X{at}: 1\r\n")).collect();
        assert_eq!(code(&ask(&server, "/healthz", &many)), "431");
        assert_eq!(code(&ask(&server, "/healthz", "")), "200");
    }

    #[test]
    fn a_port_that_is_taken_is_said() {
        let (server, ..) = start(None);
        let listen = server.address().to_string();
        let config = Http { listen: listen.clone(), ..Http::default() };
        let error =
            Server::start(&config, Metrics::new(), Identity::default(), &Arc::default()).err();
        let error = error.expect("it is taken").to_string();
        assert_eq!(
            error,
            format!(
                "cannot listen on `{listen}`: another process listens there, perhaps another sigmund; set `http.listen` to another port, or to `off`"
            )
        );
        let off = Http { listen: "off".to_owned(), ..Http::default() };
        let none = Server::start(&off, Metrics::new(), Identity::default(), &Arc::default());
        assert!(none.expect("nothing to do").is_none());
    }
}
