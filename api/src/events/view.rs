//! How events are shown.

use model::event::Event;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::deliveries::DeliveryView;
use crate::problem::ApiError;

/// An event that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    /// The id its publisher chose, else `evt_…`.
    #[schema(example = "evt_06dpq1zc3s8m7x2q9r4t5v6w7y")]
    pub id: String,
    /// Whether it was accepted before: nothing was done then.
    pub duplicate: bool,
}

#[derive(Serialize, ToSchema)]
pub struct PublishedBatch {
    /// One per event, in their order.
    pub results: Vec<BatchResult>,
}

/// What became of one event of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    Accepted(Published),
    Refused { error: ItemError },
}

/// What was wrong with one event of a batch.
#[derive(Serialize, ToSchema)]
pub struct ItemError {
    #[schema(example = "event_type_invalid")]
    pub code: &'static str,
    pub detail: String,
}

impl From<Result<Published, ApiError>> for BatchResult {
    fn from(result: Result<Published, ApiError>) -> Self {
        match result {
            Ok(published) => BatchResult::Accepted(published),
            Err(error) => {
                let error = ItemError { code: error.code(), detail: error.detail().to_owned() };
                BatchResult::Refused { error }
            }
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what list_events reads")]
pub struct EventQuery {
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// Only of exactly this type.
    #[param(rename = "type")]
    event_type: Option<String>,
    /// Accepted at or after this time, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Accepted before this time, RFC 3339.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// An event, without its data.
#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// The id that subscribers see: the one its publisher chose, else the same as `uid`.
    id: String,
    /// The id that Postrider made for it.
    uid: String,
    tenant: String,
    #[serde(rename = "type")]
    event_type: String,
    /// When it happened, as its publisher wrote it; else the time of acceptance.
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(format = DateTime)]
    accepted_at: String,
}

impl EventView {
    pub fn new(event: &Event) -> Self {
        Self {
            id: event.id(),
            uid: event.uid.to_string(),
            tenant: event.tenant.to_string(),
            event_type: event.event_type.to_string(),
            timestamp: event.timestamp(),
            accepted_at: event.accepted_at.to_string(),
        }
    }
}

/// An event with its data and deliveries.
#[derive(Serialize, ToSchema)]
pub struct EventDetail {
    #[serde(flatten)]
    event: EventView,
    /// As it was published, byte for byte.
    #[schema(value_type = serde_json::Value)]
    data: Box<RawValue>,
    /// At most 200.
    deliveries: Vec<DeliveryView>,
}

impl EventDetail {
    pub fn new(event: &Event, deliveries: Vec<DeliveryView>) -> Result<Self, ApiError> {
        let data = std::str::from_utf8(&event.data).map_err(ApiError::internal)?;
        let data = RawValue::from_string(data.to_owned()).map_err(ApiError::internal)?;
        Ok(Self { event: EventView::new(event), data, deliveries })
    }
}
