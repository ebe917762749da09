use std::sync::Arc;

use bytes::Bytes;
use model::event::{Event, NewEvent};
use model::id::EventUid;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::recent::Recent;
use super::{rows, sql, webhooks};
use crate::store::{Accepted, InboxEvent, InboxRow};

pub(super) fn accept(
    db: &Connection,
    recent: &Recent,
    events: &[NewEvent],
) -> Result<Vec<Accepted>> {
    events.iter().map(|event| accept_one(db, recent, event)).collect()
}

fn accept_one(db: &Connection, recent: &Recent, event: &NewEvent) -> Result<Accepted> {
    let keys = [("id", &event.id), ("key", &event.idempotency_key)];
    let keys = keys.into_iter().filter_map(|(kind, key)| Some((kind, key.as_deref()?)));
    if let Some(used) = add_keys(db, event, keys)? {
        return Ok(used);
    }
    let seq = add_event(db, event)?;
    let registry_version = match recent.registry_version(&event.tenant) {
        Some(version) => version,
        None => {
            let version = webhooks::registry_version(db, &event.tenant)?;
            recent.registry_is(&event.tenant, version);
            version
        }
    };
    db.prepare_cached(const { sql("accept_inbox") })?.execute(params![
        event.tenant.as_str(),
        seq,
        event.uid.0.as_bytes(),
        webhooks::column(registry_version)?,
        event.only_webhook.map(|w| w.0.0)
    ])?;
    keep_recent(recent, event, seq, registry_version);
    Ok(Accepted::New { uid: event.uid, seq, row: event.uid, push: true })
}

/// Adds the keys of an event, or says what an earlier use of one makes of it. They are nearly always
/// new, so they are looked up only if they turn out not to be.
fn add_keys<'e>(
    db: &Connection,
    event: &NewEvent,
    keys: impl Iterator<Item = (&'static str, &'e str)> + Clone,
) -> Result<Option<Accepted>> {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return Ok(None);
    }
    let digest = event.digest();
    let mut added = Vec::with_capacity(2);
    for (kind, key) in keys {
        let new = db.prepare_cached(const { sql("accept_key_add") })?.execute(params![
            event.tenant.as_str(),
            kind,
            key,
            event.uid.0.as_bytes(),
            digest
        ])?;
        if new == 0 {
            for (kind, key) in added {
                db.prepare_cached(const { sql("accept_key_drop") })?.execute(params![
                    event.tenant.as_str(),
                    kind,
                    key
                ])?;
            }
            return find_key(db, event, kind, key, &digest);
        }
        added.push((kind, key));
    }
    Ok(None)
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
    db.prepare_cached(const { sql("accept_event") })?.execute(params![
        event.uid.0.as_bytes(),
        event.tenant.as_str(),
        event.id,
        event.event_type.as_str(),
        event.timestamp,
        event.accepted_at.0,
        &event.data[..]
    ])?;
    Ok(db.last_insert_rowid())
}

fn keep_recent(recent: &Recent, event: &NewEvent, seq: i64, registry_version: u64) {
    let whole = Arc::new(Event {
        uid: event.uid,
        tenant: event.tenant.clone(),
        chosen_id: event.id.clone(),
        event_type: event.event_type.clone(),
        given_timestamp: event.timestamp.clone(),
        accepted_at: event.accepted_at,
        // A copy: what came in is a part of a request's body, which would stay as a whole.
        data: Bytes::copy_from_slice(&event.data),
    });
    recent.accepted(
        whole,
        seq,
        InboxRow {
            name: event.uid,
            tenant: event.tenant.clone(),
            registry_version,
            registry_now: registry_version,
            cursor: None,
            only_webhook: event.only_webhook,
            events: vec![InboxEvent {
                uid: event.uid,
                seq,
                event_type: event.event_type.clone(),
                accepted_at: event.accepted_at,
                whole: None,
            }],
        },
    );
}
