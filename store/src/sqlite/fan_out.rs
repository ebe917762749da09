use std::sync::Arc;

use model::id::{EventUid, Uid, WebhookId};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::recent::Recent;
use super::{rows, sql, webhooks};
use crate::store::{Chunk, InboxEvent, InboxRow, NewDelivery};

/// A row has one event, after which it is called.
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
                let seq = row.get(7)?;
                Ok(InboxRow {
                    name: *event,
                    tenant: whole.tenant.clone(),
                    registry_version: rows::version(row, 8)?,
                    registry_now: rows::version(row, 9)?,
                    cursor: webhook(10)?.map(|webhook| (seq, webhook)),
                    only_webhook: webhook(11)?,
                    events: vec![InboxEvent {
                        uid: *event,
                        seq,
                        event_type: whole.event_type.clone(),
                        accepted_at: whole.accepted_at,
                        whole: Some(Arc::new(whole)),
                    }],
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
    for Chunk { row, tenant, deliveries, more } in chunks {
        recent.fan_out_began(*row);
        for NewDelivery { id, seq, accepted_at } in deliveries {
            let added = add.execute(params![
                id.event.0.as_bytes(),
                id.webhook.0.as_bytes(),
                tenant.as_str(),
                seq,
                accepted_at.0
            ])?;
            webhooks::keep_recent(db, recent, id.webhook)?;
            if added > 0 {
                recent.delivery_made(*id);
            }
            made += added;
        }
        // Without more to come the row goes next, and a crash before that begins anew.
        if let (true, Some(last)) = (more, deliveries.last()) {
            advance.execute(params![tenant.as_str(), last.seq, last.id.webhook.0.as_bytes()])?;
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
