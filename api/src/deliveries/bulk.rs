//! Retrying and cancelling many deliveries by what they have in common. A call does so many and says
//! where the next goes on, so that none takes long and one that breaks off is taken up again.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::post;
use actix_web::web::{Data, Json};
use futures_util::StreamExt as _;
use futures_util::stream;
use model::delivery::Status;
use model::id::{DeliveryId, WebhookId};
use model::key::Verb;
use model::webhook::WebhookStatus;
use serde::Serialize;
use store::world::Stopwatch;
use store::{Delivery, DeliveryFilter};
use utoipa::ToSchema;

use super::search::{Found, Narrow, search};
use super::{cursor_key, delivery_id, filter};
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;
use crate::query::Query;

/// Deliveries of one call.
const DONE_MAX: usize = 1_000;
/// Of those, how many at once: the store does them in few transactions.
const AT_ONCE: usize = 32;
/// A count ends here, or when it took so long.
const COUNTED_MAX: u64 = 100_000;
const COUNT_TIME: Duration = Duration::from_secs(3);

/// Which deliveries: the filters of their list. At least one is needed.
#[derive(ToSchema)]
#[schema(example = json!({ "status": ["failed"], "event_type": "order.paid", "dry_run": true }))]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    #[schema(value_type = Option<Vec<StatusWord>>)]
    status: Option<Vec<String>>,
    #[schema(pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$")]
    webhook_id: Option<String>,
    /// `evt_…`, or the id its publisher chose (then with `tenant`).
    event_id: Option<String>,
    event_type: Option<String>,
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// Of events accepted at or after this time.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Of events accepted before this time.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// What came of the last attempt: a status, `5xx`, the word of an error, or `error` for any.
    #[schema(
        pattern = "^([1-9][0-9]{2}|[1-5]xx|error|dns|dns_timeout|connect|connect_timeout|tls|timeout|connection|protocol|forbidden|target_forbidden|signing)$"
    )]
    answer: Option<String>,
    #[schema(maximum = 4_294_967_295u64)]
    min_attempts: Option<u32>,
    /// Of the last attempt.
    #[schema(maximum = 4_294_967_295u64)]
    min_duration_ms: Option<u32>,
    /// Only counts them.
    dry_run: Option<bool>,
    /// `next_cursor` of the call before.
    cursor: Option<String>,
}

/// How a delivery stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "documents what is read as a text")]
enum StatusWord {
    Pending,
    Retrying,
    Delivered,
    Failed,
    Cancelled,
}

impl FromFields for BulkBody {
    const FIELDS: &'static [&'static str] = &[
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
        "dry_run",
        "cursor",
    ];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            status: fields.optional("status")?,
            webhook_id: fields.optional("webhook_id")?,
            event_id: fields.optional("event_id")?,
            event_type: fields.optional("event_type")?,
            tenant: fields.optional("tenant")?,
            since: fields.optional("since")?,
            until: fields.optional("until")?,
            answer: fields.optional("answer")?,
            min_attempts: fields.optional("min_attempts")?,
            min_duration_ms: fields.optional("min_duration_ms")?,
            dry_run: fields.optional("dry_run")?,
            cursor: fields.optional("cursor")?,
        })
    }
}

impl BulkBody {
    /// As the list would be asked for.
    fn query(self) -> Result<Query, ApiError> {
        let number = |n: Option<u32>| n.map(|n| n.to_string());
        let status = self.status.filter(|status| !status.is_empty());
        let filters = [
            ("status", status.map(|status| status.join(","))),
            ("webhook_id", self.webhook_id),
            ("event_id", self.event_id),
            ("event_type", self.event_type),
            ("tenant", self.tenant),
            ("since", self.since),
            ("until", self.until),
            ("answer", self.answer),
            ("min_attempts", number(self.min_attempts)),
            ("min_duration_ms", number(self.min_duration_ms)),
        ];
        if filters.iter().all(|(_, value)| value.is_none()) {
            let detail = "say which deliveries are meant: at least one of status, webhook_id, event_id, \
                          event_type, tenant, since, until, answer, min_attempts, min_duration_ms";
            return Err(ApiError::new("filter_required", detail));
        }
        let given = filters.into_iter().chain([("cursor", self.cursor)]);
        Ok(Query::of(given.filter_map(|(name, value)| Some((name, value?)))))
    }
}

/// What came of a call.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BulkAnswer {
    Counted(Counted),
    Done(Done),
}

/// Of a dry run.
#[derive(Serialize, ToSchema)]
pub struct Counted {
    /// How many it would be, counted up to 100,000.
    matched: u64,
    /// Whether there are more, or counting took too long.
    capped: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Done {
    done: u64,
    /// Those that could not be: delivered or ended already, or their webhook is disabled or deleted.
    skipped: u64,
    /// Where the next call goes on; null after the last.
    next_cursor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Retry,
    Cancel,
}

/// Retry many deliveries
///
/// Each is sent at once, as by its own retry. Those that were delivered, and those whose webhook is
/// disabled or deleted, are skipped. A call does up to 1,000, newest first: call again with `cursor` until
/// `next_cursor` is null. With `dry_run` nothing is done but counting.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("manage"))),
    request_body = BulkBody,
    responses((status = 200, body = BulkAnswer))
)]
#[post("/v1/deliveries/retry")]
pub async fn retry_deliveries(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<BulkAnswer>, ApiError> {
    act(&app, &caller, body, Act::Retry).await.map(Json)
}

/// Cancel many deliveries
///
/// Each is not sent again, as by its own cancel. Those that have ended are skipped. A call does up to
/// 1,000, newest first: call again with `cursor` until `next_cursor` is null. With `dry_run` nothing is
/// done but counting.
#[utoipa::path(
    tag = "deliveries",
    extensions(("x-verb" = json!("manage"))),
    request_body = BulkBody,
    responses((status = 200, body = BulkAnswer))
)]
#[post("/v1/deliveries/cancel")]
pub async fn cancel_deliveries(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<BulkAnswer>, ApiError> {
    act(&app, &caller, body, Act::Cancel).await.map(Json)
}

async fn act(app: &App, caller: &Caller, body: Body, act: Act) -> Result<BulkAnswer, ApiError> {
    caller.may(Verb::Manage)?;
    let body: BulkBody = body.read()?;
    let dry_run = body.dry_run.unwrap_or_default();
    let query = body.query()?;
    let (after, list) = query.cursor::<32>("deliveries", caller.own_tenant())?;
    let narrow = Narrow::of(&query)?;
    let Some(mut filter) = filter(app, caller, Verb::Manage, &query).await? else {
        return Ok(if dry_run { counted(0, false) } else { done(0, 0, None) });
    };
    let may_be: &[Status] = match act {
        Act::Retry => &[Status::Pending, Status::Retrying, Status::Failed, Status::Cancelled],
        Act::Cancel => &[Status::Pending, Status::Retrying],
    };
    if filter.statuses.is_empty() {
        filter.statuses = may_be.to_vec();
    }
    let after = after.map(delivery_id);
    if dry_run {
        return count(app, &filter, &narrow, after, (act, may_be)).await;
    }
    let Found { deliveries, next, .. } = search(app, &filter, &narrow, after, DONE_MAX).await?;
    let all = deliveries.len();
    let acts =
        able(app, deliveries, act).await?.into_iter().map(|delivery| one(app, delivery, act));
    let mut acts = stream::iter(acts).buffer_unordered(AT_ONCE);
    let mut changed = Vec::new();
    while let Some(acted) = acts.next().await {
        changed.extend(acted?);
    }
    let count = changed.len() as u64;
    app.notice(&changed).await;
    let next = next.map(|id| list.cursor(&cursor_key(id)));
    Ok(done(count, all as u64 - count, next))
}

/// Those whose webhook may be sent to, if that is asked.
async fn able(app: &App, deliveries: Vec<Delivery>, act: Act) -> Result<Vec<Delivery>, ApiError> {
    match act {
        Act::Retry => of_live_webhooks(app, deliveries).await,
        Act::Cancel => Ok(deliveries),
    }
}

/// The delivery as it stood before, if it was done.
async fn one(app: &App, delivery: Delivery, act: Act) -> Result<Option<Delivery>, ApiError> {
    let now = app.clock.now();
    let before = match act {
        Act::Retry => app.store.retry(delivery.id, now).await?,
        Act::Cancel => app.store.cancel(delivery.id, now).await?,
    };
    let Some(before) = before else { return Ok(None) };
    match act {
        Act::Retry if before.status == Status::Delivered => return Ok(None),
        Act::Retry => app.push_delivery(&before).await,
        Act::Cancel if before.status.is_finished() => return Ok(None),
        Act::Cancel => app.count_cancelled(&before),
    }
    Ok(Some(before))
}

/// A retry for a webhook that sends nothing would end at once as it did before.
async fn of_live_webhooks(app: &App, deliveries: Vec<Delivery>) -> Result<Vec<Delivery>, ApiError> {
    let mut ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.webhook).collect();
    ids.sort_unstable();
    ids.dedup();
    let webhooks = app.store.webhooks(&ids).await?;
    let statuses: HashMap<WebhookId, WebhookStatus> =
        webhooks.into_iter().map(|webhook| (webhook.id, webhook.status)).collect();
    let is_live = |delivery: &Delivery| {
        let status = statuses.get(&delivery.id.webhook);
        matches!(status, Some(WebhookStatus::Active | WebhookStatus::Paused))
    };
    Ok(deliveries.into_iter().filter(is_live).collect())
}

async fn count(
    app: &App,
    filter: &DeliveryFilter,
    narrow: &Narrow,
    mut after: Option<DeliveryId>,
    (act, may_be): (Act, &[Status]),
) -> Result<BulkAnswer, ApiError> {
    let (watch, mut matched) = (Stopwatch::start(), 0);
    loop {
        let mut found = search(app, filter, narrow, after, DONE_MAX).await?;
        found.deliveries.retain(|delivery| may_be.contains(&delivery.status));
        matched += able(app, found.deliveries, act).await?.len() as u64;
        after = found.next;
        if after.is_none() {
            return Ok(counted(matched, false));
        }
        if matched >= COUNTED_MAX || watch.elapsed() >= COUNT_TIME {
            return Ok(counted(matched.min(COUNTED_MAX), true));
        }
    }
}

fn counted(matched: u64, capped: bool) -> BulkAnswer {
    BulkAnswer::Counted(Counted { matched, capped })
}

fn done(done: u64, skipped: u64, next_cursor: Option<String>) -> BulkAnswer {
    BulkAnswer::Done(Done { done, skipped, next_cursor })
}
