//! Who receives an event, and why others do not.

use actix_web::post;
use actix_web::web::{Data, Json};
use model::event::{Event, EventType};
use model::key::Verb;
use model::tenant::Tenant;
use model::webhook::{Webhook, WebhookStatus};
use serde::Serialize;
use store::WebhookFilter;
use utoipa::ToSchema;

use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

/// Webhooks that are looked at, and of those, how many are shown.
const LOOKED_AT_MAX: usize = 1_000;
const SHOWN_MAX: usize = 100;
/// How many are read at once.
const READ_AT_ONCE: u32 = 200;

/// An event that might be published.
pub struct PreviewBody {
    event_type: EventType,
    tenant: Option<Tenant>,
}

/// An event that might be published.
#[derive(ToSchema)]
#[schema(as = PreviewBody)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents what is read field by field")]
struct PreviewDocument {
    #[schema(
        example = "order.paid",
        max_length = 256,
        pattern = "^[a-zA-Z0-9_]+([.][a-zA-Z0-9_]+)*$"
    )]
    r#type: String,
    /// Default: the key's own, else `default`.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
}

impl FromFields for PreviewBody {
    const FIELDS: &'static [&'static str] = &["type", "tenant"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let event_type = fields.parsed("type", |text: String| EventType::parse(&text))?;
        Ok(Self {
            event_type: event_type.ok_or_else(|| fields.missing("type", "a string"))?,
            tenant: fields.parsed("tenant", |text: String| Tenant::parse(&text))?,
        })
    }
}

/// Who would receive it.
#[derive(Serialize, ToSchema)]
pub struct Preview {
    /// How many, of the first 1,000 webhooks.
    matching: u64,
    /// Those that would receive it first, at most 100.
    data: Vec<PreviewView>,
    /// Whether there are webhooks that are not shown or were not looked at.
    more: bool,
}

#[derive(Serialize, ToSchema)]
pub struct PreviewView {
    webhook_id: String,
    #[schema(format = "uri")]
    webhook_url: String,
    #[schema(pattern = "^(active|paused|disabled)$")]
    status: &'static str,
    /// Whether a delivery would be made. To a paused webhook it would wait.
    receives: bool,
    /// Why none would: it is `disabled`, or wants other `type`s.
    #[schema(pattern = "^(type|disabled)$")]
    because: Option<&'static str>,
}

/// Preview an event
///
/// Says which webhooks would receive an event of that type now, and why the others would not. Nothing is
/// sent.
#[utoipa::path(
    tag = "events",
    extensions(("x-verb" = json!("look"))),
    request_body = PreviewDocument,
    responses((status = 200, body = Preview))
)]
#[post("/v1/events/preview")]
pub async fn preview_event(
    app: Data<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<Preview>, ApiError> {
    caller.may(Verb::Look)?;
    let body: PreviewBody = body.read()?;
    let tenant = caller.tenant(Verb::Look, body.tenant)?;
    let (webhooks, more) = of_tenant(&app, &tenant).await?;
    let mut data: Vec<_> =
        webhooks.iter().map(|webhook| PreviewView::new(webhook, &body.event_type)).collect();
    let matching = data.iter().filter(|webhook| webhook.receives).count() as u64;
    data.sort_by_key(|webhook| !webhook.receives);
    let more = more || data.len() > SHOWN_MAX;
    data.truncate(SHOWN_MAX);
    Ok(Json(Preview { matching, data, more }))
}

impl PreviewView {
    fn new(webhook: &Webhook, event_type: &EventType) -> Self {
        let because = if webhook.status == WebhookStatus::Disabled {
            Some("disabled")
        } else if !wants(webhook, event_type) {
            Some("type")
        } else {
            None
        };
        Self {
            webhook_id: webhook.id.to_string(),
            webhook_url: webhook.config.url.redacted(),
            status: webhook.status.as_str(),
            receives: because.is_none(),
            because,
        }
    }
}

fn wants(webhook: &Webhook, event_type: &EventType) -> bool {
    webhook.config.event_types.want(event_type)
}

/// Why an event has no deliveries, as far as can be told now.
///
/// # Errors
/// When the store does not answer.
pub async fn why_none(app: &App, event: &Event) -> Result<&'static str, ApiError> {
    if app.store.is_to_fan_out(event.uid).await? {
        return Ok("fanning_out");
    }
    let (webhooks, _) = of_tenant(app, &event.tenant).await?;
    let is_disabled = |webhook: &Webhook| webhook.status == WebhookStatus::Disabled;
    let mut live = webhooks.iter().filter(|webhook| !is_disabled(webhook));
    Ok(if webhooks.is_empty() {
        "no_webhooks"
    } else if webhooks.iter().all(is_disabled) {
        "all_disabled"
    } else if live.any(|webhook| wants(webhook, &event.event_type)) {
        "changed_since"
    } else {
        "none_matched"
    })
}

/// The newest webhooks of a tenant, and whether there are more.
async fn of_tenant(app: &App, tenant: &Tenant) -> Result<(Vec<Webhook>, bool), ApiError> {
    let filter = WebhookFilter { tenant: Some(tenant.clone()), ..WebhookFilter::default() };
    let (mut webhooks, mut after) = (Vec::new(), None);
    loop {
        let page = app.store.list_webhooks(filter.clone(), after, READ_AT_ONCE).await?;
        let is_last = page.len() < READ_AT_ONCE as usize;
        after = page.last().map(|webhook| webhook.id);
        webhooks.extend(page);
        if is_last || webhooks.len() >= LOOKED_AT_MAX {
            return Ok((webhooks, !is_last));
        }
    }
}
