//! How events are shown.

use model::event::Event;
use serde::Serialize;
use serde_json::value::RawValue;
use store::StatusCounts;
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
    /// `deliveries`: also says how the deliveries of each stand.
    #[param(pattern = "^deliveries$")]
    include: Option<String>,
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
    /// Bytes of `data`.
    size_bytes: u64,
    /// At most 200.
    deliveries: Vec<DeliveryView>,
    /// Why there are none, as far as can be told now: it is still to be fanned out, the tenant has no
    /// webhooks, they are all disabled, none wants the type, or those that do were registered or changed
    /// since. Null if there are some.
    #[schema(pattern = "^(fanning_out|no_webhooks|all_disabled|none_matched|changed_since)$")]
    no_deliveries_because: Option<&'static str>,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
pub struct EventPage {
    pub data: Vec<ListedEvent>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
    /// If the search was broken off: back to when events were accepted that it looked at.
    #[schema(format = DateTime)]
    pub looked_until: Option<String>,
}

/// An event of a list.
#[derive(Serialize, ToSchema)]
pub struct ListedEvent {
    #[serde(flatten)]
    event: EventView,
    /// How its deliveries stand, if `include` asks for it.
    deliveries: Option<DeliveryCounts>,
}

/// Deliveries by status, counted up to 1,000.
#[derive(Serialize, ToSchema)]
pub struct DeliveryCounts {
    pending: u32,
    retrying: u32,
    delivered: u32,
    failed: u32,
    cancelled: u32,
    /// Whether there are more.
    capped: bool,
}

impl ListedEvent {
    pub fn new(event: &Event, counts: Option<StatusCounts>, most: u32) -> Self {
        let deliveries = counts.map(|counts| DeliveryCounts {
            pending: counts.pending,
            retrying: counts.retrying,
            delivered: counts.delivered,
            failed: counts.failed,
            cancelled: counts.cancelled,
            capped: counts.all() > most,
        });
        Self { event: EventView::new(event), deliveries }
    }
}

impl EventDetail {
    pub fn new(
        event: &Event,
        deliveries: Vec<DeliveryView>,
        why_none: Option<&'static str>,
    ) -> Result<Self, ApiError> {
        let data = std::str::from_utf8(&event.data).map_err(ApiError::internal)?;
        let data = RawValue::from_string(data.to_owned()).map_err(ApiError::internal)?;
        Ok(Self {
            event: EventView::new(event),
            data,
            size_bytes: event.data.len() as u64,
            deliveries,
            no_deliveries_because: why_none,
        })
    }
}
