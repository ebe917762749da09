//! The connections that requests go out on: dialled only where the guard lets, and read only so far.
//!
//! hyper reads informational answers (1xx) in a loop for as long as there are any, and a subscriber
//! that sends nothing else would have a thread for itself. reqwest lets nobody come between a socket
//! and what reads from it, nor does it pass on what is to be told of such answers. So this is the
//! client below reqwest, with a connector of our own.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper::{Request, Uri};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::egress::Policy;
use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use store::world::Stopwatch;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::engine::StartError;
use crate::guard::{Guard, Wanted};
use crate::metrics::Counted;
use crate::names::Names;
use crate::phases;
use crate::tls::{Tls, server_name};
use crate::{Metrics, Settings};

/// Header lines of a response.
const HEADERS_MAX: usize = 100;
/// How long a subscriber's machine may be gone before its connection is given up.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Bytes that are taken from a socket at once, and before whoever else is ready has a turn.
const READ_MAX: usize = 16 * 1024;
const TURN_MAX: usize = 32 * 1024;
/// Bytes that may come in answer to one request. A head of the size that hyper takes and as much of
/// a body as is read are half of it, however they are wrapped.
const ANSWER_MAX: usize = 1024 * 1024;
/// Unused connections to one host, whose webhooks may be many: as many as one of them may have under way.
const IDLE_MAX: usize = 256;
/// Files of a connection while it is made: for a name's addresses of two families, then for a socket of
/// each. When it is there it has one.
const FILES_OF_DIALLING: u32 = 2;

/// Sends requests. Connections are kept while fewer than half of those that there may be are open:
/// what nobody uses must not take the files that requests need.
pub(crate) struct Wire {
    keeping: Client<Dialer, Full<Bytes>>,
    closing: Client<Dialer, Full<Bytes>>,
    /// Files that are left, and how few are too few to keep a connection.
    files: Arc<Semaphore>,
    few: usize,
}

impl Wire {
    pub(crate) fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        let is_roomy = self.files.available_permits() > self.few;
        let client = if is_roomy { &self.keeping } else { &self.closing };
        client.request(request)
    }
}

pub(crate) fn wire(
    policy: &Arc<Policy>,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<Wire, StartError> {
    let names = Names::new(&settings.dns_servers)?;
    let mut tls = ClientConfig::with_platform_verifier().map_err(|e| StartError(e.to_string()))?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connections = settings.connections.min(Semaphore::MAX_PERMITS);
    let files = Arc::new(Semaphore::new(connections));
    let dialer = Dialer(Arc::new(Inner {
        guard: Guard::new(names, policy.clone()),
        tls: Arc::new(tls),
        patience: settings.connect_timeout,
        files: files.clone(),
        metrics: metrics.clone(),
    }));
    let client = |idle_max| {
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(idle_max)
            .http1_max_headers(HEADERS_MAX)
            .build(dialer.clone())
    };
    Ok(Wire { keeping: client(IDLE_MAX), closing: client(0), files, few: connections / 2 })
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConnected {
    #[error("no connection within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("the TLS handshake did not end within {} ms", .0.as_millis())]
    TlsTooSlow(Duration),
    #[error(transparent)]
    Tls(#[from] Tls),
    #[error("no file is left for a connection")]
    NoFile,
}

/// Whether the system has no file left, for this process or for all: that says nothing of whoever was
/// to be reached.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The answer to one request was longer than any has to be.
#[derive(Debug, thiserror::Error)]
#[error("the answer takes more than 1 MiB, most of it nothing but wrapping")]
pub(crate) struct TooMuch;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Stream = Bounded<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Dialer(Arc<Inner>);

struct Inner {
    guard: Guard,
    tls: Arc<ClientConfig>,
    /// For TCP and TLS together; names have a bound of their own.
    patience: Duration,
    files: Arc<Semaphore>,
    metrics: Metrics,
}

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.dial(uri).await })
    }
}

impl Inner {
    async fn dial(&self, uri: Uri) -> Result<Stream, Error> {
        let files = self.files.clone().try_acquire_many_owned(FILES_OF_DIALLING);
        let mut files = files.map_err(|_| NotConnected::NoFile)?;
        let watch = Stopwatch::start();
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let addresses = self.guard.vetted(Wanted { host: &host, port, https }).await?;
        let connecting = Stopwatch::start();
        let tcp = self.connect(uri, addresses).await?;
        let stream = if https {
            let left = self.patience.saturating_sub(connecting.elapsed());
            self.encrypt(server_name(&host)?, tcp, left).await?
        } else {
            MaybeHttpsStream::Http(tcp)
        };
        phases::connected(watch.elapsed());
        // None: whoever takes them in dialling has more than one.
        let file = files.split(1).ok_or(NotConnected::NoFile)?;
        Ok(Bounded::new(stream, file, self.metrics.connection()))
    }

    /// The first of the addresses that answers, an address of the other family soon after the first.
    async fn connect(
        &self,
        uri: Uri,
        addresses: Vec<SocketAddr>,
    ) -> Result<TokioIo<TcpStream>, Error> {
        let mut tcp = HttpConnector::new_with_resolver(Vetted(addresses));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(self.patience));
        match timeout(self.patience, tcp.call(uri)).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(NotConnected::TooSlow(self.patience).into()),
        }
    }

    async fn encrypt(
        &self,
        name: ServerName<'static>,
        tcp: TokioIo<TcpStream>,
        left: Duration,
    ) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, NotConnected> {
        let handshake = TlsConnector::from(self.tls.clone()).connect(name, TokioIo::new(tcp));
        match timeout(left, handshake).await {
            Ok(Ok(stream)) => Ok(stream.into()),
            Ok(Err(error)) => Err(Tls::new(error).into()),
            Err(_) => Err(NotConnected::TlsTooSlow(self.patience)),
        }
    }
}

/// Answers every name with the addresses that were vetted for it.
#[derive(Debug, Clone)]
struct Vetted(Vec<SocketAddr>);

impl Service<Name> for Vetted {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(std::mem::take(&mut self.0).into_iter()))
    }
}

/// A connection that gives way to others while much comes in, and breaks when too much does.
pub(crate) struct Bounded<S> {
    stream: S,
    /// Bytes since this was waited for, and since the last request.
    turn: usize,
    answer: usize,
    /// Others may have it once this is closed.
    _file: OwnedSemaphorePermit,
    _counted: Counted,
}

impl<S> Bounded<S> {
    fn new(stream: S, file: OwnedSemaphorePermit, counted: Counted) -> Self {
        Self { stream, turn: 0, answer: 0, _file: file, _counted: counted }
    }
}

impl<S: Read + Unpin> Read for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answer > ANSWER_MAX {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        if self.turn > TURN_MAX {
            self.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Read into a part of its own, since a cursor does not say how far it went.
        let mut part = [MaybeUninit::uninit(); READ_MAX];
        let room = buffer.remaining().min(READ_MAX);
        let mut part = ReadBuf::uninit(&mut part[..room]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, part.unfilled());
        if polled.is_pending() {
            self.turn = 0;
        }
        ready!(polled)?;
        let read = part.filled();
        self.turn += read.len();
        self.answer += read.len();
        buffer.put_slice(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Only a request is written: what is read from here on is another answer.
        self.answer = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answer = 0;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Connection> Connection for Bounded<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use prometheus_client::registry::Registry;
    use tokio::net::TcpListener;

    async fn until_left(wire: &Wire, files: usize) {
        while wire.files.available_permits() != files {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn connections_are_as_many_as_may_be_and_one_that_is_closed_makes_room() {
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}/", silent.local_addr().expect("it listens"));
        let allow = vec!["127.0.0.0/8".parse().expect("a network")];
        let policy = Policy { allow, http: true, own: Vec::new() };
        let settings = Settings { connections: 3, ..Settings::default() };
        let metrics = Metrics::register(&mut Registry::default());
        let wire = wire(&Arc::new(policy), &settings, &metrics).expect("a client");
        let ask = || {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = url.parse().expect("a URL");
            tokio::spawn(wire.request(request))
        };
        let first = ask();
        until_left(&wire, 2).await;
        let _second = ask();
        until_left(&wire, 1).await;
        let error = ask().await.expect("no panic").expect_err("there is no file");
        assert!(format!("{error:?}").contains("NoFile"), "{error:?}");
        first.abort();
        until_left(&wire, 2).await;
        let _third = ask();
        until_left(&wire, 1).await;
    }

    #[test]
    fn only_what_the_system_says_of_files_is_a_want_of_them() {
        let is_short = |errno: Errno| is_out_of_files(&errno.into());
        assert!(is_short(Errno::MFILE) && is_short(Errno::NFILE));
        assert!(!is_short(Errno::CONNREFUSED) && !is_short(Errno::NOENT));
    }
}
