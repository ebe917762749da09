use std::sync::Arc;

use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::recent::Recent;
use super::{rows, sql, webhooks};
use crate::store::{Chunk, InboxRow};

pub(super) fn inbox(db: &Connection, events: &[EventUid]) -> Result<Vec<InboxRow>> {
    let mut statement = db.prepare_cached(const { sql("inbox") })?;
    let mut found = Vec::with_capacity(events.len());
    for event in events {
        let row = statement
            .query_row([event.0.as_bytes()], |row| {
                let webhook = |column| -> Result<_> {
                    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|id| WebhookId(Uid(id))))
                };
                let whole = rows::event(row)?;
                Ok(InboxRow {
                    event: *event,
                    seq: row.get(7)?,
                    tenant: whole.tenant.clone(),
                    event_type: whole.event_type.clone(),
                    accepted_at: whole.accepted_at,
                    registry_version: rows::version(row, 8)?,
                    registry_now: rows::version(row, 9)?,
                    cursor: webhook(10)?,
                    only_webhook: webhook(11)?,
                    whole: Some(Arc::new(whole)),
                })
            })
            .optional()?;
        found.extend(row);
    }
    Ok(found)
}

pub(super) fn fan_out(db: &Connection, recent: &Recent, chunks: &[Chunk]) -> Result<usize> {
    let mut add = db.prepare_cached(const { sql("fan_out_delivery") })?;
    let mut advance = db.prepare_cached(const { sql("fan_out_cursor") })?;
    let mut made = 0;
    for Chunk { row, webhooks, more } in chunks {
        recent.fan_out_began(row.event);
        for webhook in webhooks {
            let added = add.execute(params![
                row.event.0.as_bytes(),
                webhook.0.as_bytes(),
                row.tenant.as_str(),
                row.seq,
                row.accepted_at.0
            ])?;
            webhooks::keep_recent(db, recent, *webhook)?;
            if added > 0 {
                recent.delivery_made(DeliveryId { event: row.event, webhook: *webhook });
            }
            made += added;
        }
        // Without more to come the row goes next, and a crash before that begins anew.
        if let (true, Some(last)) = (more, webhooks.last()) {
            advance.execute(params![row.tenant.as_str(), row.seq, last.0.as_bytes()])?;
        }
    }
    Ok(made)
}

pub(super) fn fanned_out(db: &Connection, recent: &Recent, events: &[EventUid]) -> Result<()> {
    let mut known = db.prepare_cached(const { sql("fanned_out_known") })?;
    let mut others = db.prepare_cached(const { sql("fanned_out") })?;
    for event in events {
        recent.fan_out_began(*event);
        match recent.seq(*event) {
            Some((tenant, seq)) => known.execute(params![tenant.as_str(), seq])?,
            None => others.execute([event.0.as_bytes()])?,
        };
    }
    Ok(())
}
