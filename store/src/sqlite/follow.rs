//! New events, for who follows them. One thread writes, so events are committed in the order of their
//! numbers, and a number says where a reader stands.

use std::time::Duration;

use model::event::Event;
use model::id::{EventUid, Uid};
use model::tenant::Tenant;
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{rows, sql};
use crate::store::{Noted, Position, Tail};

pub(super) fn tail(db: &Connection, now: Timestamp) -> Result<Tail> {
    let seq = db.prepare_cached(const { sql("follow_last") })?.query_row([], |row| row.get(0));
    Ok(Tail::at(Position { seq: seq.optional()?.unwrap_or(0), at: now }))
}

pub(super) fn follow(
    db: &Connection,
    tail: &Tail,
    now: Timestamp,
    limit: u32,
) -> Result<(Vec<Noted>, Tail)> {
    let noted = after(db, tail.position.seq, None, limit)?;
    let seq = noted.last().map_or(tail.position.seq, |last| last.seq);
    Ok((noted, Tail::at(Position { seq, at: now })))
}

/// What is older than this at `position` is not looked at, whatever number that says: an event waits for
/// less between its id and its number.
const LATE_MAX: Duration = Duration::from_secs(120);

pub(super) fn since(
    db: &Connection,
    position: Position,
    tenant: Option<&Tenant>,
    limit: u32,
) -> Result<Vec<Noted>> {
    let floor = Uid::floor((position.at - LATE_MAX).millis());
    // Not the first that is young enough: within a millisecond numbers and ids are in no order.
    let mut old = db.prepare_cached(const { sql("follow_old") })?;
    let old: Option<i64> = old.query_row([floor.as_bytes()], |row| row.get(0)).optional()?;
    after(db, position.seq.max(old.unwrap_or(0)), tenant, limit)
}

fn after(db: &Connection, seq: i64, tenant: Option<&Tenant>, limit: u32) -> Result<Vec<Noted>> {
    let tenant = tenant.map(Tenant::as_str);
    db.prepare_cached(const { sql("since") })?
        .query_map(params![seq, tenant, limit], noted)?
        .collect()
}

fn noted(row: &Row) -> Result<Noted> {
    Ok(Noted {
        seq: row.get(0)?,
        uid: EventUid(rows::uid(row, 1)?),
        tenant: rows::tenant(row, 2)?,
        event_type: rows::event_type(row, 3)?,
    })
}

pub(super) fn events(db: &Connection, uids: &[EventUid]) -> Result<Vec<Event>> {
    let mut statement = db.prepare_cached(const { sql("event_by_uid") })?;
    let found = uids.iter().map(|uid| statement.query_row([uid.0.as_bytes()], rows::event));
    found.filter_map(|event| event.optional().transpose()).collect()
}
