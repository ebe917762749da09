use std::sync::Arc;

use model::attempt::{Answer, Attempt, Trigger};
use model::delivery::{Next, Status};
use model::event::Event;
use model::id::DeliveryId;
use model::time::Timestamp;
use model::webhook::WebhookStatus;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::recent::Recent;
use super::rows::{self, micros};
use super::{sql, webhooks};
use crate::store::{Loaded, Outcome, Recorded};

pub(super) fn load(db: &Connection, deliveries: &[DeliveryId]) -> Result<Vec<Option<Loaded>>> {
    let mut statement = db.prepare_cached(const { sql("load") })?;
    deliveries
        .iter()
        .map(|id| {
            let key = params![id.event.0.as_bytes(), id.webhook.0.as_bytes()];
            statement.query_row(key, |row| loaded(row, id)).optional()
        })
        .collect()
}

fn loaded(row: &Row, id: &DeliveryId) -> Result<Loaded> {
    let webhook = match rows::word_opt(row, 6, WebhookStatus::parse)? {
        Some(status) => Some((status, rows::version(row, 7)?)),
        None => None,
    };
    Ok(Loaded {
        status: rows::word(row, 0, Status::parse)?,
        due: rows::time(row, 1)?,
        attempts: rows::count(row, 2)?,
        planned: rows::count(row, 3)?,
        opened_at: rows::time(row, 4)?,
        by_hand: row.get(5)?,
        webhook,
        event: Arc::new(Event {
            uid: id.event,
            tenant: rows::tenant(row, 8)?,
            chosen_id: row.get(9)?,
            event_type: rows::event_type(row, 10)?,
            given_timestamp: row.get(11)?,
            accepted_at: rows::time(row, 12)?,
            data: row.get::<_, Vec<u8>>(13)?.into(),
        }),
    })
}

pub(super) fn record(
    db: &Connection,
    recent: &Recent,
    outcomes: &[Outcome],
) -> Result<Vec<Recorded>> {
    outcomes.iter().map(|outcome| record_one(db, recent, outcome)).collect()
}

fn record_one(db: &Connection, recent: &Recent, outcome: &Outcome) -> Result<Recorded> {
    recent.delivery_changed(outcome.delivery);
    if let Some(reason) = &outcome.disable_webhook {
        webhooks::disable(db, recent, outcome.delivery.webhook, reason, outcome.at)?;
    }
    if !apply(db, outcome)? {
        return record_late(db, outcome);
    }
    if let Some(attempt) = &outcome.attempt {
        keep_attempt(db, outcome.delivery, attempt, outcome.attempts_before + 1)?;
    }
    let due = match outcome.next {
        Next::Retry { .. } => due_next(db, outcome)?,
        Next::End(_) => None,
    };
    Ok(Recorded { applied: true, due })
}

/// Late attempts are numbered too: then the number is taken, and this one is the last of all.
fn keep_attempt(db: &Connection, id: DeliveryId, attempt: &Attempt, number: u32) -> Result<()> {
    if insert_attempt(db, id, attempt, number)? == 0 {
        let last = db
            .prepare_cached(const { sql("record_number") })?
            .query_row([id.event.0.as_bytes(), id.webhook.0.as_bytes()], |row| {
                rows::count(row, 0)
            })?;
        insert_attempt(db, id, attempt, last)?;
    }
    Ok(())
}

/// When an unfinished delivery is due: at once if a person asked for it.
fn due_next(db: &Connection, outcome: &Outcome) -> Result<Option<Timestamp>> {
    let id = outcome.delivery;
    let standing = db
        .prepare_cached(const { sql("record_standing") })?
        .query_row([id.event.0.as_bytes(), id.webhook.0.as_bytes()], |row| {
            Ok((rows::time(row, 0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    Ok(standing.map(|(due, by_hand)| if by_hand { outcome.at } else { due }))
}

/// The compare-and-set. False if the delivery went on without this outcome.
fn apply(db: &Connection, outcome: &Outcome) -> Result<bool> {
    let (status, ended_by, ended_at, due) = match outcome.next {
        Next::Retry { due } => (Status::Retrying, None, None, Some(due.0)),
        Next::End(by) => (by.status(), Some(by.as_str()), Some(outcome.at.0), None),
    };
    let attempt = outcome.attempt.as_ref();
    let trigger = attempt.map(|a| a.trigger);
    let (code, error) = attempt.map_or((None, None), |a| answer_columns(&a.answer));
    let id = outcome.delivery;
    let changed = db.prepare_cached(const { sql("record") })?.execute(params![
        id.event.0.as_bytes(),
        id.webhook.0.as_bytes(),
        outcome.attempts_before,
        status.as_str(),
        ended_by,
        ended_at,
        due,
        i64::from(attempt.is_some()),
        i64::from(trigger == Some(Trigger::Schedule)),
        ended_at.is_some() || trigger == Some(Trigger::Manual),
        attempt.map(|a| a.started_at.0),
        attempt.map(|a| micros(a.timings.total)),
        code,
        error
    ])?;
    Ok(changed > 0)
}

/// Another outcome decided while this one was on its way, or somebody ended the delivery: it is
/// kept as an attempt, and changes the state only if it is a success.
fn record_late(db: &Connection, outcome: &Outcome) -> Result<Recorded> {
    let (event, webhook) =
        (outcome.delivery.event.0.as_bytes(), outcome.delivery.webhook.0.as_bytes());
    if let Some(attempt) = &outcome.attempt {
        let (code, error) = answer_columns(&attempt.answer);
        let total = micros(attempt.timings.total);
        let number = db
            .prepare_cached(const { sql("record_late") })?
            .query_row(params![event, webhook, attempt.started_at.0, total, code, error], |row| {
                rows::count(row, 0)
            })
            .optional()?;
        if let Some(number) = number {
            insert_attempt(db, outcome.delivery, attempt, number)?;
        }
        if attempt.answer.is_success() {
            db.prepare_cached(const { sql("record_late_success") })?.execute(params![
                event,
                webhook,
                outcome.at.0
            ])?;
        }
    }
    Ok(Recorded { applied: false, due: due_next(db, outcome)? })
}

fn insert_attempt(db: &Connection, id: DeliveryId, a: &Attempt, number: u32) -> Result<usize> {
    let (code, error) = answer_columns(&a.answer);
    let response = a.response.as_ref();
    let headers = response.map(|r| serde_json::to_string(&r.headers));
    let headers = headers.transpose().map_err(|e| rows::damaged(14, e.to_string()))?;
    db.prepare_cached(const { sql("record_attempt") })?.execute(params![
        id.event.0.as_bytes(),
        id.webhook.0.as_bytes(),
        number,
        a.trigger.as_str(),
        a.started_at.0,
        a.timings.dns.map(micros),
        a.timings.connect.map(micros),
        a.timings.first_byte.map(micros),
        a.timings.body.map(micros),
        micros(a.timings.total),
        code,
        error,
        a.detail,
        headers,
        response.map(|r| &r.body[..]),
        response.map(|r| r.truncated)
    ])
}

fn answer_columns(answer: &Answer) -> (Option<u16>, Option<&'static str>) {
    match answer {
        Answer::Status { code, .. } => (Some(*code), None),
        Answer::Error(class) => (None, Some(class.as_str())),
    }
}
