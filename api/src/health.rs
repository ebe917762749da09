//! How it is: alive, ready, and in numbers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse, get};
use model::time::Timestamp;
use serde::Serialize;
use store::{Look, StoreError};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::auth::Watcher;
use crate::problem::ApiError;
use crate::system::timed;
use crate::{App, Door, exposition};

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How far the machine's clock may be from the queue's, by which everything is due and signed: the
/// times of acceptance that this process writes are off by as much, and with them ages.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// How long a worker may say nothing; each says something every ten seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether it can do its work.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ok`, `degraded`, or `unavailable` with 503.
    #[schema(example = "ok")]
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
}

#[derive(Serialize, ToSchema)]
pub struct Check {
    /// `ok`, or what is the matter: `unavailable`, `draining`, `full`, `evicting`, `skewed`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Is the process alive?
///
/// Depends on nothing else. Needs no key.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Health)))]
#[get("/healthz")]
pub async fn get_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Can it do its work?
///
/// 503 while it cannot accept events. It goes on accepting and says `degraded` while the queue is
/// unreachable or may forget what it holds (`eviction`), this machine's clock is more than 5 s from the
/// queue's, or the store has no room. Needs no key.
#[utoipa::path(
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It accepts events", body = Readiness),
        (status = 503, description = "It does not accept events now", body = Readiness),
    )
)]
#[get("/readyz")]
pub async fn get_readiness(app: Data<App>) -> HttpResponse {
    let state = State::of(&app).await;
    let readiness = Readiness { status: state.status(app.door), checks: state.checks() };
    if readiness.status == "unavailable" {
        HttpResponse::ServiceUnavailable().json(readiness)
    } else {
        HttpResponse::Ok().json(readiness)
    }
}

/// What it needs and what it should have.
pub struct State {
    /// How long the store took to answer; none if it did not.
    pub store: Option<Duration>,
    /// None if the queue does not answer.
    pub look: Option<Look>,
    /// How long it took to.
    pub looked: Option<Duration>,
    /// This machine's clock.
    here: Timestamp,
    /// How far the queue's clock is from this machine's, as far as is known.
    pub skew: Duration,
    draining: bool,
    /// The last event found room.
    has_room: bool,
}

impl State {
    pub async fn of(app: &App) -> Self {
        let store = timed(check("store", app.store.check())).await.map(|((), took)| took);
        let look = timed(check("queue", app.queue.look(&[]))).await;
        let (look, looked) = look.unzip();
        let here = app.clock.now();
        let skew = look.as_ref().map(|look| look.now.since(here).max(here.since(look.now)));
        Self {
            store,
            look,
            looked,
            here,
            skew: skew.unwrap_or_default(),
            draining: app.draining.is_cancelled(),
            has_room: !app.full.load(Ordering::Relaxed),
        }
    }

    /// The queue's server keeps what it holds, as far as is known.
    fn keeps(&self) -> bool {
        self.look.as_ref().is_none_or(|look| look.evicts.is_none())
    }

    fn in_time(&self) -> bool {
        self.skew <= SKEW_MAX
    }

    fn status(&self, door: Door) -> &'static str {
        // Events are accepted without the queue; nothing is delivered without it.
        let queue = self.look.is_some();
        let able = self.store.is_some() && (queue || door == Door::Everything) && !self.draining;
        match (able, queue && self.keeps() && self.in_time() && self.has_room) {
            (false, _) => "unavailable",
            (true, false) => "degraded",
            (true, true) => "ok",
        }
    }

    pub fn checks(&self) -> BTreeMap<&'static str, Check> {
        let said = |ok, otherwise| Check { status: if ok { "ok" } else { otherwise } };
        BTreeMap::from([
            ("store", said(self.store.is_some(), "unavailable")),
            ("space", said(self.has_room, "full")),
            ("queue", said(self.look.is_some(), "unavailable")),
            ("eviction", said(self.keeps(), "evicting")),
            ("clock", said(self.in_time(), "skewed")),
            ("process", said(!self.draining, "draining")),
        ])
    }
}

async fn check<T, E: std::fmt::Display>(
    what: &'static str,
    checked: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match timeout(CHECK_TIMEOUT, checked).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(check.name = what, error = %error, "a readiness check failed");
            None
        }
        Err(_) => {
            tracing::warn!(check.name = what, "a readiness check took too long");
            None
        }
    }
}

/// Metrics
///
/// In the text format of OpenMetrics, or in the older one of Prometheus if `Accept` names that alone.
/// Needs a key of the role viewer or admin; while the store does not answer, one that was used within the
/// hour will do.
#[utoipa::path(
    tag = "health",
    extensions(("x-verb" = json!("operate"))),
    responses((status = 200, description = "Every metric", content(
        (String = "application/openmetrics-text"),
        (String = "text/plain"),
    )))
)]
#[get("/metrics")]
pub async fn get_metrics(
    app: Data<App>,
    watcher: Watcher,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    watcher.may_watch()?;
    let state = State::of(&app).await;
    app.metrics.look(state.look.as_ref(), state.here);
    for (what, check) in state.checks() {
        app.metrics.check(what, check.status == "ok");
    }
    app.metrics.requests_under_way(app.handling.load(Ordering::Relaxed));
    let (webhooks, workers) = if state.store.is_some() {
        let totals = check("store", app.store.webhook_totals(None));
        let counts = (totals, check("store", count_workers(&app)));
        (counts.0.await, counts.1.await)
    } else {
        (None, None)
    };
    app.metrics.webhooks(webhooks);
    app.metrics.workers(workers);
    let format = exposition::wanted(&request);
    let text = exposition::exposed(&app.registry, format).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type(format).body(text))
}

/// Those that were heard of lately, and those that were not and did not say that they end.
async fn count_workers(app: &App) -> Result<[(&'static str, usize); 2], StoreError> {
    let workers = app.store.workers().await?;
    let now = app.clock.now();
    let live = workers.iter().filter(|(_, seen)| now.since(*seen) <= SILENCE_MAX).count();
    Ok([("live", live), ("lost", workers.len() - live)])
}
