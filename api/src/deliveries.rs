//! Deliveries: what became of each event at each webhook, and trying again by hand.

pub mod bulk;
pub mod request;
mod search;
mod view;

use std::collections::HashMap;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use model::delivery::{EndedBy, Status};
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::key::Verb;
use model::tenant::Tenant;
use model::webhook::{Webhook, WebhookStatus};
use store::{Delivery, DeliveryFilter, Lane};

use self::search::{Narrow, search};
pub use self::view::DeliveryView;
use self::view::{DeliveryDetail, DeliveryPage, DeliveryQuery, Waits, waiting_for};
use crate::App;
use crate::auth::Caller;
use crate::problem::{ApiError, Problem};
use crate::query::{Params, Query};

/// The most attempts that are shown of a delivery.
const ATTEMPTS_SHOWN_MAX: u32 = 200;

/// List deliveries
///
/// Newest first. What no index has, such as `answer`, `min_attempts`, `min_duration_ms` or two filters at once,
/// is looked for in what the other filters leave: then a page may be short or empty and go on all the same,
/// and `looked_until` says how far it came.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("look"))),
    params(DeliveryQuery),
    responses((status = 200, body = DeliveryPage))
)]
#[get("/v1/deliveries")]
pub async fn list_deliveries(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<DeliveryPage>, ApiError> {
    caller.may(Verb::Look)?;
    let query = params.read(&[
        "status",
        "webhook_id",
        "event_id",
        "event_type",
        "tenant",
        "since",
        "until",
        "answer",
        "min_attempts",
        "min_duration_ms",
        "limit",
        "cursor",
    ])?;
    let limit = query.limit()?;
    let (after, list) = query.cursor::<32>("deliveries", caller.own_tenant())?;
    let after = after.map(delivery_id);
    let narrow = Narrow::of(&query)?;
    let Some(filter) = filter(&app, &caller, Verb::Look, &query).await? else {
        return Ok(Json(DeliveryPage::default()));
    };
    let found = search(&app, &filter, &narrow, after, limit as usize).await?;
    Ok(Json(DeliveryPage {
        data: views(&app, found.deliveries).await?,
        next_cursor: found.next.map(|id| list.cursor(&cursor_key(id))),
        looked_until: found.looked_until.map(|at| at.to_string()),
    }))
}

/// Get a delivery
///
/// With its attempts, first to last.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("look"))),
    params(("id" = String, Path, pattern = "^dlv_[0-9a-hjkmnp-tv-z]{51}[0g]$", description = "`dlv_…`")),
    responses((status = 200, body = DeliveryDetail))
)]
#[get("/v1/deliveries/{id}")]
pub async fn get_delivery(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<DeliveryDetail>, ApiError> {
    // First whether it may be seen at all, then as it stands together with its attempts.
    let found = find(&app, &caller, Verb::Look, &id).await?;
    let history = app.store.history(found.id, ATTEMPTS_SHOWN_MAX).await?;
    let (delivery, attempts) = history.unwrap_or_else(|| (found, Vec::new()));
    let opened_at = delivery.opened_at;
    Ok(Json(DeliveryDetail::new(one(&app, delivery).await?, opened_at, attempts)))
}

/// Retry a delivery
///
/// It is sent at once. One that waits keeps its planned attempts; one that failed or was cancelled
/// begins its plan anew.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^dlv_[0-9a-hjkmnp-tv-z]{51}[0g]$", description = "`dlv_…`")),
    responses(
        (status = 202, description = "It will be sent at once", body = DeliveryView),
        (status = 409, description = "It was delivered, or its webhook is disabled or deleted",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/v1/deliveries/{id}/retry")]
pub async fn retry_delivery(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let delivery = find(&app, &caller, Verb::Manage, &id).await?;
    check_webhook_takes_it(&app, &delivery).await?;
    let before = app.store.retry(delivery.id, app.clock.now()).await?;
    let before = before.ok_or_else(ApiError::not_found)?;
    if before.status == Status::Delivered {
        return Err(ApiError::new("already_delivered", "this delivery was delivered"));
    }
    app.push_delivery(&before).await;
    app.notice(std::slice::from_ref(&before)).await;
    let delivery = app.store.delivery(delivery.id).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Accepted().json(one(&app, delivery).await?))
}

/// Cancel a delivery
///
/// It is not sent again. A request that is on the wire at this moment may still arrive, and if it
/// succeeds the delivery is delivered.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^dlv_[0-9a-hjkmnp-tv-z]{51}[0g]$", description = "`dlv_…`")),
    responses(
        (status = 200, body = DeliveryView),
        (status = 409, description = "It has ended", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/v1/deliveries/{id}/cancel")]
pub async fn cancel_delivery(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
) -> Result<Json<DeliveryView>, ApiError> {
    let delivery = find(&app, &caller, Verb::Manage, &id).await?;
    let before = app.store.cancel(delivery.id, app.clock.now()).await?;
    let before = before.ok_or_else(ApiError::not_found)?;
    if before.status.is_finished() {
        let detail = format!("this delivery has ended: it is {}", before.status.as_str());
        return Err(ApiError::new("already_finished", detail));
    }
    app.count_cancelled(&before);
    app.notice(std::slice::from_ref(&before)).await;
    let delivery = app.store.delivery(delivery.id).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(one(&app, delivery).await?))
}

impl App {
    fn count_cancelled(&self, delivery: &Delivery) {
        let (now, webhook) = (self.clock.now(), delivery.id.webhook);
        let (tenant, event_type) = (Some(&delivery.tenant), Some(&delivery.event_type));
        self.tally.ended(now, tenant, webhook, event_type, EndedBy::Cancelled);
    }
}

/// The delivery that `id` names, if this caller may do that to it.
async fn find(app: &App, caller: &Caller, verb: Verb, id: &str) -> Result<Delivery, ApiError> {
    caller.may(verb)?;
    let id = DeliveryId::parse(id).ok_or_else(ApiError::not_found)?;
    let delivery = app.store.delivery(id).await?.ok_or_else(ApiError::not_found)?;
    caller.may_on(verb, &delivery.tenant)?;
    Ok(delivery)
}

/// A retry for a webhook that sends nothing would end at once as it did before.
async fn check_webhook_takes_it(app: &App, delivery: &Delivery) -> Result<(), ApiError> {
    let webhook = app.store.webhooks(&[delivery.id.webhook]).await?.pop();
    match webhook.map(|webhook| webhook.status) {
        Some(WebhookStatus::Active | WebhookStatus::Paused) => Ok(()),
        Some(WebhookStatus::Disabled) => {
            let detail = "the delivery's webhook is disabled; resume it first";
            Err(ApiError::new("webhook_disabled", detail))
        }
        None => Err(ApiError::new("webhook_deleted", "the delivery's webhook was deleted")),
    }
}

async fn one(app: &App, delivery: Delivery) -> Result<DeliveryView, ApiError> {
    let view = views(app, vec![delivery]).await?.pop();
    view.ok_or_else(|| ApiError::internal("a delivery was not shown"))
}

/// Deliveries as they are shown: with where they go, and what those that are not finished wait for.
pub async fn views(app: &App, deliveries: Vec<Delivery>) -> Result<Vec<DeliveryView>, ApiError> {
    let mut ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.webhook).collect();
    ids.sort_unstable();
    ids.dedup();
    let webhooks = app.store.webhooks(&ids).await?;
    let webhooks: HashMap<_, _> = webhooks.into_iter().map(|w| (w.id, w)).collect();
    let unfinished = deliveries.iter().filter(|delivery| !delivery.status.is_finished());
    let mut lanes: Vec<Lane> =
        unfinished.map(|d| Lane::deliver(d.tenant.clone(), d.id.webhook)).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let look = if lanes.is_empty() { None } else { app.look(&lanes).await };
    let now = look.as_ref().map_or_else(|| app.clock.now(), |look| look.now);
    let view = |delivery: Delivery| {
        let lane = Lane::deliver(delivery.tenant.clone(), delivery.id.webhook);
        let at = lanes.binary_search(&lane).ok();
        let webhook = webhooks.get(&delivery.id.webhook);
        let waits = Waits {
            paused: webhook.is_some_and(is_paused),
            lane: look.as_ref().zip(at).and_then(|(look, at)| look.lanes.get(at)).copied(),
            now,
        };
        DeliveryView::new(&delivery, webhook, waiting_for(&delivery, &waits))
    };
    Ok(deliveries.into_iter().map(view).collect())
}

fn is_paused(webhook: &Webhook) -> bool {
    webhook.status == WebhookStatus::Paused
}

/// What a list is narrowed to; none if nothing can be in it.
async fn filter(
    app: &App,
    caller: &Caller,
    verb: Verb,
    query: &Query,
) -> Result<Option<DeliveryFilter>, ApiError> {
    let tenant = caller.list_tenant(verb, query.tenant()?)?;
    let expected = "a webhook's id, wh_…";
    let statuses = "any of pending, retrying, delivered, failed, cancelled, separated by commas";
    let mut filter = DeliveryFilter {
        statuses: query.parsed("status", statuses, parse_statuses)?.unwrap_or_default(),
        webhook: query.parsed("webhook_id", expected, WebhookId::parse)?,
        event: None,
        event_type: query.get("event_type").map(str::to_owned),
        since: query.timestamp("since")?,
        until: query.timestamp("until")?,
        tenant,
    };
    if let Some(id) = query.get("event_id") {
        filter.event = event_uid(app, filter.tenant.as_ref(), id).await?;
        if filter.event.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(filter))
}

pub fn parse_statuses(text: &str) -> Option<Vec<Status>> {
    text.split(',').map(|status| Status::parse(status.trim())).collect()
}

async fn event_uid(
    app: &App,
    tenant: Option<&Tenant>,
    id: &str,
) -> Result<Option<EventUid>, ApiError> {
    if let Some(uid) = EventUid::parse(id) {
        return Ok(Some(uid));
    }
    let tenant = tenant.cloned().unwrap_or_default();
    Ok(app.store.event(&tenant, id).await?.map(|event| event.uid))
}

fn cursor_key(id: DeliveryId) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(id.event.0.as_bytes());
    key[16..].copy_from_slice(id.webhook.0.as_bytes());
    key
}

fn delivery_id(key: [u8; 32]) -> DeliveryId {
    let (mut event, mut webhook) = ([0; 16], [0; 16]);
    event.copy_from_slice(&key[..16]);
    webhook.copy_from_slice(&key[16..]);
    DeliveryId { event: EventUid(Uid(event)), webhook: WebhookId(Uid(webhook)) }
}
