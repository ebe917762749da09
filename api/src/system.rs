//! How the installation is: who delivers, what it stands on, how it is set.

use std::time::Duration;

use actix_web::get;
use actix_web::web::{Data, Json};
use model::key::Verb;
use model::time::Timestamp;
use serde::Serialize;
use store::WorkerState;
use store::world::Stopwatch;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::health::{self, Check};
use crate::problem::ApiError;

/// A worker that said nothing for so long is lost: it says something every 10 s.
const LOST_AFTER: Duration = Duration::from_secs(35);

/// Every process that delivers.
#[derive(Serialize, ToSchema)]
pub struct WorkerList {
    data: Vec<WorkerView>,
}

/// A process that delivers.
#[derive(Serialize, ToSchema)]
pub struct WorkerView {
    /// Another one at each start.
    id: String,
    /// Of Postrider.
    version: String,
    /// The machine's name.
    host: String,
    /// Of the process, on its machine.
    pid: u32,
    /// Items it may hold from claim to record.
    slots: u32,
    /// Items it held when it was seen last.
    held: u32,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    seen_at: String,
    /// `live`, or `lost`: it was not seen for 35 s. After an hour it is not shown any more.
    #[schema(pattern = "^(live|lost)$")]
    state: &'static str,
}

/// List workers
///
/// Every process that delivers, by when it was started.
#[utoipa::path(
    tag = "operations",
    extensions(("x-verb" = json!("operate"))),
    responses((status = 200, body = WorkerList))
)]
#[get("/v1/workers")]
pub async fn list_workers(app: Data<App>, caller: Caller) -> Result<Json<WorkerList>, ApiError> {
    caller.may(Verb::Operate)?;
    let now = app.clock.now();
    let mut workers = app.store.workers().await?;
    workers.sort_by_key(|(worker, _)| (worker.started_at, worker.id));
    let data = workers.into_iter().map(|(worker, seen)| WorkerView::new(worker, seen, now));
    Ok(Json(WorkerList { data: data.collect() }))
}

impl WorkerView {
    fn new(worker: WorkerState, seen_at: Timestamp, now: Timestamp) -> Self {
        let lost = now.since(seen_at) > LOST_AFTER;
        Self {
            id: worker.id.to_string(),
            version: worker.version,
            host: worker.host,
            pid: worker.pid,
            slots: worker.slots,
            held: worker.held,
            started_at: worker.started_at.to_string(),
            seen_at: seen_at.to_string(),
            state: if lost { "lost" } else { "live" },
        }
    }
}

/// What the installation stands on.
#[derive(Serialize, ToSchema)]
pub struct System {
    #[schema(format = DateTime)]
    now: String,
    /// Of Postrider, in the process that answers.
    version: &'static str,
    /// Of the process that answers.
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(pattern = "^(embedded|distributed)$")]
    mode: &'static str,
    /// Whether it was started with `--dev`.
    dev: bool,
    store: StoreView,
    queue: QueueView,
    /// How far this machine's clock is from the queue's.
    clock_skew_ms: f64,
    /// As `/readyz` shows them.
    checks: std::collections::BTreeMap<&'static str, Check>,
    /// How long events, deliveries and attempts are kept.
    retention_days: u64,
}

#[derive(Serialize, ToSchema)]
pub struct StoreView {
    #[schema(pattern = "^(sqlite|postgresql)$")]
    kind: &'static str,
    ok: bool,
    /// How long it took to answer just now; null if it did not.
    latency_ms: Option<f64>,
    /// Null if it cannot be said.
    size_bytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct QueueView {
    #[schema(pattern = "^(memory|redis)$")]
    kind: &'static str,
    ok: bool,
    /// How long it took to answer just now; null if it did not, like all that follows.
    latency_ms: Option<f64>,
    lanes: Option<u64>,
    /// Items that wait, due or not.
    queued: Option<u64>,
    /// Items that workers hold.
    leased: Option<u64>,
    /// Requests on the wire.
    in_flight: Option<u64>,
    /// How long the item waits that could be served longest.
    oldest_ready_ms: Option<f64>,
    /// By which policy its server may forget what it holds; null if it does not.
    evicts: Option<String>,
}

/// How the installation is
///
/// Its store and its queue, how quickly they answered just now, and what `/readyz` finds.
#[utoipa::path(
    tag = "operations",
    extensions(("x-verb" = json!("operate"))),
    responses((status = 200, body = System))
)]
#[get("/v1/system")]
pub async fn get_system(app: Data<App>, caller: Caller) -> Result<Json<System>, ApiError> {
    caller.may(Verb::Operate)?;
    let (state, size) = tokio::join!(health::State::of(&app), app.store.size_bytes());
    let (mode, kinds) = match app.distributed {
        true => ("distributed", ["postgresql", "redis"]),
        false => ("embedded", ["sqlite", "memory"]),
    };
    let look = state.look.as_ref();
    let total = look.map(|look| look.total);
    let oldest = look.map(|look| look.total.oldest_due.map(|due| ms(look.now.since(due))));
    Ok(Json(System {
        now: app.clock.now().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at.to_string(),
        mode,
        dev: app.dev,
        store: StoreView {
            kind: kinds[0],
            ok: state.store.is_some(),
            latency_ms: state.store.map(ms),
            size_bytes: size.ok().flatten(),
        },
        queue: QueueView {
            kind: kinds[1],
            ok: look.is_some(),
            latency_ms: state.looked.map(ms),
            lanes: total.map(|total| total.lanes as u64),
            queued: total.map(|total| total.queued as u64),
            leased: total.map(|total| total.leased as u64),
            in_flight: total.map(|total| total.in_flight as u64),
            oldest_ready_ms: oldest.map(Option::unwrap_or_default),
            evicts: look.and_then(|look| look.evicts.clone()),
        },
        clock_skew_ms: ms(state.skew),
        checks: state.checks(),
        retention_days: app.limits.retention.as_secs() / (24 * 3_600),
    }))
}

/// A setting of the process that answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Setting {
    #[schema(example = "limits.retention_days")]
    pub key: String,
    /// Null if it is not set; of a secret `***`.
    pub value: serde_json::Value,
    /// `default`, or what set it.
    #[schema(example = "default")]
    pub source: String,
    /// None for secrets.
    pub flag: Option<String>,
    #[schema(example = "POSTRIDER_LIMITS_RETENTION_DAYS")]
    pub env: String,
    pub doc: String,
    pub secret: bool,
}

#[derive(Serialize, ToSchema)]
pub struct SettingList {
    data: Vec<Setting>,
}

/// List settings
///
/// Every setting of the process that answers, and what set it. Secrets are not shown.
#[utoipa::path(
    tag = "operations",
    extensions(("x-verb" = json!("configure"))),
    responses((status = 200, body = SettingList))
)]
#[get("/v1/settings")]
pub async fn list_settings(app: Data<App>, caller: Caller) -> Result<Json<SettingList>, ApiError> {
    caller.may(Verb::Configure)?;
    Ok(Json(SettingList { data: app.settings.clone() }))
}

/// How long `f` took, if it came to something.
pub async fn timed<T>(f: impl Future<Output = Option<T>>) -> Option<(T, Duration)> {
    let watch = Stopwatch::start();
    let done = f.await?;
    Some((done, watch.elapsed()))
}

/// In milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
