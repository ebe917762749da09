use model::delivery::Status;
use model::id::DeliveryId;
use model::time::Timestamp;
use rusqlite::{Connection, Result, params};

use super::recent::Recent;
use super::{look, sql};
use crate::store::Delivery;

pub(super) fn retry(
    db: &Connection,
    recent: &Recent,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    recent.delivery_changed(id);
    let Some(before) = look::delivery(db, id)? else { return Ok(None) };
    let (event, webhook) = (id.event.0.as_bytes(), id.webhook.0.as_bytes());
    match before.status {
        Status::Pending | Status::Retrying => {
            db.prepare_cached(const { sql("retry_waiting") })?.execute(params![event, webhook])?;
        }
        Status::Failed | Status::Cancelled => {
            db.prepare_cached(const { sql("retry_ended") })?
                .execute(params![event, webhook, now.0])?;
        }
        Status::Delivered => {}
    }
    Ok(Some(before))
}

pub(super) fn cancel(
    db: &Connection,
    recent: &Recent,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    recent.delivery_changed(id);
    let Some(before) = look::delivery(db, id)? else { return Ok(None) };
    let (event, webhook) = (id.event.0.as_bytes(), id.webhook.0.as_bytes());
    db.prepare_cached(const { sql("cancel") })?.execute(params![event, webhook, now.0])?;
    Ok(Some(before))
}
