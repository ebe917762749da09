//! Between columns and the model's values.

use std::borrow::Cow;
use std::time::Duration;

use model::attempt::{Answer, Attempt, ErrorClass, Response, Timings, Trigger};
use model::delivery::{EndedBy, Status};
use model::event::{Event, EventType};
use model::id::{DeliveryId, EventUid, KeyId, Uid, WebhookId};
use model::key::{Key, KeyHash, Role};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::failure::Failure;
use crate::store::*;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// What a column holds is not what this version writes there.
pub(super) fn damaged(what: impl Into<String>) -> Failure {
    Failure::Damaged(what.into())
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|e| damaged(super::failure::text(&e)))
}

pub(super) fn uuid(uid: Uid) -> Uuid {
    Uuid::from_bytes(uid.0)
}

pub(super) fn uid(row: &Row, column: usize) -> Result<Uid> {
    Ok(Uid(get::<Uuid>(row, column)?.into_bytes()))
}

pub(super) fn event_uid(row: &Row, column: usize) -> Result<EventUid> {
    uid(row, column).map(EventUid)
}

pub(super) fn webhook_id(row: &Row, column: usize) -> Result<WebhookId> {
    uid(row, column).map(WebhookId)
}

pub(super) fn webhook_id_opt(row: &Row, column: usize) -> Result<Option<WebhookId>> {
    Ok(get::<Option<Uuid>>(row, column)?.map(|id| WebhookId(Uid(id.into_bytes()))))
}

pub(super) fn tenant(row: &Row, column: usize) -> Result<Tenant> {
    Tenant::parse(get(row, column)?).map_err(|e| damaged(e.message))
}

pub(super) fn event_type(row: &Row, column: usize) -> Result<EventType> {
    EventType::parse(get(row, column)?).map_err(|e| damaged(e.message))
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp> {
    get(row, column).map(Timestamp)
}

fn time_opt(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp))
}

/// A number that is never negative.
pub(super) fn count(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(get::<i32>(row, column)?).map_err(|e| damaged(e.to_string()))
}

/// To a column that is read with [`count`].
pub(super) fn int(count: u32) -> Result<i32> {
    i32::try_from(count).map_err(|e| damaged(e.to_string()))
}

pub(super) fn version(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|e| damaged(e.to_string()))
}

/// To a column that is read with [`version`].
pub(super) fn bigint(version: u64) -> Result<i64> {
    i64::try_from(version).map_err(|e| damaged(e.to_string()))
}

/// A word of a closed list.
pub(super) fn word<T>(row: &Row, column: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let word: &str = get(row, column)?;
    parse(word).ok_or_else(|| damaged(format!("unknown word {word}")))
}

pub(super) fn word_opt<T>(
    row: &Row,
    column: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    match get::<Option<&str>>(row, column)? {
        None => Ok(None),
        Some(_) => word(row, column, parse).map(Some),
    }
}

fn duration(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

pub(super) fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

/// To a text that people read: PostgreSQL has no place for a zero character.
pub(super) fn prose(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Whether something can be called so.
pub(super) fn may_be_stored(text: &str) -> bool {
    !text.contains('\0')
}

fn answer_code(row: &Row, column: usize) -> Result<u16> {
    u16::try_from(get::<i16>(row, column)?).map_err(|e| damaged(e.to_string()))
}

/// uid, tenant, id, type, timestamp, accepted_at, data.
pub(super) fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        uid: event_uid(row, 0)?,
        tenant: tenant(row, 1)?,
        chosen_id: get(row, 2)?,
        event_type: event_type(row, 3)?,
        given_timestamp: get(row, 4)?,
        accepted_at: time(row, 5)?,
        data: get::<Vec<u8>>(row, 6)?.into(),
    })
}

/// Columns of a delivery, before those of its attempt in `history`.
pub(super) const DELIVERY_COLUMNS: usize = 18;

/// The columns of `list_deliveries`.
pub(super) fn delivery(row: &Row) -> Result<Delivery> {
    let event = event_uid(row, 0)?;
    let chosen_id: Option<String> = get(row, 3)?;
    let last = match time_opt(row, 14)? {
        None => None,
        Some(at) => Some(LastAttempt {
            at,
            total: duration(get(row, 15)?),
            answer: match word_opt(row, 17, ErrorClass::parse)? {
                Some(class) => Err(class),
                None => Ok(answer_code(row, 16)?),
            },
        }),
    };
    Ok(Delivery {
        id: DeliveryId { event, webhook: webhook_id(row, 1)? },
        tenant: tenant(row, 2)?,
        event_id: chosen_id.unwrap_or_else(|| event.to_string()),
        event_type: event_type(row, 4)?,
        seq: get(row, 5)?,
        status: word(row, 6, Status::parse)?,
        ended_by: word_opt(row, 7, EndedBy::parse)?,
        attempts: count(row, 8)?,
        by_hand: get(row, 9)?,
        accepted_at: time(row, 10)?,
        opened_at: time(row, 11)?,
        due: time(row, 12)?,
        ended_at: time_opt(row, 13)?,
        last,
    })
}

/// The attempt of a row of `history`; none in the one row of a delivery without any.
pub(super) fn attempt(row: &Row) -> Result<Option<Attempt>> {
    const FROM: usize = DELIVERY_COLUMNS;
    if get::<Option<i32>>(row, FROM)?.is_none() {
        return Ok(None);
    }
    let phase = |column| -> Result<_> { Ok(get::<Option<i64>>(row, column)?.map(duration)) };
    let answer = match word_opt(row, FROM + 9, ErrorClass::parse)? {
        Some(class) => Answer::Error(class),
        None => Answer::Status { code: answer_code(row, FROM + 8)?, retry_after: None },
    };
    let response = match get::<Option<&str>>(row, FROM + 11)? {
        None => None,
        Some(headers) => Some(Response {
            headers: serde_json::from_str(headers).map_err(|e| damaged(e.to_string()))?,
            body: get(row, FROM + 12)?,
            truncated: get(row, FROM + 13)?,
        }),
    };
    Ok(Some(Attempt {
        number: count(row, FROM)?,
        trigger: word(row, FROM + 1, Trigger::parse)?,
        started_at: time(row, FROM + 2)?,
        timings: Timings {
            dns: phase(FROM + 3)?,
            connect: phase(FROM + 4)?,
            first_byte: phase(FROM + 5)?,
            body: phase(FROM + 6)?,
            total: duration(get(row, FROM + 7)?),
        },
        answer,
        detail: get(row, FROM + 10)?,
        response,
    }))
}

/// The columns of `webhooks`.
pub(super) fn webhook(row: &Row) -> Result<Webhook> {
    let (config, secrets): (&str, &str) = (get(row, 6)?, get(row, 7)?);
    Ok(Webhook {
        id: webhook_id(row, 0)?,
        tenant: tenant(row, 1)?,
        status: word(row, 2, WebhookStatus::parse)?,
        status_reason: get(row, 3)?,
        registered_version: version(row, 4)?,
        version: version(row, 5)?,
        config: serde_json::from_str(config).map_err(|e| damaged(e.to_string()))?,
        secrets: serde_json::from_str(secrets).map_err(|e| damaged(e.to_string()))?,
        created_at: time(row, 8)?,
        updated_at: time(row, 9)?,
    })
}

/// id, name, role, tenant, hash, created_at.
pub(super) fn key(row: &Row) -> Result<Key> {
    let role = match get(row, 2)? {
        "admin" => Role::Admin,
        "publisher" => Role::Publisher,
        "viewer" => Role::Viewer,
        "tenant" => Role::Tenant(tenant(row, 3)?),
        other => return Err(damaged(format!("unknown role {other}"))),
    };
    let hash: &[u8] = get(row, 4)?;
    Ok(Key {
        id: KeyId(uid(row, 0)?),
        name: get(row, 1)?,
        role,
        hash: KeyHash(hash.try_into().map_err(|_| damaged("a hash of another length"))?),
        created_at: time(row, 5)?,
    })
}
