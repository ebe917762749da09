//! Statistics: how much of what happened, in time, and what wants a look now. Read from what is counted
//! beside the deliveries, never by counting those.

mod overview;
mod range;
mod view;

use std::collections::HashSet;

use actix_web::get;
use actix_web::web::{Data, Json};
use model::event::EventType;
use model::id::WebhookId;
use model::key::Verb;
use model::stats::Counts;
use model::tenant::Tenant;
use model::time::Timestamp;
use store::{Counted, CountsByType, StatsFilter, Types, WebhookFilter};

pub use self::overview::get_overview;
use self::range::{Of, Range};
use self::view::{
    BucketView, CountsView, StatsQuery, StatsView, TypeView, WebhookStatsList, WebhookStatsQuery,
    WebhookStatsView,
};
use crate::App;
use crate::auth::Caller;
use crate::page::LIMIT_DEFAULT;
use crate::problem::ApiError;
use crate::query::{Params, Query};
use crate::webhooks;

/// Event types that are shown apart.
const TYPES_SHOWN_MAX: usize = 100;
/// Webhooks that may be asked for at once.
const WEBHOOKS_MAX: usize = 200;
/// What waits for a webhook is counted so far.
const BACKLOG_MAX: u32 = 1_000;
/// Parts of a webhook's time, to be drawn small.
const SPARK_PARTS: usize = 24;

/// Statistics
///
/// What happened in a time, in parts of that time, oldest first: of everything, of a tenant or of a
/// webhook. They are a few seconds behind, and a crash may cost those; deliveries themselves are never
/// lost with them. Of all tenants parts are of a minute or more for the last two days, everything else is
/// of five minutes or more.
#[utoipa::path(
    tag = "statistics",
    extensions(("x-verb" = json!("look"))),
    params(StatsQuery),
    responses((status = 200, body = StatsView))
)]
#[get("/v1/stats")]
pub async fn get_stats(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<StatsView>, ApiError> {
    caller.may(Verb::Look)?;
    let query = params.read(&[
        "since",
        "until",
        "tenant",
        "webhook_id",
        "event_type",
        "interval_ms",
        "group_by",
    ])?;
    let by_type =
        query.parsed("group_by", "event_type", |text| (text == "event_type").then_some(()));
    let by_type = by_type?.is_some();
    let event_type = query.get("event_type").map(EventType::parse).transpose()?;
    let webhook = match query.get("webhook_id") {
        Some(id) => Some(webhooks::find(&app, &caller, Verb::Look, id).await?),
        None => None,
    };
    let tenant = caller.list_tenant(Verb::Look, query.tenant()?)?;
    if let (Some(webhook), Some(tenant)) = (&webhook, &tenant)
        && webhook.tenant != *tenant
    {
        return Err(ApiError::not_found());
    }
    let tenant = webhook.as_ref().map(|webhook| webhook.tenant.clone()).or(tenant);
    let of = match (&webhook, &tenant) {
        (Some(_), _) => Of::Webhook,
        (None, Some(_)) => Of::Tenant,
        (None, None) => Of::All,
    };
    let range = Range::of(&query, app.clock.now(), app.limits.retention, of)?;
    let webhook = webhook.map(|webhook| webhook.id);
    let types = event_type.map_or(Types::Together, Types::One);
    let found = counted(&app, range.filters(tenant.clone(), webhook, types)).await?;
    let by_event_type = match by_type {
        true => Some(by_event_type(&app, &range, tenant, webhook).await?),
        false => None,
    };
    let of_webhook = webhook.is_some();
    let (mut buckets, mut totals) = (range.buckets(), Counts::default());
    for Counted { begin, counts, .. } in found {
        totals.add(&counts);
        if let Some(bucket) = range.bucket(begin).and_then(|n| buckets.get_mut(n)) {
            bucket.add(&counts);
        }
    }
    let shown = |(at, counts): (Timestamp, Counts)| BucketView {
        at: at.to_string(),
        counts: CountsView::new(&counts, of_webhook),
    };
    Ok(Json(StatsView {
        since: range.since.to_string(),
        until: range.until.to_string(),
        interval_ms: range.interval_ms(),
        totals: CountsView::new(&totals, of_webhook),
        buckets: range.begins().zip(buckets).map(shown).collect(),
        by_event_type,
    }))
}

async fn counted(app: &App, filters: Vec<StatsFilter>) -> Result<Vec<Counted>, ApiError> {
    let mut counted = Vec::new();
    for filter in filters {
        counted.extend(app.store.stats(filter).await?);
    }
    Ok(counted)
}

/// Those with the most attempts first.
async fn by_event_type(
    app: &App,
    range: &Range,
    tenant: Option<Tenant>,
    webhook: Option<WebhookId>,
) -> Result<Vec<TypeView>, ApiError> {
    let of_webhook = webhook.is_some();
    let mut types = CountsByType::new();
    for filter in range.filters(tenant, webhook, Types::Together) {
        for (event_type, counts) in app.store.stats_by_type(filter).await? {
            types.entry(event_type).or_default().add(&counts);
        }
    }
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|(_, counts)| std::cmp::Reverse((counts.duration.count(), counts.accepted)));
    types.truncate(TYPES_SHOWN_MAX);
    let shown = types.into_iter().map(|(event_type, counts)| TypeView {
        event_type: event_type.to_string(),
        counts: CountsView::new(&counts, of_webhook),
    });
    Ok(shown.collect())
}

/// Statistics of webhooks
///
/// Of each of some webhooks, in short: for a page of their list.
#[utoipa::path(
    tag = "statistics",
    extensions(("x-verb" = json!("look"))),
    params(WebhookStatsQuery),
    responses((status = 200, body = WebhookStatsList))
)]
#[get("/v1/stats/webhooks")]
pub async fn list_webhook_stats(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<WebhookStatsList>, ApiError> {
    caller.may(Verb::Look)?;
    let query = params.read(&["webhook_ids", "since"])?;
    let range = Range::recent(&query, app.clock.now())?;
    let ids = match webhook_ids(&query)? {
        Some(ids) => ids,
        None => newest(&app, &caller).await?,
    };
    // What is another tenant's is left out like what is not there.
    let webhooks = app.store.webhooks(&ids).await?;
    let mut webhooks: Vec<_> = webhooks
        .into_iter()
        .filter(|webhook| caller.may_on(Verb::Look, &webhook.tenant).is_ok())
        .collect();
    webhooks.sort_by_key(|webhook| ids.iter().position(|id| *id == webhook.id));
    let ids: Vec<_> = webhooks.iter().map(|webhook| webhook.id).collect();
    let of = webhooks.into_iter().map(|webhook| (webhook.tenant, webhook.id)).collect::<Vec<_>>();
    let (counted, newest, backlogs, streaks) = tokio::try_join!(
        app.store.stats_of(&of, range.since, range.until),
        app.store.newest(&ids),
        app.store.backlogs(&ids, BACKLOG_MAX + 1),
        app.store.streaks(&ids),
    )?;
    let shown = ids.iter().zip(counted).zip(newest).zip(backlogs);
    let data = shown.map(|(((id, counted), newest), backlog)| {
        let streak = streaks.iter().find(|streak| streak.webhook == *id);
        let (mut totals, mut parts) = (Counts::default(), vec![Counts::default(); SPARK_PARTS]);
        for Counted { begin, counts, .. } in counted {
            totals.add(&counts);
            parts[range.part(begin, SPARK_PARTS)].add(&counts);
        }
        WebhookStatsView::new(*id, &totals, &parts, backlog, streak, newest.as_ref())
    });
    Ok(Json(WebhookStatsList { data: data.collect() }))
}

fn webhook_ids(query: &Query) -> Result<Option<Vec<WebhookId>>, ApiError> {
    query.parsed("webhook_ids", "up to 200 ids such as wh_…, separated by commas", |text| {
        let mut ids: Vec<_> = text.split(',').map(WebhookId::parse).collect::<Option<_>>()?;
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        (ids.len() <= WEBHOOKS_MAX).then_some(ids)
    })
}

async fn newest(app: &App, caller: &Caller) -> Result<Vec<WebhookId>, ApiError> {
    let tenant = caller.own_tenant().cloned();
    let filter = WebhookFilter { tenant, ..WebhookFilter::default() };
    let webhooks = app.store.list_webhooks(filter, None, LIMIT_DEFAULT).await?;
    Ok(webhooks.into_iter().map(|webhook| webhook.id).collect())
}

/// A count that was broken off at `most`, and whether it was.
fn capped(count: u32, most: u32) -> (u32, bool) {
    (count.min(most), count > most)
}
