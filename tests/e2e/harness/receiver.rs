//! A subscriber that keeps every request byte for byte and answers by a script. It speaks HTTP/1.1
//! itself, because what it must be able to do (hang, drip, close, talk nonsense) no server offers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use store::world::Stopwatch;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::certificates::Certified;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In order, names as they were written.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When it was complete, since the receiver was started.
    pub at: Duration,
    /// Which connection brought it.
    pub connection: usize,
    /// The status it was answered with; 0 if it got none.
    pub answered: u16,
}

impl Request {
    /// The header's value, or nothing. It has to be there once at most.
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map_or("", |(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice: {:?}", self.headers);
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }
}

/// What a request is answered with.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Answer,
    AnswerAndClose,
    Hang,
    Close,
    Garbage,
    Endless,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        let (headers, body, delay) = (Vec::new(), Vec::new(), Duration::ZERO);
        Self { status, headers, body, delay, then: Then::Answer }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Answers and then closes the connection without having said so.
    pub fn and_close(self) -> Self {
        Self { then: Then::AnswerAndClose, ..self }
    }

    /// Takes the request and says nothing for as long as the connection lasts.
    pub fn hang() -> Self {
        Self { then: Then::Hang, ..Self::status(0) }
    }

    /// Takes the request and closes the connection.
    pub fn close() -> Self {
        Self { then: Then::Close, ..Self::status(0) }
    }

    /// Answers with something that is not HTTP.
    pub fn garbage() -> Self {
        Self { then: Then::Garbage, ..Self::status(0) }
    }

    /// Answers 200 and then drips a body that never ends.
    pub fn endless() -> Self {
        Self { then: Then::Endless, ..Self::status(200) }
    }
}

/// Listens on a port of 127.0.0.1, unless told otherwise, for as long as its test runs.
pub struct Receiver {
    ip: IpAddr,
    port: u16,
    tls: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// What the next requests of a path get, then what all others get (200 unless said).
    scripts: HashMap<String, VecDeque<Reply>>,
    otherwise: HashMap<String, Reply>,
    /// By path: how many are being answered now, and the most there ever were.
    now: HashMap<String, usize>,
    most: HashMap<String, usize>,
    connections: usize,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::at("127.0.0.1", 0).await
    }

    /// One at an address of this machine, such as any of 127/8.
    pub async fn at(address: &str, port: u16) -> Self {
        let ip = address.parse::<IpAddr>().expect("an address");
        let listener = TcpListener::bind((ip, port)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::<Mutex<State>>::default();
        tokio::spawn(listen(listener, None, Arc::clone(&state), Stopwatch::start()));
        Self { ip, port, tls: false, state }
    }

    /// One that speaks TLS and shows this certificate.
    pub async fn over_tls(certified: &Certified) -> Self {
        Self::over_tls_at(certified, "127.0.0.1", 0).await
    }

    /// The same at an address of this machine, on this port if it is free and may be had.
    pub async fn over_tls_at(certified: &Certified, address: &str, port: u16) -> Self {
        let ip = address.parse::<IpAddr>().expect("an address");
        let listener = match TcpListener::bind((ip, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((ip, 0)).await.expect("a free port"),
        };
        let address = listener.local_addr().expect("bound");
        let state = Arc::<Mutex<State>>::default();
        let tls = Some(acceptor(certified));
        tokio::spawn(listen(listener, tls, Arc::clone(&state), Stopwatch::start()));
        Self { ip: address.ip(), port: address.port(), tls: true, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", SocketAddr::new(self.ip, self.port))
    }

    /// The next requests of `path` are answered with these, one each.
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.lock().scripts.entry(path.to_owned()).or_default().extend(replies);
    }

    /// Requests of `path` that no script is left for are answered with this.
    pub fn always(&self, path: &str, reply: Reply) {
        self.lock().otherwise.insert(path.to_owned(), reply);
    }

    /// All requests of `path` from now on are answered with this.
    pub fn instead(&self, path: &str, reply: Reply) {
        self.lock().scripts.remove(path);
        self.always(path, reply);
    }

    /// Every request of `path`, in order of arrival.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let state = self.lock();
        state.requests.iter().filter(|r| path_of(&r.target) == path).cloned().collect()
    }

    /// Every request there was.
    pub fn all(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.lock().requests.len()
    }

    /// Takes from `missing` the `webhook-id`s that `path` answered with 200.
    pub fn strike_out(&self, path: &str, missing: &mut HashSet<String>) {
        let state = self.lock();
        let answered = state.requests.iter().filter(|r| r.answered == 200 && r.target == path);
        for request in answered {
            missing.remove(request.header("webhook-id"));
        }
    }

    /// Waits until `path` has so many requests, and returns them.
    pub async fn wait_for(&self, path: &str, count: usize) -> Vec<Request> {
        let what = format!("{count} requests are at {path}");
        super::wait::wait_or_tell(&what, async || {
            let requests = self.requests(path);
            if requests.len() >= count { Ok(requests) } else { Err(requests.len().to_string()) }
        })
        .await
    }

    /// Connections there were, with a request or without.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// The most requests of `path` that were being answered at once since it was asked last.
    pub fn most_at_once(&self, path: &str) -> usize {
        self.lock().most.remove(path).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn acceptor(certified: &Certified) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&certified.certificate).expect("certificates");
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(&certified.key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate of that key");
    Arc::new(config).into()
}

async fn listen(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<Mutex<State>>,
    watch: Stopwatch,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = {
            let mut state = state.lock().expect("nobody panics with it");
            state.connections += 1;
            state.connections
        };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => serve(tls.accept(stream).await.ok()?, state, watch, connection).await,
                None => serve(stream, state, watch, connection).await,
            }
        });
    }
}

/// One connection: request after request until either side closes it.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    state: Arc<Mutex<State>>,
    watch: Stopwatch,
    connection: usize,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let mut request = read(&mut stream, &mut buffer).await?;
        (request.at, request.connection) = (watch.elapsed(), connection);
        let path = path_of(&request.target).to_owned();
        let reply = enter(&mut state.lock().expect("nobody panics with it"), request, &path);
        let open = answer(&mut stream, reply).await;
        *state.lock().expect("nobody panics with it").now.entry(path).or_default() -= 1;
        open?;
    }
}

/// Keeps the request, counts it in and chooses its reply.
fn enter(state: &mut State, mut request: Request, path: &str) -> Reply {
    let now = state.now.entry(path.to_owned()).or_default();
    *now += 1;
    let most = state.most.entry(path.to_owned()).or_default();
    *most = (*most).max(*now);
    let scripted = state.scripts.get_mut(path).and_then(VecDeque::pop_front);
    let reply = scripted
        .or_else(|| state.otherwise.get(path).cloned())
        .unwrap_or_else(|| Reply::status(200).body("ok"));
    request.answered = reply.status;
    state.requests.push(request);
    reply
}

/// The next request of a connection; none once it is closed.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().expect("a length in digits"));
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    let (at, connection, answered) = (Duration::ZERO, 0, 0);
    Some(Request { method, target, headers, body, at, connection, answered })
}

/// Answers as it was told; none if the connection is over.
async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) -> Option<()> {
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.then {
        Then::Answer => {
            stream.write_all(&head_and_body(&reply)).await.ok()?;
            stream.flush().await.ok()
        }
        Then::AnswerAndClose => {
            stream.write_all(&head_and_body(&reply)).await.ok()?;
            stream.shutdown().await.ok()?;
            None
        }
        Then::Hang => {
            // Returns when the other side gives up.
            let _ = stream.read(&mut [0; 1]).await;
            None
        }
        Then::Close => None,
        Then::Garbage => {
            stream.write_all(b"220 mail.example ESMTP\r\n\r\n").await.ok()?;
            None
        }
        Then::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await
                .ok()?;
            loop {
                stream.write_all(b"1\r\nx\r\n").await.ok()?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

fn head_and_body(reply: &Reply) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
    [head.as_bytes(), &reply.body].concat()
}
