use model::delivery::EndedBy;
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::tenant::Tenant;
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{rows, sql};
use crate::queue::{Lane, Work};
use crate::store::{Stranded, Waiting};

/// Fan-out lanes by tenant come first, then webhooks by id. Each step seeks the next lane in an
/// index, so that a lane of a million items costs no more than one of one.
pub(super) fn lanes(db: &Connection, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>> {
    let limit = limit as usize;
    let mut lanes = Vec::new();
    let mut webhook = Uid([0; 16]);
    match after.map(|lane| (&lane.tenant, lane.work)) {
        None => fan_out_lanes(db, "", limit, &mut lanes)?,
        Some((tenant, Work::FanOut)) => fan_out_lanes(db, tenant.as_str(), limit, &mut lanes)?,
        Some((_, Work::Deliver(id))) => webhook = id.0,
    }
    let mut next = db.prepare_cached(const { sql("lanes_deliver") })?;
    while lanes.len() < limit {
        let found = next
            .query_row([webhook.as_bytes()], |row| Ok((rows::uid(row, 0)?, rows::tenant(row, 1)?)))
            .optional()?;
        let Some((id, tenant)) = found else { break };
        webhook = id;
        lanes.push(Lane::deliver(tenant, WebhookId(id)));
    }
    Ok(lanes)
}

fn fan_out_lanes(db: &Connection, after: &str, limit: usize, lanes: &mut Vec<Lane>) -> Result<()> {
    let mut next = db.prepare_cached(const { sql("lanes_fan_out") })?;
    let mut after = after.to_owned();
    while lanes.len() < limit {
        let found: Option<Tenant> =
            next.query_row([&after], |row| rows::tenant(row, 0)).optional()?;
        let Some(tenant) = found else { break };
        after = tenant.as_str().to_owned();
        lanes.push(Lane::fan_out(tenant));
    }
    Ok(())
}

pub(super) fn unfinished(db: &Connection, lane: &Lane, limit: u32) -> Result<Vec<Waiting>> {
    match lane.work {
        Work::FanOut => db
            .prepare_cached(const { sql("unfinished_fan_out") })?
            .query_map(params![lane.tenant.as_str(), limit], |row| {
                let event = EventUid(rows::uid(row, 0)?);
                Ok(Waiting { event, seq: row.get(1)?, due: Timestamp::default(), retry: false })
            })?
            .collect(),
        Work::Deliver(webhook) => {
            let mut waiting = Vec::new();
            for statement in
                [const { sql("unfinished_by_hand") }, const { sql("unfinished_deliver") }]
            {
                let left = limit.saturating_sub(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
                let mut statement = db.prepare_cached(statement)?;
                let rows = statement.query_map(params![webhook.0.as_bytes(), left], |row| {
                    let (event, due) = (EventUid(rows::uid(row, 0)?), rows::time(row, 2)?);
                    Ok(Waiting { event, seq: row.get(1)?, due, retry: row.get(3)? })
                })?;
                for row in rows {
                    waiting.push(row?);
                }
            }
            Ok(waiting)
        }
    }
}

/// Also says whether some webhook has nothing stranded any more and need not be looked at again.
pub(super) fn stranded(db: &Connection, limit: u32) -> Result<(Vec<Stranded>, bool)> {
    let mut stranded = Vec::new();
    let mut over = false;
    let mut webhooks = db.prepare_cached(const { sql("stranded_webhooks") })?;
    let mut webhooks = webhooks.query([])?;
    while let Some(row) = webhooks.next()? {
        let left = limit.saturating_sub(u32::try_from(stranded.len()).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        let deleted: bool = row.get(1)?;
        let ended_by = if deleted { EndedBy::WebhookDeleted } else { EndedBy::Disabled };
        let found = of_webhook(db, WebhookId(rows::uid(row, 0)?), ended_by, left)?;
        over |= found.is_empty();
        stranded.extend(found);
    }
    Ok((stranded, over))
}

/// All that is unfinished of a webhook that will not be sent to again.
fn of_webhook(
    db: &Connection,
    webhook: WebhookId,
    ended_by: EndedBy,
    limit: u32,
) -> Result<Vec<Stranded>> {
    db.prepare_cached(const { sql("stranded_deliveries") })?
        .query_map(params![webhook.0.as_bytes(), limit], |row| {
            stranded_row(row, webhook, ended_by)
        })?
        .collect()
}

/// Those never tried are due since they were opened, so an index finds either kind.
pub(super) fn outlived(
    db: &Connection,
    webhook: WebhookId,
    opened_before: Timestamp,
    limit: u32,
) -> Result<Vec<Stranded>> {
    let mut found = Vec::new();
    for statement in [const { sql("outlived_pending") }, const { sql("outlived_retrying") }] {
        let mut statement = db.prepare_cached(statement)?;
        let key = params![webhook.0.as_bytes(), opened_before.0, limit];
        let rows = statement.query_map(key, |row| stranded_row(row, webhook, EndedBy::Age))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}

fn stranded_row(row: &Row, webhook: WebhookId, ended_by: EndedBy) -> Result<Stranded> {
    let delivery = DeliveryId { event: EventUid(rows::uid(row, 0)?), webhook };
    Ok(Stranded { delivery, attempts: rows::count(row, 1)?, ended_by })
}

pub(super) fn stranded_over(db: &Connection) -> Result<()> {
    db.prepare_cached(const { sql("stranded_over") })?.execute([]).map(drop)
}
