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

use std::collections::{HashMap, HashSet};

use deadpool_postgres::{GenericClient, Object};
use model::event::NewEvent;
use model::id::{EventUid, Uid};
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
    /// Kind and text.
    keys: Vec<(&'static str, &'e str)>,
    digest: [u8; 32],
}

impl<'e> Candidate<'e> {
    fn new(event: &'e NewEvent) -> Self {
        let keys = [("id", &event.id), ("key", &event.idempotency_key)];
        let keys: Vec<_> =
            keys.into_iter().filter_map(|(kind, key)| Some((kind, key.as_deref()?))).collect();
        let digest = if keys.is_empty() { [0; 32] } else { event.digest() };
        Self { event, uid: rows::uuid(event.uid.0), keys, digest }
    }

    fn tenant(&self) -> &'e str {
        self.event.tenant.as_str()
    }

    /// The first, if it has any.
    fn key(&self) -> Option<(&'static str, &'e str)> {
        self.keys.first().copied()
    }
}

/// Keeps those events whose keys are all new: by one statement if none has two.
async fn keep(db: &mut Object, events: &[&Candidate<'_>]) -> Result<Kept> {
    if events.iter().all(|event| event.keys.len() <= 1) {
        return kept(events, &add(&*db, events, Candidate::key).await.map_err(Failure::of_commit)?);
    }
    let transaction = db.transaction().await?;
    let own = add_keys(&transaction, events).await?;
    let is_new =
        |event: &Candidate| event.keys.iter().all(|(kind, _)| own.contains(&(event.uid, *kind)));
    let (new, refused): (Vec<_>, Vec<_>) = events.iter().partition(|event| is_new(event));
    drop_keys(&transaction, &refused, &own).await?;
    let added = add(&transaction, &new, |_| None).await?;
    transaction.commit().await.map_err(Failure::of_commit)?;
    kept(&new, &added)
}

/// `key`: which of its keys is added with an event, and has to be new.
async fn add<'e>(
    db: &impl GenericClient,
    events: &[&Candidate<'e>],
    key: impl Fn(&Candidate<'e>) -> Option<(&'static str, &'e str)>,
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
    let (kinds, keys): (Vec<_>, Vec<_>) = events.iter().map(|c| key(c).unzip()).unzip();
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
            &kinds,
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

/// The keys of some events, a column each.
#[derive(Default)]
struct Keys<'e> {
    tenants: Vec<&'e str>,
    kinds: Vec<&'static str>,
    keys: Vec<&'e str>,
    uids: Vec<Uuid>,
    digests: Vec<&'e [u8]>,
}

impl<'e> Keys<'e> {
    /// In order; of two events with the same one, the first comes first.
    fn of(events: &[&'e Candidate<'e>], which: impl Fn(&Candidate, &'static str) -> bool) -> Self {
        let mut all: Vec<_> = events
            .iter()
            .flat_map(|event| event.keys.iter().map(move |(kind, key)| (*event, *kind, *key)))
            .filter(|(event, kind, _)| which(event, kind))
            .collect();
        all.sort_by_key(|(event, kind, key)| (event.tenant(), *kind, *key));
        let mut columns = Self::default();
        for (event, kind, key) in all {
            columns.tenants.push(event.tenant());
            columns.kinds.push(kind);
            columns.keys.push(key);
            columns.uids.push(event.uid);
            columns.digests.push(&event.digest);
        }
        columns
    }
}

/// Adds the keys that are new and returns them, by event and kind.
async fn add_keys(
    db: &impl GenericClient,
    events: &[&Candidate<'_>],
) -> Result<HashSet<(Uuid, &'static str)>> {
    let Keys { tenants, kinds, keys, uids, digests } = Keys::of(events, |_, _| true);
    let added =
        query(db, const { sql("accept_keys_add") }, &[&tenants, &kinds, &keys, &uids, &digests])
            .await?;
    added.iter().map(|row| Ok((rows::get(row, 0)?, kind(row)?))).collect()
}

fn kind(row: &Row) -> Result<&'static str> {
    match rows::get(row, 1)? {
        "id" => Ok("id"),
        "key" => Ok("key"),
        other => Err(rows::damaged(format!("unknown kind of key {other}"))),
    }
}

/// Takes back what refused events added.
async fn drop_keys(
    db: &impl GenericClient,
    refused: &[&Candidate<'_>],
    own: &HashSet<(Uuid, &'static str)>,
) -> Result<()> {
    let Keys { tenants, kinds, keys, .. } =
        Keys::of(refused, |event, kind| own.contains(&(event.uid, kind)));
    if !keys.is_empty() {
        execute(db, const { sql("accept_keys_drop") }, &[&tenants, &kinds, &keys]).await?;
    }
    Ok(())
}

/// What earlier uses of their keys make of some events. Where both keys were used the id decides.
async fn find(db: &Object, events: &[&Candidate<'_>]) -> Result<HashMap<Uuid, Accepted>> {
    let Keys { tenants, kinds, keys, uids, .. } = Keys::of(events, |_, _| true);
    let found =
        query(db, const { sql("accept_keys_find") }, &[&tenants, &kinds, &keys, &uids]).await?;
    let digests: HashMap<_, _> = events.iter().map(|event| (event.uid, event.digest)).collect();
    let mut used = HashMap::new();
    for row in &found {
        let (uid, kind): (Uuid, _) = (rows::get(row, 0)?, kind(row)?);
        let first = rows::event_uid(row, 2)?;
        let id: Option<String> = rows::get(row, 4)?;
        let is_same = digests.get(&uid).map(|digest| &digest[..]) == rows::get(row, 3)?;
        let answer = if is_same {
            Accepted::Duplicate { uid: first, id: id.unwrap_or_else(|| first.to_string()) }
        } else if kind == "id" {
            Accepted::IdTaken
        } else {
            Accepted::KeyTaken
        };
        if kind == "id" || !used.contains_key(&uid) {
            used.insert(uid, answer);
        }
    }
    Ok(used)
}
