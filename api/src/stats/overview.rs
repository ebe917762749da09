use std::collections::{HashMap, HashSet};
use std::time::Duration;

use actix_web::get;
use actix_web::web::{Data, Json};
use model::id::WebhookId;
use model::key::Verb;
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use serde::Serialize;
use store::{Backlog, Cause, CauseCount, Streak, UnfinishedTotals, WebhookFilter, WebhookTotals};
use utoipa::{IntoParams, ToSchema};

use super::view::ms;
use super::{BACKLOG_MAX, capped};
use crate::App;
use crate::auth::Caller;
use crate::problem::ApiError;
use crate::query::Params;

/// What waits is counted so far.
const COUNTED_MAX: u32 = 10_000;
/// Webhooks that are shown as wanting a look.
const ATTENTION_MAX: usize = 10;
/// Of those that fail, how many are looked at.
const FAILING_MAX: u32 = 1_000;
const CAUSES_MAX: u32 = 20;
/// Of those, the longest streaks: how much waits for them is counted.
const COUNTED_BACKLOGS_MAX: usize = 50;
/// For how long causes are counted.
const CAUSES_FOR_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what get_overview reads")]
pub struct OverviewQuery {
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// From when on causes of failures are counted, 31 days at most; default: an hour ago.
    #[param(format = DateTime)]
    since: Option<String>,
}

/// What there is to do, and what is the matter, now.
#[derive(Serialize, ToSchema)]
pub struct Overview {
    #[schema(format = DateTime)]
    now: String,
    queue: WaitingView,
    webhooks: WebhookTotalsView,
    /// Webhooks that fail or are disabled, those that hold up most first, at most 10.
    attention: Vec<AttentionView>,
    /// What attempts failed by, the most frequent first, at most 20.
    causes: Vec<CauseView>,
}

/// What waits. Counts end at 10,000; `…_capped` says that there is more.
#[derive(Serialize, ToSchema)]
pub struct WaitingView {
    /// Unfinished deliveries.
    waiting: u32,
    waiting_capped: bool,
    /// Of those, the ones that were tried before.
    retrying: u32,
    retrying_capped: bool,
    /// Requests on the wire; null of one tenant, or if the queue does not answer.
    sending: Option<u64>,
    /// How long the item waits that could be served longest; null like `sending`.
    oldest_waiting_ms: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub struct WebhookTotalsView {
    active: u64,
    paused: u64,
    disabled: u64,
    /// Of those that are not disabled: whose last attempt failed.
    failing: u64,
}

/// A webhook that wants a look.
#[derive(Serialize, ToSchema)]
pub struct AttentionView {
    webhook_id: String,
    tenant: String,
    #[schema(format = "uri")]
    webhook_url: String,
    #[schema(pattern = "^(active|paused|disabled)$")]
    status: &'static str,
    status_reason: Option<String>,
    /// Since when every attempt failed.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// How many that are.
    failures: u64,
    #[schema(format = DateTime)]
    last_at: Option<String>,
    /// What the last one was answered; null if nothing was.
    last_status: Option<u16>,
    /// Why nothing was.
    last_error: Option<&'static str>,
    /// Unfinished deliveries, counted up to 1,000.
    backlog: u32,
    backlog_capped: bool,
    /// When the one that is due first is or was due.
    #[schema(format = DateTime)]
    first_due_at: Option<String>,
}

/// What attempts failed by.
#[derive(Serialize, ToSchema)]
pub struct CauseView {
    /// A status, or the class of an error.
    #[schema(example = "503")]
    cause: String,
    #[schema(pattern = "^(status|error)$")]
    kind: &'static str,
    count: u64,
    /// Webhooks whose last attempt failed by it, counted up to 1,000.
    webhooks: u64,
    #[schema(format = DateTime)]
    first_at: String,
    #[schema(format = DateTime)]
    last_at: String,
}

/// Overview
///
/// What waits, which webhooks want a look, and what attempts fail by.
#[utoipa::path(
    tag = "statistics",
    extensions(("x-verb" = json!("look"))),
    params(OverviewQuery),
    responses((status = 200, body = Overview))
)]
#[get("/v1/overview")]
pub async fn get_overview(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<Overview>, ApiError> {
    caller.may(Verb::Look)?;
    let query = params.read(&["tenant", "since"])?;
    let tenant = caller.list_tenant(Verb::Look, query.tenant()?)?;
    let tenant = tenant.as_ref();
    let now = app.clock.now();
    let since = query.timestamp("since")?.unwrap_or(now - HOUR).max(now - CAUSES_FOR_MAX);
    let (queue, totals, causes, failing) = tokio::try_join!(
        queue(&app, tenant),
        async { Ok(app.store.webhook_totals(tenant).await?) },
        async { Ok(app.store.causes(tenant, since, CAUSES_MAX).await?) },
        async { Ok(app.store.failing(tenant, FAILING_MAX).await?) },
    )?;
    let mut failing_by: HashMap<String, u64> = HashMap::new();
    for streak in &failing {
        *failing_by.entry(cause_text(streak.cause)).or_default() += 1;
    }
    let causes = causes.iter().map(|cause| CauseView::new(cause, &failing_by)).collect();
    Ok(Json(Overview {
        now: now.to_string(),
        queue,
        webhooks: WebhookTotalsView::new(totals),
        attention: attention(&app, tenant, failing).await?,
        causes,
    }))
}

async fn queue(app: &App, tenant: Option<&Tenant>) -> Result<WaitingView, ApiError> {
    let UnfinishedTotals { unfinished, retrying } =
        app.store.unfinished_totals(tenant, COUNTED_MAX + 1).await?;
    let look = match tenant {
        None => app.look(&[]).await,
        Some(_) => None,
    };
    let (waiting, waiting_capped) = capped(unfinished, COUNTED_MAX);
    let (retrying, retrying_capped) = capped(retrying, COUNTED_MAX);
    let oldest = look
        .as_ref()
        .map(|look| look.total.oldest_due.map_or(Duration::ZERO, |due| look.now.since(due)));
    Ok(WaitingView {
        waiting,
        waiting_capped,
        retrying,
        retrying_capped,
        sending: look.map(|look| look.total.in_flight as u64),
        oldest_waiting_ms: oldest.map(ms),
    })
}

/// Of those that fail the ones with the most that waits, then those that are disabled.
async fn attention(
    app: &App,
    tenant: Option<&Tenant>,
    failing: Vec<Streak>,
) -> Result<Vec<AttentionView>, ApiError> {
    let mut failing = failing;
    failing.truncate(COUNTED_BACKLOGS_MAX);
    let ids: Vec<_> = failing.iter().map(|streak| streak.webhook).collect();
    let disabled = WebhookFilter {
        tenant: tenant.cloned(),
        status: Some(WebhookStatus::Disabled),
        ..WebhookFilter::default()
    };
    let (backlogs, disabled) = tokio::try_join!(
        app.store.backlogs(&ids, BACKLOG_MAX + 1),
        app.store.list_webhooks(disabled, None, ATTENTION_MAX as u32),
    )?;
    let mut failing: Vec<_> = failing.into_iter().zip(backlogs).collect();
    failing
        .sort_by_key(|(streak, backlog)| std::cmp::Reverse((backlog.unfinished, streak.failures)));
    failing.truncate(ATTENTION_MAX);
    let ids: Vec<_> = failing.iter().map(|(streak, _)| streak.webhook).collect();
    let mut webhooks: HashMap<WebhookId, Webhook> =
        app.store.webhooks(&ids).await?.into_iter().map(|w| (w.id, w)).collect();
    let mut shown = Vec::new();
    let mut seen = HashSet::new();
    for (streak, backlog) in failing {
        let Some(webhook) = webhooks.remove(&streak.webhook) else { continue };
        if webhook.status != WebhookStatus::Disabled {
            seen.insert(webhook.id);
            shown.push(AttentionView::new(&webhook, Some(&streak), backlog));
        }
    }
    for webhook in disabled {
        if seen.insert(webhook.id) {
            shown.push(AttentionView::new(&webhook, None, Backlog::default()));
        }
    }
    shown.truncate(ATTENTION_MAX);
    Ok(shown)
}

impl AttentionView {
    fn new(webhook: &Webhook, streak: Option<&Streak>, backlog: Backlog) -> Self {
        let (unfinished, backlog_capped) = capped(backlog.unfinished, BACKLOG_MAX);
        let shown = |at: Timestamp| at.to_string();
        Self {
            webhook_id: webhook.id.to_string(),
            tenant: webhook.tenant.to_string(),
            webhook_url: webhook.config.url.redacted(),
            status: webhook.status.as_str(),
            status_reason: webhook.status_reason.clone(),
            failing_since: streak.map(|streak| shown(streak.since)),
            failures: streak.map_or(0, |streak| streak.failures),
            last_at: streak.map(|streak| shown(streak.last_at)),
            last_status: streak.and_then(|streak| streak.cause.ok()),
            last_error: streak.and_then(|streak| streak.cause.err()).map(|class| class.as_str()),
            backlog: unfinished,
            backlog_capped,
            first_due_at: backlog.first_due.map(shown),
        }
    }
}

impl CauseView {
    fn new(of: &CauseCount, failing_by: &HashMap<String, u64>) -> Self {
        let cause = cause_text(of.cause);
        Self {
            webhooks: failing_by.get(&cause).copied().unwrap_or_default(),
            cause,
            kind: if of.cause.is_ok() { "status" } else { "error" },
            count: of.count,
            first_at: of.first_at.to_string(),
            last_at: of.last_at.to_string(),
        }
    }
}

impl WebhookTotalsView {
    fn new(totals: WebhookTotals) -> Self {
        let WebhookTotals { active, paused, disabled, failing } = totals;
        Self { active, paused, disabled, failing }
    }
}

fn cause_text(cause: Cause) -> String {
    cause.map_or_else(|class| class.as_str().to_owned(), |status| status.to_string())
}
