use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Object;
use model::event::EventType;
use model::id::{EventUid, Uid};
use model::time::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::batch::{Bounds, execute, query};
use super::failure::Failure;
use super::rows::{self, Result};
use super::{load, sql};
use crate::store::{Chunk, InboxEvent, InboxRow, NewDelivery};

pub(super) async fn inbox(db: &Object, names: &[EventUid], whole: bool) -> Result<Vec<InboxRow>> {
    let names: Vec<_> = names.iter().map(|name| rows::uuid(name.0)).collect();
    let found = query(db, const { sql("inbox") }, &[&names]).await?;
    let mut rows = found.iter().map(inbox_row).collect::<Result<Vec<_>>>()?;
    if whole {
        let events = || rows.iter().flat_map(|row| &row.events);
        let uids: Vec<_> = events().map(|event| rows::uuid(event.uid.0)).collect();
        let found = match load::events(db, &uids).await {
            // One that cannot be read must not keep the others of its row: it is met once it is loaded.
            Err(Failure::Damaged(_)) => HashMap::new(),
            found => found?,
        };
        for event in rows.iter_mut().flat_map(|row| &mut row.events) {
            event.whole = found.get(&event.uid).cloned();
        }
    }
    Ok(rows)
}

fn inbox_row(row: &Row) -> Result<InboxRow> {
    let events: Vec<Uuid> = rows::get(row, 7)?;
    let seqs: Vec<i64> = rows::get(row, 8)?;
    let accepted: Vec<i64> = rows::get(row, 9)?;
    let types: Vec<&str> = rows::get(row, 10)?;
    if [seqs.len(), accepted.len(), types.len()] != [events.len(); 3] {
        return Err(rows::damaged("an inbox row does not have the same of each event"));
    }
    let events = events.into_iter().zip(seqs).zip(accepted).zip(types);
    let events = events.map(|(((uid, seq), accepted_at), event_type)| {
        Ok(InboxEvent {
            uid: EventUid(Uid(uid.into_bytes())),
            seq,
            event_type: EventType::parse(event_type).map_err(|e| rows::damaged(e.message))?,
            accepted_at: Timestamp(accepted_at),
            whole: None,
        })
    });
    let mut events = events.collect::<Result<Vec<_>>>()?;
    events.sort_unstable_by_key(|event| event.seq);
    let cursor_seq: Option<i64> = rows::get(row, 4)?;
    Ok(InboxRow {
        name: rows::event_uid(row, 0)?,
        tenant: rows::tenant(row, 1)?,
        registry_version: rows::version(row, 2)?,
        registry_now: rows::version(row, 3)?,
        cursor: cursor_seq.zip(rows::webhook_id_opt(row, 5)?),
        only_webhook: rows::webhook_id_opt(row, 6)?,
        events,
    })
}

/// In the order of their ids, so that two processes never wait for each other.
///
/// An inbox row says whether somebody began its fan-out. Whoever begins it makes deliveries that nobody
/// made before; whoever repeats it or goes on with it has to look, since some may be there already,
/// and finished even.
pub(super) async fn fan_out(db: &mut Object, chunks: &[Chunk]) -> Result<usize> {
    let deliveries = Deliveries::of(chunks);
    if deliveries.events.is_empty() {
        return Ok(0);
    }
    let mut made = 0;
    if chunks.iter().all(|chunk| !chunk.more) {
        made = begin(db, &deliveries).await?;
        if made == deliveries.events.len() {
            return Ok(made);
        }
    }
    Ok(made + go_on(db, chunks, &deliveries).await?)
}

/// What is to be made, a column each.
#[derive(Default)]
struct Deliveries<'c> {
    /// Of the inbox row.
    rows: Vec<Uuid>,
    events: Vec<Uuid>,
    webhooks: Vec<Uuid>,
    tenants: Vec<&'c str>,
    seqs: Vec<i64>,
    accepted: Vec<i64>,
}

impl<'c> Deliveries<'c> {
    fn of(chunks: &'c [Chunk]) -> Self {
        let of_chunk = |chunk: &'c Chunk| chunk.deliveries.iter().map(move |d| (chunk, d));
        let mut deliveries: Vec<_> = chunks.iter().flat_map(of_chunk).collect();
        deliveries.sort_by_key(|(_, delivery)| delivery.id);
        deliveries.dedup_by_key(|(_, delivery)| delivery.id);
        let mut columns = Self::default();
        for (chunk, NewDelivery { id, seq, accepted_at }) in deliveries {
            columns.rows.push(rows::uuid(chunk.row.0));
            columns.events.push(rows::uuid(id.event.0));
            columns.webhooks.push(rows::uuid(id.webhook.0));
            columns.tenants.push(chunk.tenant.as_str());
            columns.seqs.push(*seq);
            columns.accepted.push(accepted_at.0);
        }
        columns
    }

    /// Of their inbox rows, in order.
    fn names(&self) -> Vec<Uuid> {
        let mut names = self.rows.clone();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Makes those of inbox rows that nobody began; without more to come, as a rule, those are all.
async fn begin(db: &Object, deliveries: &Deliveries<'_>) -> Result<usize> {
    let Deliveries { rows, events, webhooks, tenants, seqs, accepted } = deliveries;
    let (begin, names) = (const { sql("fan_out") }, deliveries.names());
    count(execute(db, begin, &[&names, rows, events, webhooks, tenants, seqs, accepted]).await?)
}

async fn go_on(db: &mut Object, chunks: &[Chunk], deliveries: &Deliveries<'_>) -> Result<usize> {
    let Deliveries { events, webhooks, tenants, seqs, accepted, .. } = deliveries;
    let Some(Bounds { low, high }) = Bounds::of(events) else { return Ok(0) };
    // Without more to come the row goes next, and a crash before that begins anew.
    let mut cursors = BTreeMap::new();
    for chunk in chunks.iter().filter(|chunk| chunk.more) {
        if let Some(last) = chunk.deliveries.last() {
            let last = (last.seq, last.id.webhook);
            let cursor = cursors.entry(rows::uuid(chunk.row.0)).or_insert(last);
            *cursor = (*cursor).max(last);
        }
    }
    let moved: Vec<_> = cursors.keys().copied().collect();
    let (to_seqs, to_webhooks): (Vec<_>, Vec<_>) =
        cursors.values().map(|(seq, webhook)| (*seq, rows::uuid(webhook.0))).unzip();

    let transaction = db.transaction().await?;
    execute(&transaction, const { sql("fan_out_began") }, &[&deliveries.names()]).await?;
    let again = const { sql("fan_out_again") };
    let made = execute(&transaction, again, &[events, webhooks, tenants, seqs, accepted]).await?;
    // A statement of its own sees what was finished before the last could make it once more.
    let finished = const { sql("fan_out_finished") };
    let back = execute(&transaction, finished, &[events, webhooks, &low, &high]).await?;
    let cursor = const { sql("fan_out_cursor") };
    execute(&transaction, cursor, &[&moved, &to_seqs, &to_webhooks]).await?;
    // Repeated it changes nothing, so a lost commit is repeated too.
    transaction.commit().await?;
    count(made.saturating_sub(back))
}

fn count(rows: u64) -> Result<usize> {
    usize::try_from(rows).map_err(|e| rows::damaged(e.to_string()))
}

pub(super) async fn fanned_out(db: &Object, names: &[EventUid]) -> Result<()> {
    let mut names = names.to_vec();
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(|name| rows::uuid(name.0)).collect();
    execute(db, const { sql("fanned_out") }, &[&names]).await?;
    Ok(())
}
