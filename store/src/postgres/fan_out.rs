use std::collections::BTreeMap;

use deadpool_postgres::Object;
use model::id::EventUid;
use tokio_postgres::Row;

use super::batch::{execute, query};
use super::rows::{self, Result};
use super::sql;
use crate::store::{Chunk, InboxRow};

pub(super) async fn inbox(db: &Object, events: &[EventUid]) -> Result<Vec<InboxRow>> {
    let events: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    let found = query(db, const { sql("inbox") }, &[&events]).await?;
    found.iter().map(inbox_row).collect()
}

fn inbox_row(row: &Row) -> Result<InboxRow> {
    Ok(InboxRow {
        event: rows::event_uid(row, 0)?,
        seq: rows::get(row, 1)?,
        tenant: rows::tenant(row, 2)?,
        event_type: rows::event_type(row, 3)?,
        accepted_at: rows::time(row, 4)?,
        registry_version: rows::version(row, 5)?,
        cursor: rows::webhook_id_opt(row, 6)?,
        only_webhook: rows::webhook_id_opt(row, 7)?,
    })
}

/// In the order of their ids, so that two processes never wait for each other.
pub(super) async fn fan_out(db: &mut Object, chunks: &[Chunk]) -> Result<()> {
    let mut deliveries: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| chunk.webhooks.iter().map(|webhook| (&chunk.row, *webhook)))
        .collect();
    if deliveries.is_empty() {
        return Ok(());
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
        execute(db, add, &[&events, &webhooks, &tenants, &seqs, &accepted]).await?;
        return Ok(());
    }
    let (moved, cursors): (Vec<_>, Vec<_>) = cursors
        .into_iter()
        .map(|(event, cursor)| (rows::uuid(event.0), rows::uuid(cursor.0)))
        .unzip();
    let transaction = db.transaction().await?;
    execute(&transaction, add, &[&events, &webhooks, &tenants, &seqs, &accepted]).await?;
    execute(&transaction, const { sql("fan_out_cursor") }, &[&moved, &cursors]).await?;
    // Repeated it changes nothing, so a lost commit is repeated too.
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn fanned_out(db: &Object, events: &[EventUid]) -> Result<()> {
    let mut events = events.to_vec();
    events.sort_unstable();
    let events: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    execute(db, const { sql("fanned_out") }, &[&events]).await?;
    Ok(())
}
