//! Events: publish them, look at them. Publishing is the hot path: one pass over the body, one call
//! to the store, one push that nobody waits for in vain.

pub mod matching;
mod new;
mod search;
pub mod view;

use std::sync::atomic::Ordering;

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use model::event::{EventType, NewEvent};
use model::id::EventUid;
use model::key::Verb;
use model::tenant::Tenant;
use model::time::Timestamp;
use store::{Accepted, DeliveryFilter, EventFilter, Item, Lane, Most, Push, StoreError};

use self::new::{Batch, Publish};
use self::search::{Found, search};
use self::view::{BatchResult, EventDetail, EventPage, ListedEvent, Published, PublishedBatch};
use crate::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::deliveries;
use crate::metrics::EventResult;
use crate::page::LIMIT_MAX;
use crate::problem::{ApiError, Problem};
use crate::query::Params;

/// Deliveries of an event that are counted in lists.
const COUNTED_MAX: u32 = 1_000;

/// Publish an event
///
/// Answers once the event is durable; from then on it is delivered to every webhook that wants it,
/// at least once. `id` or the header `Idempotency-Key` make a repeat harmless: the same content
/// again answers the same with `"duplicate": true`. `data` is any JSON and reaches the
/// subscribers byte for byte.
#[utoipa::path(
    tag = "events",
    extensions(("x-verb" = json!("publish"))),
    params((
        "Idempotency-Key" = Option<String>, Header,
        pattern = r#"^(?!""$)([!-~]([ -~]{0,253}[!-~])?|"[ -~]{1,255}")$"#,
        description = "Up to 255 printable ASCII characters, in quotes or without; kept as long as the event"
    )),
    request_body(content = Publish, example = json!({ "type": "order.paid", "data": { "order": 7 } })),
    responses(
        (status = 202, description = "Accepted and durable", body = Published),
        (status = 409, description = "The id was used for another event", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/v1/events")]
pub async fn publish_event(
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Publish)?;
    let published: Publish = refused_if_err(&app, body.read())?;
    let key = refused_if_err(&app, new::idempotency_key(request.headers()))?;
    let event = refused_if_err(&app, published.event(&app, &caller, key))?;

    let accepted = accept(&app, vec![event]).await?.pop();
    let published = accepted.ok_or_else(|| ApiError::internal("the store accepted no event"))??;
    Ok(HttpResponse::Accepted().json(published))
}

/// Publish many events
///
/// Up to 1000 in one request. Each is judged for itself: `results` has one entry per event, in
/// their order, with its id or with what was wrong with it.
#[utoipa::path(
    tag = "events",
    extensions(("x-verb" = json!("publish"))),
    request_body(
        content = Batch,
        example = json!({ "events": [{ "type": "order.paid", "data": { "order": 7 } }] })
    ),
    responses((status = 202, description = "Those with an id are accepted and durable", body = PublishedBatch))
)]
#[post("/v1/events/batch")]
pub async fn publish_batch(
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Publish)?;
    let batch: Batch = body.read()?;
    new::no_idempotency_key(request.headers())?;
    if batch.events.len() > app.limits.batch_events {
        let detail = format!("a batch takes up to {} events", app.limits.batch_events);
        return Err(ApiError::new("batch_too_large", detail));
    }
    let mut valid = Vec::with_capacity(batch.events.len());
    let mut refusals = Vec::with_capacity(batch.events.len());
    for event in batch.events {
        let event = event.and_then(|event| event.at_most(app.limits.body_bytes));
        let event = event.and_then(|event| event.event(&app, &caller, None));
        match refused_if_err(&app, event) {
            Ok(event) => {
                valid.push(event);
                refusals.push(None);
            }
            Err(error) => refusals.push(Some(error)),
        }
    }
    let mut accepted = accept(&app, valid).await?.into_iter();
    let unanswered = || Err(ApiError::internal("the store left an event unanswered"));
    let results = refusals.into_iter().map(|refusal| match refusal {
        Some(error) => BatchResult::from(Err(error)),
        None => BatchResult::from(accepted.next().unwrap_or_else(unanswered)),
    });
    let results = results.collect();
    Ok(HttpResponse::Accepted().json(PublishedBatch { results }))
}

/// List events
///
/// Newest first, without their data. Of two filters an index has but one, and the other is looked for: then a
/// page may be short or empty and go on all the same, and `looked_until` says how far it came.
#[utoipa::path(
    tag = "events",
    extensions(("x-verb" = json!("look"))),
    params(view::EventQuery),
    responses((status = 200, body = EventPage))
)]
#[get("/v1/events")]
pub async fn list_events(
    app: Data<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<EventPage>, ApiError> {
    caller.may(Verb::Look)?;
    let known = ["tenant", "type", "since", "until", "include", "limit", "cursor"];
    let query = params.read(&known)?;
    let include = |text: &str| (text == "deliveries").then_some(());
    let with_deliveries = query.parsed("include", "deliveries", include)?.is_some();
    let filter = EventFilter {
        tenant: caller.list_tenant(Verb::Look, query.tenant()?)?,
        event_type: query.get("type").map(str::to_owned),
        since: query.timestamp("since")?,
        until: query.timestamp("until")?,
    };
    let limit = query.limit()?;
    let (after, list) = query.cursor("events", caller.own_tenant())?;
    let after = after.map(|bytes| EventUid(model::id::Uid(bytes)));
    let Found { events, next, looked_until } = search(&app, &filter, after, limit).await?;
    let uids: Vec<_> = events.iter().map(|event| event.uid).collect();
    let counts = match with_deliveries {
        true => app.store.statuses(&uids, COUNTED_MAX + 1).await?,
        false => Vec::new(),
    };
    let mut counts = counts.into_iter();
    let data = events.iter().map(|event| ListedEvent::new(event, counts.next(), COUNTED_MAX));
    Ok(Json(EventPage {
        data: data.collect(),
        next_cursor: next.map(|uid| list.cursor(uid.0.as_bytes())),
        looked_until: looked_until.map(|at| at.to_string()),
    }))
}

/// Get an event
///
/// With its data and its first 200 deliveries; `GET /v1/deliveries?event_id=` has them all.
/// Ids chosen by publishers are per tenant: with a key that is not bound to one, `tenant` says
/// which is meant. `evt_…` ids need none.
#[utoipa::path(
    tag = "events",
    extensions(("x-verb" = json!("look"))),
    params(
        ("id" = String, Path, pattern = "^[A-Za-z0-9_:-]{1,128}$",
         description = "`evt_…`, or the id its publisher chose"),
        ("tenant" = Option<String>, Query, pattern = "^[A-Za-z0-9_.:-]{1,64}$",
         description = "Default: the key's own, else `default`"),
    ),
    responses((status = 200, body = EventDetail))
)]
#[get("/v1/events/{id}")]
pub async fn get_event(
    app: Data<App>,
    caller: Caller,
    id: Path<String>,
    params: Params,
) -> Result<Json<EventDetail>, ApiError> {
    caller.may(Verb::Look)?;
    let tenant = caller.tenant(Verb::Look, params.read(&["tenant"])?.tenant()?)?;
    let event = app.store.event(&tenant, &id).await?.ok_or_else(ApiError::not_found)?;
    caller.may_on(Verb::Look, &event.tenant)?;

    let filter = DeliveryFilter { event: Some(event.uid), ..DeliveryFilter::default() };
    let deliveries = app.store.list_deliveries(filter, None, Most::found(LIMIT_MAX)).await?.found;
    let why_none = match deliveries.is_empty() {
        true => Some(matching::why_none(&app, &event).await?),
        false => None,
    };
    let deliveries = deliveries::views(&app, deliveries).await?;
    Ok(Json(EventDetail::new(&event, deliveries, why_none)?))
}

/// Makes events durable, then queues what is to fan out. One answer per event, in their order.
pub(crate) async fn accept(
    app: &App,
    events: Vec<NewEvent>,
) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
    let kept: Vec<_> = events.iter().map(Kept::of).collect();
    let accepted = app.store.accept(events).await;
    app.full.store(matches!(accepted, Err(StoreError::Full(_))), Ordering::Relaxed);
    let accepted = accepted?;

    let mut pushes = Vec::with_capacity(accepted.len());
    let mut answers = Vec::with_capacity(accepted.len());
    for (accepted, Kept { tenant, id, event_type, at }) in accepted.into_iter().zip(kept) {
        app.metrics.event(EventResult::of(&accepted));
        answers.push(match accepted {
            Accepted::New { uid, seq, row, push } => {
                app.tally.accepted(at, &tenant, &event_type);
                pushes.extend(push.then(|| fan_out(tenant, row, seq)));
                Ok(Published { id: id.unwrap_or_else(|| uid.to_string()), duplicate: false })
            }
            Accepted::Duplicate { id, .. } => Ok(Published { id, duplicate: true }),
            Accepted::IdTaken => Err(ApiError::new(
                "event_id_conflict",
                "this id was used for an event with other content",
            )),
            Accepted::KeyTaken => Err(ApiError::new(
                "idempotency_key_conflict",
                "this Idempotency-Key was used for an event with other content",
            )),
        });
    }
    app.push(pushes).await;
    Ok(answers)
}

/// What is still needed of an event once the store took it.
struct Kept {
    tenant: Tenant,
    id: Option<String>,
    event_type: EventType,
    at: Timestamp,
}

impl Kept {
    fn of(event: &NewEvent) -> Self {
        Self {
            tenant: event.tenant.clone(),
            id: event.id.clone(),
            event_type: event.event_type.clone(),
            at: event.accepted_at,
        }
    }
}

fn fan_out(tenant: Tenant, row: EventUid, seq: i64) -> Push {
    let item = Item { lane: Lane::fan_out(tenant), event: row };
    Push::new(item, seq)
}

/// Counts an event that was not even taken to the store.
fn refused_if_err<T>(app: &App, result: Result<T, ApiError>) -> Result<T, ApiError> {
    result.inspect_err(|_| app.metrics.event(EventResult::Refused))
}
