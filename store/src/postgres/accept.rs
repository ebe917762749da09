//! Accepting a batch of events.
//!
//! Keys are added in their order, so that two processes never wait for each other, and an event is
//! kept if all its keys were its own. Of the others, those whose key is on record are answered by
//! that record; what is left lost its key to an event of the same batch that was itself refused,
//! and goes into the next round.
//!
//! Events of a tenant that are kept by one statement share an inbox row, as long as it stays small.
//!
//! When the connection breaks at the commit, nobody knows whether it took place. The ids of the
//! events are new, so those that are found on record were kept by this very batch.

use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Object};
use model::event::NewEvent;
use model::id::{EventUid, Uid};
use model::tenant::Tenant;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::batch::{Bounds, execute, query};
use super::failure::Failure;
use super::partitions::Day;
use super::pool::{Pool, run};
use super::rows::{self, Result};
use super::sql;
use crate::store::Accepted;

/// Events of one inbox row, and the bytes of their data: so much is fanned out in one piece.
const ROW_EVENTS_MAX: usize = 32;
const ROW_BYTES_MAX: usize = 256 * 1024;

/// What each event was kept as.
type Kept = HashMap<Uuid, Accepted>;

pub(super) async fn accept(pool: &Pool, events: &[&NewEvent]) -> Result<Vec<Accepted>> {
    let events: Vec<_> = events.iter().map(|event| Candidate::new(event)).collect();
    let mut answers: Vec<Option<Accepted>> = vec![None; events.len()];
    let mut commit_lost = false;
    loop {
        let open: Vec<_> = (0..events.len()).filter(|n| answers[*n].is_none()).collect();
        if open.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        let round: Vec<_> = open.iter().map(|n| &events[*n]).collect();
        let kept = match run!(pool, |db| keep(db, &round)) {
            Err(Failure::Unknown(_)) if !commit_lost => {
                commit_lost = true;
                run!(pool, |db| known(db, &round))?
            }
            // It was committed after all, after it was looked for.
            Err(e) if commit_lost && e.is_taken() => {
                let known = run!(pool, |db| known(db, &round))?;
                if known.is_empty() {
                    return Err(e);
                }
                known
            }
            kept => kept?,
        };
        for n in &open {
            answers[*n] = kept.get(&events[*n].uid).cloned();
        }
        let refused: Vec<_> = open.into_iter().filter(|n| answers[*n].is_none()).collect();
        let keyed: Vec<_> =
            refused.iter().map(|n| &events[*n]).filter(|event| !event.keys.is_empty()).collect();
        if !keyed.is_empty() {
            let used = run!(pool, |db| find(db, &keyed))?;
            for n in refused {
                answers[n] = used.get(&events[n].uid).cloned();
            }
        }
    }
}

struct Candidate<'e> {
    event: &'e NewEvent,
    uid: Uuid,
    keys: Vec<EventKey>,
    digest: [u8; 32],
}

/// What its publisher chose for an event.
struct EventKey {
    is_id: bool,
    text: String,
}

impl<'e> Candidate<'e> {
    fn new(event: &'e NewEvent) -> Self {
        let id = event.id.as_deref();
        let id = id.map(|id| EventKey { is_id: true, text: id_key(&event.tenant, id) });
        let key = event.idempotency_key.as_deref();
        let key = key.map(|key| EventKey { is_id: false, text: text(&event.tenant, "key", key) });
        let keys: Vec<_> = id.into_iter().chain(key).collect();
        let digest = if keys.is_empty() { [0; 32] } else { event.digest() };
        Self { event, uid: rows::uuid(event.uid.0), keys, digest }
    }

    fn tenant(&self) -> &'e str {
        self.event.tenant.as_str()
    }

    /// The first, if it has any.
    fn key(&self) -> Option<&str> {
        self.keys.first().map(|key| &key.text[..])
    }
}

/// The key of the event that a publisher called `id`.
pub(super) fn id_key(tenant: &Tenant, id: &str) -> String {
    text(tenant, "id", id)
}

/// No tenant's name has a `/`.
fn text(tenant: &Tenant, kind: &str, chosen: &str) -> String {
    format!("{}/{kind}/{chosen}", tenant.as_str())
}

/// Keeps those events whose keys are all new: by one statement if none has two.
async fn keep<'e>(db: &mut Object, events: &[&'e Candidate<'e>]) -> Result<Kept> {
    if events.iter().all(|event| event.keys.len() <= 1) {
        return kept(events, &add(&*db, events, Candidate::key).await.map_err(Failure::of_commit)?);
    }
    let transaction = db.transaction().await?;
    let own = add_keys(&transaction, events).await?;
    let is_own = |event: &Candidate, key: &EventKey| own.get(&key.text) == Some(&event.uid);
    let is_new = |event: &Candidate| event.keys.iter().all(|key| is_own(event, key));
    let (new, refused): (Vec<&Candidate>, Vec<&Candidate>) =
        events.iter().partition(|event| is_new(event));
    let taken = |event: &'e Candidate<'e>| event.keys.iter().filter(|key| is_own(event, key));
    let back: Vec<_> = refused.iter().copied().flat_map(taken).map(|key| &key.text).collect();
    if !back.is_empty() {
        execute(&transaction, const { sql("accept_keys_drop") }, &[&back]).await?;
    }
    let added = add(&transaction, &new, |_| None).await?;
    transaction.commit().await.map_err(Failure::of_commit)?;
    kept(&new, &added)
}

/// `key`: which of its keys is added with an event, and has to be new.
async fn add<'e>(
    db: &impl GenericClient,
    events: &[&'e Candidate<'e>],
    key: impl Fn(&'e Candidate<'e>) -> Option<&'e str>,
) -> std::result::Result<Vec<Row>, Error> {
    let column = |value: fn(&NewEvent) -> Option<&str>| -> Vec<_> {
        events.iter().map(|c| value(c.event)).collect()
    };
    let uids: Vec<_> = events.iter().map(|c| c.uid).collect();
    let tenants = column(|event| Some(event.tenant.as_str()));
    let ids = column(|event| event.id.as_deref());
    let types = column(|event| Some(event.event_type.as_str()));
    let timestamps = column(|event| event.timestamp.as_deref());
    let accepted: Vec<_> = events.iter().map(|c| c.event.accepted_at.0).collect();
    let data: Vec<_> = events.iter().map(|c| &c.event.data[..]).collect();
    let only: Vec<_> =
        events.iter().map(|c| c.event.only_webhook.map(|id| rows::uuid(id.0))).collect();
    let keys: Vec<_> = events.iter().map(|c| key(c)).collect();
    let digests: Vec<_> = events.iter().map(|c| &c.digest[..]).collect();
    query(
        db,
        const { sql("accept") },
        &[
            &uids,
            &tenants,
            &ids,
            &types,
            &timestamps,
            &accepted,
            &data,
            &only,
            &keys,
            &digests,
            &parts(events),
        ],
    )
    .await
}

/// For each event, which of the inbox rows it goes to. The events of one are of a day, so that they are
/// forgotten together.
fn parts(events: &[&Candidate<'_>]) -> Vec<i32> {
    struct Part {
        number: i32,
        events: usize,
        bytes: usize,
    }
    let mut open: HashMap<_, Part> = HashMap::new();
    let mut count = 0;
    let parts = events.iter().map(|candidate| {
        let NewEvent { uid, only_webhook, data, .. } = candidate.event;
        let part = open.entry((candidate.tenant(), only_webhook, Day::of_id(uid.0)));
        let part = part.or_insert(Part { number: 0, events: ROW_EVENTS_MAX, bytes: 0 });
        if part.events == ROW_EVENTS_MAX || part.bytes + data.len() > ROW_BYTES_MAX {
            count += 1;
            *part = Part { number: count, events: 0, bytes: 0 };
        }
        part.events += 1;
        part.bytes += data.len();
        part.number
    });
    parts.collect()
}

/// `found`: of those that were kept id, seq, and whether an inbox row is called after it.
fn kept(events: &[&Candidate<'_>], found: &[Row]) -> Result<Kept> {
    let parts: HashMap<_, _> = events.iter().map(|c| c.uid).zip(parts(events)).collect();
    let mut names = HashMap::new();
    for row in found {
        let uid: Uuid = rows::get(row, 0)?;
        if rows::get(row, 2)? {
            names.insert(parts.get(&uid), uid);
        }
    }
    let kept = found.iter().map(|row| {
        let uid: Uuid = rows::get(row, 0)?;
        // None if it was fanned out meanwhile.
        let name = names.get(&parts.get(&uid)).copied().unwrap_or(uid);
        let event = |uid: Uuid| EventUid(Uid(uid.into_bytes()));
        let (row, seq, push) = (event(name), rows::get(row, 1)?, name == uid);
        Ok((uid, Accepted::New { uid: event(uid), seq, row, push }))
    });
    kept.collect()
}

/// Those of the events that are on record.
async fn known(db: &Object, events: &[&Candidate<'_>]) -> Result<Kept> {
    let uids: Vec<_> = events.iter().map(|c| c.uid).collect();
    let Some(Bounds { low, high }) = Bounds::of(&uids) else { return Ok(Kept::new()) };
    kept(events, &query(db, const { sql("accept_known") }, &[&uids, &low, &high]).await?)
}

/// Adds the keys that are new; whose they are. In order, so that two processes never wait for each
/// other; of two events with the same one, the first comes first.
async fn add_keys(
    db: &impl GenericClient,
    events: &[&Candidate<'_>],
) -> Result<HashMap<String, Uuid>> {
    let mut all: Vec<_> = events
        .iter()
        .flat_map(|event| event.keys.iter().map(move |key| (&key.text, event)))
        .collect();
    all.sort_by_key(|(key, _)| *key);
    let keys: Vec<_> = all.iter().map(|(key, _)| *key).collect();
    let uids: Vec<_> = all.iter().map(|(_, event)| event.uid).collect();
    let digests: Vec<_> = all.iter().map(|(_, event)| &event.digest[..]).collect();
    let added = query(db, const { sql("accept_keys_add") }, &[&keys, &uids, &digests]).await?;
    added.iter().map(|row| Ok((rows::get(row, 0)?, rows::get(row, 1)?))).collect()
}

/// What earlier uses of their keys make of some events. Where both keys were used the id decides.
async fn find(db: &Object, events: &[&Candidate<'_>]) -> Result<HashMap<Uuid, Accepted>> {
    let keys: Vec<_> = events.iter().flat_map(|e| e.keys.iter().map(|key| &key.text[..])).collect();
    let found = query(db, const { sql("accept_keys_find") }, &[&keys]).await?;
    let found = found.iter().map(|row| Ok((rows::get::<&str>(row, 0)?, row)));
    let found = found.collect::<Result<HashMap<_, _>>>()?;
    let mut used = HashMap::new();
    for event in events {
        // The id comes first.
        for key in &event.keys {
            let Some(row) = found.get(&key.text[..]) else { continue };
            let first = rows::event_uid(row, 1)?;
            let digest: &[u8] = rows::get(row, 2)?;
            let id: Option<String> = rows::get(row, 3)?;
            used.entry(event.uid).or_insert(if digest == event.digest {
                Accepted::Duplicate { uid: first, id: id.unwrap_or_else(|| first.to_string()) }
            } else if key.is_id {
                Accepted::IdTaken
            } else {
                Accepted::KeyTaken
            });
        }
    }
    Ok(used)
}
