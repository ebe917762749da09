//! How it is: alive, ready, and in numbers.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get};
use model::key::Verb;
use model::webhook::{Webhook, WebhookStatus};
use prometheus_client::encoding::text::encode;
use serde::Serialize;
use store::WebhookFilter;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::problem::ApiError;
use crate::{App, Door};

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
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
    /// `ok`, or what is the matter: `unavailable`, `draining`.
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
/// 503 while it cannot accept events. With the queue unreachable it goes on accepting, and says
/// `degraded`. Needs no key.
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
    let store = check("store", app.store.check()).await;
    let queue = check("queue", app.queue.look(&[])).await;
    let draining = app.draining.is_cancelled();
    // Events are accepted without the queue; nothing is delivered without it.
    let able = store && (queue || app.door == Door::Everything);
    let status = match (able && !draining, queue) {
        (false, _) => "unavailable",
        (true, false) => "degraded",
        (true, true) => "ok",
    };
    let said = |ok, otherwise| Check { status: if ok { "ok" } else { otherwise } };
    let checks = BTreeMap::from([
        ("store", said(store, "unavailable")),
        ("queue", said(queue, "unavailable")),
        ("process", said(!draining, "draining")),
    ]);
    let readiness = Readiness { status, checks };
    if status == "unavailable" {
        HttpResponse::ServiceUnavailable().json(readiness)
    } else {
        HttpResponse::Ok().json(readiness)
    }
}

async fn check<T, E: std::fmt::Display>(
    what: &'static str,
    checked: impl Future<Output = Result<T, E>>,
) -> bool {
    match timeout(CHECK_TIMEOUT, checked).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::warn!(check = what, error = %error, "a readiness check failed");
            false
        }
        Err(_) => {
            tracing::warn!(check = what, "a readiness check took too long");
            false
        }
    }
}

/// Metrics
///
/// In the text format of OpenMetrics, as Prometheus reads it. Needs a key of the role viewer or
/// admin.
#[utoipa::path(
    tag = "health",
    responses((status = 200, description = "OpenMetrics", body = String,
               content_type = "application/openmetrics-text"))
)]
#[get("/metrics")]
pub async fn get_metrics(app: Data<App>, caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Operate)?;
    if let Some(look) = app.look(&[]).await {
        app.metrics.look(&look);
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
