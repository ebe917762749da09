use std::collections::BTreeMap;
use std::sync::Arc;

use deadpool_postgres::Object;
use model::id::EventUid;
use tokio_postgres::Row;

use super::batch::{Bounds, execute, query};
use super::rows::{self, Result};
use super::sql;
use crate::store::{Chunk, InboxRow};

pub(super) async fn inbox(db: &Object, events: &[EventUid]) -> Result<Vec<InboxRow>> {
    let events: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&events) else { return Ok(Vec::new()) };
    let found = query(db, const { sql("inbox") }, &[&events, &low, &high]).await?;
    found.iter().map(inbox_row).collect()
}

fn inbox_row(row: &Row) -> Result<InboxRow> {
    Ok(InboxRow {
        event: Arc::new(rows::event(row)?),
        seq: rows::get(row, 7)?,
        registry_version: rows::version(row, 8)?,
        registry_now: rows::version(row, 9)?,
        cursor: rows::webhook_id_opt(row, 10)?,
        only_webhook: rows::webhook_id_opt(row, 11)?,
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
    deliveries.sort_by_key(|(row, webhook)| (row.event.uid, *webhook));
    let events: Vec<_> = deliveries.iter().map(|(row, _)| rows::uuid(row.event.uid.0)).collect();
    let webhooks: Vec<_> = deliveries.iter().map(|(_, webhook)| rows::uuid(webhook.0)).collect();
    let tenants: Vec<_> = deliveries.iter().map(|(row, _)| row.event.tenant.as_str()).collect();
    let seqs: Vec<_> = deliveries.iter().map(|(row, _)| row.seq).collect();
    let accepted: Vec<_> = deliveries.iter().map(|(row, _)| row.event.accepted_at.0).collect();

    // Without more to come the row goes next, and a crash before that begins anew.
    let mut cursors = BTreeMap::new();
    for chunk in chunks.iter().filter(|chunk| chunk.more) {
        if let Some(last) = chunk.webhooks.last() {
            let cursor = cursors.entry(chunk.row.event.uid).or_insert(*last);
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
