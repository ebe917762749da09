use model::event::NewEvent;
use model::id::EventUid;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{rows, sql};
use crate::store::Accepted;

pub(super) fn accept(db: &Connection, events: &[NewEvent]) -> Result<Vec<Accepted>> {
    events.iter().map(|event| accept_one(db, event)).collect()
}

fn accept_one(db: &Connection, event: &NewEvent) -> Result<Accepted> {
    let keys = [("id", &event.id), ("key", &event.idempotency_key)];
    let keys = keys.into_iter().filter_map(|(kind, key)| Some((kind, key.as_deref()?)));
    let digest = event.digest();
    for (kind, key) in keys.clone() {
        if let Some(used) = find_key(db, event, kind, key, &digest)? {
            return Ok(used);
        }
    }
    let seq = add_event(db, event)?;
    for (kind, key) in keys {
        db.prepare_cached(const { sql("accept_key_add") })?.execute(params![
            event.tenant.as_str(),
            kind,
            key,
            event.uid.0.as_bytes(),
            digest
        ])?;
    }
    db.prepare_cached(const { sql("accept_inbox") })?.execute(params![
        seq,
        event.uid.0.as_bytes(),
        event.tenant.as_str(),
        event.only_webhook.map(|w| w.0.0)
    ])?;
    Ok(Accepted::New { uid: event.uid, seq })
}

/// What an earlier use of the key makes of this event.
fn find_key(
    db: &Connection,
    event: &NewEvent,
    kind: &str,
    key: &str,
    digest: &[u8; 32],
) -> Result<Option<Accepted>> {
    db.prepare_cached(const { sql("accept_key_find") })?
        .query_row(params![event.tenant.as_str(), kind, key], |row| {
            let uid = EventUid(rows::uid(row, 0)?);
            let id: Option<String> = row.get(2)?;
            Ok(if row.get::<_, [u8; 32]>(1)? == *digest {
                Accepted::Duplicate { uid, id: id.unwrap_or_else(|| uid.to_string()) }
            } else if kind == "id" {
                Accepted::IdTaken
            } else {
                Accepted::KeyTaken
            })
        })
        .optional()
}

fn add_event(db: &Connection, event: &NewEvent) -> Result<i64> {
    db.prepare_cached(const { sql("accept_event") })?.query_row(
        params![
            event.uid.0.as_bytes(),
            event.tenant.as_str(),
            event.id,
            event.event_type.as_str(),
            event.timestamp,
            event.accepted_at.0,
            &event.data[..]
        ],
        |row| row.get(0),
    )
}
