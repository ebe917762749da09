//! The door in: publish, register, look. One actix-web server with the whole HTTP API.
//!
//! A handler reads: authenticate (`auth`), authorize, parse (`body`, `json`, `query`, `page`), act,
//! respond. Whatever goes wrong becomes a [`ApiError`] and leaves as a problem with a stable code
//! (`problem`). `observe` is around all of it; `document` says what there is.

pub mod problem;

mod auth;
mod body;
mod json;
mod page;
mod query;

pub mod events;
pub mod webhooks;

pub mod deliveries;

pub mod stats;
pub mod system;

pub mod stream;

pub mod dev;
pub mod health;
pub mod keys;
pub mod log;
pub mod session;

pub mod metrics;
mod exposition;

mod dashboard;

mod document;
mod lanes;
mod observe;
mod wire;

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _};
use actix_service::{fn_service, map_config};
use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PathConfig};
use model::egress;
use model::secret::MasterKeys;
use model::time::Timestamp;
use prometheus_client::registry::Registry;
use store::world::Clock;
use store::{Queue, Store, Tally};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_actix_web::AppExt as _;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::document::Document;
pub use crate::document::pretty as openapi;
pub use crate::log::{Level, LogLevel};
pub use crate::metrics::Metrics;
pub use crate::problem::ApiError;
pub use crate::session::dashboard_path;
pub use crate::system::Setting;
use crate::wire::Wire;

/// How long a client may take to send a request's head, and again for its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle between requests: longer than load balancers keep theirs, so
/// that it is they who close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection that is closed may take to hear it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections at once, over all workers; beyond it new ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 32_768;
/// How long requests in flight may take once the server is told to stop.
const SHUTDOWN_S: u64 = 20;

/// How much a request may carry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The body of any request but a batch, and the data of each event of a batch.
    pub body_bytes: usize,
    pub batch_bytes: usize,
    pub batch_events: usize,
    /// Clients of `/v1/stream` at once.
    pub streams: usize,
    /// How long events are kept.
    pub retention: Duration,
}

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Everything,
    /// How it is, for a process that only delivers; it is ready only with its queue.
    Operations,
}

/// What the API stands on.
pub struct Parts {
    pub door: Door,
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub clock: Clock,
    pub master_keys: Arc<MasterKeys>,
    pub egress: Arc<egress::Policy>,
    pub limits: Limits,
    /// Whether it stands on servers that others share.
    pub distributed: bool,
    /// Whether `/dev/*` is there: inboxes and a clock that can be stepped, without a key.
    pub dev: bool,
    /// To be shown.
    pub settings: Vec<Setting>,
    /// Everything that `/metrics` shows.
    pub registry: Arc<Registry>,
    pub metrics: Metrics,
    pub log: Arc<dyn LogLevel>,
    /// For statistics.
    pub tally: Arc<Tally>,
    /// Cancelled once the process is to stop: `/readyz` says so from then on.
    pub draining: CancellationToken,
}

/// The API's state, one for all its threads.
pub struct App {
    pub door: Door,
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub clock: Clock,
    pub master_keys: Arc<MasterKeys>,
    pub egress: Arc<egress::Policy>,
    pub limits: Limits,
    pub distributed: bool,
    pub dev: bool,
    pub settings: Vec<Setting>,
    pub started_at: Timestamp,
    pub registry: Arc<Registry>,
    pub metrics: Metrics,
    pub log: Arc<dyn LogLevel>,
    pub tally: Arc<Tally>,
    pub draining: CancellationToken,
    /// The store had no room for the last event.
    full: AtomicBool,
    /// Requests whose handlers are at work.
    handling: AtomicUsize,
    streams: Arc<stream::Streams>,
    /// Pushes to a queue that takes its time.
    pushing: TaskTracker,
    auth: auth::Cache,
    inboxes: dev::Inboxes,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        let Parts { door, store, queue, clock, master_keys, egress, limits, dev, .. } = parts;
        let Parts { registry, metrics, log, tally, draining, distributed, settings, .. } = parts;
        let started_at = clock.now();
        let streams = stream::Streams::new(&store, limits.streams, &metrics, &draining);
        Self {
            door,
            store,
            queue,
            clock,
            master_keys,
            egress,
            limits,
            distributed,
            dev,
            settings,
            started_at,
            registry,
            metrics,
            log,
            tally,
            draining,
            full: AtomicBool::new(false),
            handling: AtomicUsize::new(0),
            streams,
            pushing: TaskTracker::new(),
            auth: auth::Cache::default(),
            inboxes: dev::Inboxes::default(),
        }
    }
}

/// The server, ready to be awaited, with at most so many connections at once. It handles no signals: its
/// handle stops it.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(
    app: Arc<App>,
    listener: TcpListener,
    workers: usize,
    connections: usize,
) -> io::Result<Server> {
    let workers = workers.max(1);
    let document = Arc::new(Document::new(app.door, app.dev));
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections((connections / workers).max(1))
        .shutdown_timeout(SHUTDOWN_S)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    // What actix_web::HttpServer does, but over our connections.
    let server = builder.listen("api", listener, move || {
        let stopping = stopping.clone();
        let handlers = handlers(Arc::clone(&app), Arc::clone(&document)).into_factory();
        let handlers = handlers.map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|wire: &Wire<TcpStream>, data: &mut Extensions| {
                data.insert(wire.turn());
            })
            .h1(map_config(handlers, |()| AppConfig::default()));
        let connect = |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            ready(Ok::<_, DispatchError>((Wire::new(stream), peer)))
        };
        fn_service(connect).and_then(http)
    })?;
    Ok(server.run())
}

fn handlers(
    app: Arc<App>,
    document: Arc<Document>,
) -> actix_web::App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let (door, dev) = (app.door, app.dev);
    actix_web::App::new()
        .app_data(Data::from(app))
        .app_data(Data::from(document))
        .app_data(PathConfig::default().error_handler(|_, _| ApiError::not_found().into()))
        .wrap(from_fn(observe::observe))
        .into_utoipa_app()
        .configure(|config| routes(config, door, dev))
        .into_app()
        .default_service(web::to(no_route))
}

/// Every route there is. The busiest are first, because they are tried in this order.
fn routes(config: &mut ServiceConfig, door: Door, dev: bool) {
    if door == Door::Everything {
        everything(config);
    }
    config
        .service(health::get_health)
        .service(health::get_readiness)
        .service(health::get_metrics)
        .service(log::get_log)
        .service(log::put_log)
        .service(problem::list_errors)
        .service(problem::get_error)
        .service(document::get_document);
    if dev {
        dev::routes(config);
    }
}

fn everything(config: &mut ServiceConfig) {
    config
        .service(events::publish_event)
        .service(events::publish_batch)
        .service(events::matching::preview_event)
        .service(events::list_events)
        .service(events::get_event)
        .service(webhooks::register_webhook)
        // No webhook's id is this word: other methods are not for the patterns below.
        .route("/v1/webhooks/register", web::route().to(no_route))
        .service(webhooks::list_webhooks)
        .service(webhooks::get_webhook)
        .service(webhooks::patch_webhook)
        .service(webhooks::delete_webhook)
        .service(webhooks::pause_webhook)
        .service(webhooks::resume_webhook)
        .service(webhooks::get_secret)
        .service(webhooks::rotate_secret)
        .service(webhooks::test_webhook)
        .service(deliveries::list_deliveries)
        .service(deliveries::bulk::retry_deliveries)
        .service(deliveries::bulk::cancel_deliveries)
        // No delivery's id is one of these words.
        .route("/v1/deliveries/retry", web::route().to(no_route))
        .route("/v1/deliveries/cancel", web::route().to(no_route))
        .service(deliveries::get_delivery)
        .service(deliveries::request::get_request)
        .service(deliveries::retry_delivery)
        .service(deliveries::cancel_delivery)
        .service(stream::follow_stream)
        .service(stats::get_stats)
        .service(stats::list_webhook_stats)
        .service(stats::get_overview)
        .service(system::list_workers)
        .service(system::get_system)
        .service(system::list_settings)
        .service(keys::create_key)
        .service(keys::list_keys)
        .service(keys::delete_key)
        .configure(session::routes)
        .configure(dashboard::routes);
}

/// Whatever no route took: 405 if the path is one of ours, else 404.
async fn no_route(
    request: HttpRequest,
    document: Data<Document>,
) -> Result<&'static str, ApiError> {
    let allowed = document.methods_of(request.path());
    if allowed.is_empty() { Err(ApiError::unknown_path()) } else { Err(ApiError::method(&allowed)) }
}
