//! Between columns and the model's values.

use std::time::Duration;

use model::attempt::{Answer, Attempt, ErrorClass, Response, Timings, Trigger};
use model::delivery::{EndedBy, Status};
use model::event::{Event, EventType};
use model::id::{DeliveryId, EventUid, KeyId, Uid, WebhookId};
use model::key::{Key, KeyHash, Role};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use crate::store::*;

/// What a column holds is not what this version writes there.
pub(super) fn damaged(column: usize, what: impl Into<String>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Null, what.into().into())
}

pub(super) fn uid(row: &Row, column: usize) -> Result<Uid> {
    row.get::<_, [u8; 16]>(column).map(Uid)
}

pub(super) fn tenant(row: &Row, column: usize) -> Result<Tenant> {
    Tenant::parse(text(row, column)?).map_err(|e| damaged(column, e.message))
}

pub(super) fn event_type(row: &Row, column: usize) -> Result<EventType> {
    EventType::parse(text(row, column)?).map_err(|e| damaged(column, e.message))
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn time_opt(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A number that is never negative.
pub(super) fn count(row: &Row, column: usize) -> Result<u32> {
    row.get(column)
}

pub(super) fn version(row: &Row, column: usize) -> Result<u64> {
    let version: i64 = row.get(column)?;
    u64::try_from(version).map_err(|e| damaged(column, e.to_string()))
}

pub(super) fn text<'r>(row: &'r Row, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|e| damaged(column, e.to_string()))
}

/// A word of a closed list.
pub(super) fn word<T>(row: &Row, column: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let word = text(row, column)?;
    parse(word).ok_or_else(|| damaged(column, format!("unknown word {word}")))
}

pub(super) fn word_opt<T>(
    row: &Row,
    column: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => word(row, column, parse).map(Some),
    }
}

fn duration(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

pub(super) fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

/// uid, tenant, id, type, timestamp, accepted_at, data.
pub(super) fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        uid: EventUid(uid(row, 0)?),
        tenant: tenant(row, 1)?,
        chosen_id: row.get(2)?,
        event_type: event_type(row, 3)?,
        given_timestamp: row.get(4)?,
        accepted_at: time(row, 5)?,
        data: row.get::<_, Vec<u8>>(6)?.into(),
    })
}

/// The columns of `list_deliveries`.
pub(super) fn delivery(row: &Row) -> Result<Delivery> {
    let event = EventUid(uid(row, 0)?);
    let chosen_id: Option<String> = row.get(3)?;
    let last = match time_opt(row, 14)? {
        None => None,
        Some(at) => Some(LastAttempt {
            at,
            total: duration(row.get(15)?),
            answer: match word_opt(row, 17, ErrorClass::parse)? {
                Some(class) => Err(class),
                None => Ok(row.get(16)?),
            },
        }),
    };
    Ok(Delivery {
        id: DeliveryId { event, webhook: WebhookId(uid(row, 1)?) },
        tenant: tenant(row, 2)?,
        event_id: chosen_id.unwrap_or_else(|| event.to_string()),
        event_type: event_type(row, 4)?,
        seq: row.get(5)?,
        status: word(row, 6, Status::parse)?,
        ended_by: word_opt(row, 7, EndedBy::parse)?,
        attempts: count(row, 8)?,
        by_hand: row.get(9)?,
        accepted_at: time(row, 10)?,
        opened_at: time(row, 11)?,
        due: time(row, 12)?,
        ended_at: time_opt(row, 13)?,
        last,
    })
}

/// The columns of `attempts`.
pub(super) fn attempt(row: &Row) -> Result<Attempt> {
    let phase = |column| -> Result<_> { Ok(row.get::<_, Option<i64>>(column)?.map(duration)) };
    let answer = match word_opt(row, 9, ErrorClass::parse)? {
        Some(class) => Answer::Error(class),
        None => Answer::Status { code: row.get(8)?, retry_after: None },
    };
    let response = match row.get::<_, Option<String>>(11)? {
        None => None,
        Some(headers) => Some(Response {
            headers: serde_json::from_str(&headers).map_err(|e| damaged(11, e.to_string()))?,
            body: row.get(12)?,
            truncated: row.get(13)?,
        }),
    };
    Ok(Attempt {
        number: count(row, 0)?,
        trigger: word(row, 1, Trigger::parse)?,
        started_at: time(row, 2)?,
        timings: Timings {
            dns: phase(3)?,
            connect: phase(4)?,
            first_byte: phase(5)?,
            body: phase(6)?,
            total: duration(row.get(7)?),
        },
        answer,
        detail: row.get(10)?,
        response,
    })
}

/// The columns of `webhook`.
pub(super) fn webhook(row: &Row) -> Result<Webhook> {
    let json = |column| text(row, column);
    Ok(Webhook {
        id: WebhookId(uid(row, 0)?),
        tenant: tenant(row, 1)?,
        status: word(row, 2, WebhookStatus::parse)?,
        status_reason: row.get(3)?,
        registered_version: version(row, 4)?,
        version: version(row, 5)?,
        config: serde_json::from_str(json(6)?).map_err(|e| damaged(6, e.to_string()))?,
        secrets: serde_json::from_str(json(7)?).map_err(|e| damaged(7, e.to_string()))?,
        created_at: time(row, 8)?,
        updated_at: time(row, 9)?,
    })
}

/// id, name, role, tenant, hash, created_at.
pub(super) fn key(row: &Row) -> Result<Key> {
    let role = match text(row, 2)? {
        "admin" => Role::Admin,
        "publisher" => Role::Publisher,
        "viewer" => Role::Viewer,
        "tenant" => Role::Tenant(tenant(row, 3)?),
        other => return Err(damaged(2, format!("unknown role {other}"))),
    };
    Ok(Key {
        id: KeyId(uid(row, 0)?),
        name: row.get(1)?,
        role,
        hash: KeyHash(row.get(4)?),
        created_at: time(row, 5)?,
    })
}
