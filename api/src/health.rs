//! How it is: alive, ready, and in numbers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get};
use model::key::Verb;
use model::webhook::{Webhook, WebhookStatus};
use prometheus_client::encoding::text::encode;
use serde::Serialize;
use store::{Look, WebhookFilter};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::problem::ApiError;
use crate::system::timed;
use crate::{App, Door};

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How far the machine's clock may be from the queue's, by which everything is due and signed: the
/// times of acceptance that this process writes are off by as much, and with them ages.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// How many webhooks are counted by status, and how many are read at once.
const COUNTED_MAX: usize = 20_000;
const COUNTED_PAGE: u32 = 1_000;

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
/// In the text format of OpenMetrics, as Prometheus reads it. Needs a key of the role viewer or
/// admin.
#[utoipa::path(
    tag = "health",
    extensions(("x-verb" = json!("operate"))),
    responses((status = 200, description = "OpenMetrics", body = String,
               content_type = "application/openmetrics-text"))
)]
#[get("/metrics")]
pub async fn get_metrics(app: Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Operate)?;
    let state = State::of(&app).await;
    if let Some(look) = &state.look {
        app.metrics.look(look);
    }
    for (what, check) in state.checks() {
        app.metrics.check(what, check.status == "ok");
    }
    count_webhooks(&app).await?;
    let mut text = String::new();
    encode(&mut text, &app.registry).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}

async fn count_webhooks(app: &App) -> Result<(), ApiError> {
    let mut counts = WebhookStatus::ALL.map(|status| (status, 0));
    let (mut after, mut read) = (None, 0);
    while read < COUNTED_MAX {
        let filter = WebhookFilter::default();
        let page = app.store.list_webhooks(filter, after, COUNTED_PAGE).await?;
        for (status, count) in &mut counts {
            *count += page.iter().filter(|webhook: &&Webhook| webhook.status == *status).count();
        }
        read += page.len();
        after = page.last().map(|webhook| webhook.id);
        if page.len() < COUNTED_PAGE as usize {
            break;
        }
    }
    for (status, count) in counts {
        app.metrics.webhooks(status.as_str(), count);
    }
    Ok(())
}
