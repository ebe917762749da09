use std::collections::BTreeMap;

use deadpool_postgres::Object;
use model::id::EventUid;
use tokio_postgres::Row;

use super::batch::{execute, query};
use super::rows::{self, Result};
use super::{load, sql};
use crate::store::{Chunk, InboxRow};

pub(super) async fn inbox(db: &Object, events: &[EventUid], whole: bool) -> Result<Vec<InboxRow>> {
    let events: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    let (found, mut events) = tokio::try_join!(
        async { Ok(query(db, const { sql("inbox") }, &[&events]).await?) },
        load::events(db, if whole { &events } else { &[] }),
    )?;
    let mut rows = found.iter().map(inbox_row).collect::<Result<Vec<_>>>()?;
    rows.iter_mut().for_each(|row| row.whole = events.remove(&row.event));
    Ok(rows)
}

fn inbox_row(row: &Row) -> Result<InboxRow> {
    Ok(InboxRow {
        event: rows::event_uid(row, 0)?,
        seq: rows::get(row, 1)?,
        tenant: rows::tenant(row, 2)?,
        event_type: rows::event_type(row, 3)?,
        accepted_at: rows::time(row, 4)?,
        registry_version: rows::version(row, 5)?,
        registry_now: rows::version(row, 6)?,
        cursor: rows::webhook_id_opt(row, 7)?,
        only_webhook: rows::webhook_id_opt(row, 8)?,
        whole: None,
    })
}

/// In the order of their ids, so that two processes never wait for each other.
pub(super) async fn fan_out(db: &mut Object, chunks: &[Chunk]) -> Result<usize> {
    let mut deliveries: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| chunk.webhooks.iter().map(|webhook| (&chunk.row, *webhook)))
        .collect();
    if deliveries.is_empty() {
        return Ok(0);
    }
    deliveries.sort_by_key(|(row, webhook)| (row.event, *webhook));
    let events: Vec<_> = deliveries.iter().map(|(row, _)| rows::uuid(row.event.0)).collect();
    let webhooks: Vec<_> = deliveries.iter().map(|(_, webhook)| rows::uuid(webhook.0)).collect();
    let tenants: Vec<_> = deliveries.iter().map(|(row, _)| row.tenant.as_str()).collect();
    let seqs: Vec<_> = deliveries.iter().map(|(row, _)| row.seq).collect();
    let accepted: Vec<_> = deliveries.iter().map(|(row, _)| row.accepted_at.0).collect();

    // Without more to come the row goes next, and a crash before that begins anew.
    let mut cursors = BTreeMap::new();
    for chunk in chunks.iter().filter(|chunk| chunk.more) {
        if let Some(last) = chunk.webhooks.last() {
            let cursor = cursors.entry(chunk.row.event).or_insert(*last);
            *cursor = (*cursor).max(*last);
        }
    }
    let add = const { sql("fan_out") };
    if cursors.is_empty() {
        let made = execute(db, add, &[&events, &webhooks, &tenants, &seqs, &accepted]).await?;
        return count(made);
    }
    let (moved, cursors): (Vec<_>, Vec<_>) = cursors
        .into_iter()
        .map(|(event, cursor)| (rows::uuid(event.0), rows::uuid(cursor.0)))
        .unzip();
    let transaction = db.transaction().await?;
    let made =
        execute(&transaction, add, &[&events, &webhooks, &tenants, &seqs, &accepted]).await?;
    execute(&transaction, const { sql("fan_out_cursor") }, &[&moved, &cursors]).await?;
    // Repeated it changes nothing, so a lost commit is repeated too.
    transaction.commit().await?;
    count(made)
}

fn count(rows: u64) -> Result<usize> {
    usize::try_from(rows).map_err(|e| rows::damaged(e.to_string()))
}

pub(super) async fn fanned_out(db: &Object, events: &[EventUid]) -> Result<()> {
    let mut events = events.to_vec();
    events.sort_unstable();
    let events: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    execute(db, const { sql("fanned_out") }, &[&events]).await?;
    Ok(())
}
