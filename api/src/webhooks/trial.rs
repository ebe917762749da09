//! Trying a webhook out: one event for it alone.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use bytes::Bytes;
use model::event::{EventType, NewEvent, TEST_EVENT_TYPE};
use model::id::{DeliveryId, EventUid};
use model::key::Verb;
use model::webhook::{Webhook, WebhookStatus};
use serde::Serialize;
use store::world;
use utoipa::ToSchema;

use super::{find, state};
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::events;
use crate::json::{Fields, FromFields};
use crate::problem::{ApiError, Problem};

/// What a test carries if nothing is said.
const DATA: &[u8] = br#"{"message":"This is a test from Postrider."}"#;

/// What a webhook is to be tried with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestBody {
    /// Default: `postrider.test`.
    #[schema(rename = "type", value_type = Option<String>, max_length = 256,
             pattern = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]
    event_type: Option<EventType>,
    /// Any JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Bytes>,
}

impl FromFields for TestBody {
    const FIELDS: &'static [&'static str] = &["type", "data"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            event_type: fields.parsed("type", |text: String| EventType::parse(&text))?,
            data: fields.raw("data"),
        })
    }
}

/// A test that is on its way.
#[derive(Serialize, ToSchema)]
pub struct Tested {
    event_id: String,
    /// Where to look what became of it; it is there once the event was fanned out.
    delivery_id: String,
}

/// Send a test event
///
/// Goes to this webhook alone, whatever types it wants. A paused webhook gets it when resumed.
#[utoipa::path(
    tag = "webhooks",
    extensions(("x-verb" = json!("manage"))),
    params(("id" = String, Path, pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$", description = "`wh_…`")),
    request_body(content = Option<TestBody>, description = "May be left out", example = json!({})),
    responses(
        (status = 202, description = "Accepted and durable", body = Tested),
        (status = 409, description = "The webhook is disabled", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/v1/webhooks/{id}/test")]
pub async fn test_webhook(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Manage)?;
    let body: TestBody = body.read_or_empty()?;
    let webhook = find(&app, &caller, Verb::Manage, &id).await?;
    if webhook.status == WebhookStatus::Disabled {
        return Err(state::disabled());
    }
    let event = event(&app, &webhook, body)?;
    let delivery_id = DeliveryId { event: event.uid, webhook: webhook.id }.to_string();

    let accepted = events::accept(&app, vec![event]).await?.pop();
    let accepted = accepted.ok_or_else(|| ApiError::internal("the store accepted no event"))??;
    Ok(HttpResponse::Accepted().json(Tested { event_id: accepted.id, delivery_id }))
}

fn event(app: &App, webhook: &Webhook, body: TestBody) -> Result<NewEvent, ApiError> {
    let accepted_at = app.clock.now();
    Ok(NewEvent {
        uid: EventUid(world::new_uid(accepted_at)),
        tenant: webhook.tenant.clone(),
        id: None,
        idempotency_key: None,
        event_type: body.event_type.map_or_else(|| EventType::parse(TEST_EVENT_TYPE), Ok)?,
        timestamp: None,
        accepted_at,
        data: body.data.unwrap_or(Bytes::from_static(DATA)),
        only_webhook: Some(webhook.id),
    })
}
