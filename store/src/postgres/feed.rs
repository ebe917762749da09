use deadpool_postgres::Object;
use model::delivery::EndedBy;
use model::id::{DeliveryId, Uid, WebhookId};
use model::time::Timestamp;
use tokio_postgres::Row;

use super::batch::{Values, execute, query};
use super::rows::{self, Result};
use super::sql;
use crate::queue::{Lane, Work};
use crate::store::{Stranded, Waiting};

/// Fan-out lanes by tenant come first, then webhooks by id. Each step seeks the next lane in an
/// index, so that a lane of a million items costs no more than one of one.
pub(super) async fn lanes(db: &Object, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>> {
    let limit = i64::from(limit);
    let mut lanes = Vec::new();
    let mut webhook = Uid([0; 16]);
    let tenant = match after.map(|lane| (&lane.tenant, lane.work)) {
        None => Some(""),
        Some((tenant, Work::FanOut)) => Some(tenant.as_str()),
        Some((_, Work::Deliver(id))) => {
            webhook = id.0;
            None
        }
    };
    if let Some(tenant) = tenant {
        for row in query(db, const { sql("lanes_fan_out") }, &[&tenant, &limit]).await? {
            lanes.push(Lane::fan_out(rows::tenant(&row, 0)?));
        }
    }
    let left = limit - i64::try_from(lanes.len()).unwrap_or(limit);
    if left > 0 {
        let webhook = rows::uuid(webhook);
        for row in query(db, const { sql("lanes_deliver") }, &[&webhook, &left]).await? {
            lanes.push(Lane::deliver(rows::tenant(&row, 1)?, rows::webhook_id(&row, 0)?));
        }
    }
    Ok(lanes)
}

pub(super) async fn unfinished(db: &Object, lane: &Lane, limit: u32) -> Result<Vec<Waiting>> {
    let at_most = i64::from(limit);
    match lane.work {
        Work::FanOut => {
            let tenant = lane.tenant.as_str();
            query(db, const { sql("unfinished_fan_out") }, &[&tenant, &at_most])
                .await?
                .iter()
                .map(|row| {
                    let (event, seq) = (rows::event_uid(row, 0)?, rows::get(row, 1)?);
                    Ok(Waiting { event, seq, due: Timestamp::default(), retry: false })
                })
                .collect()
        }
        Work::Deliver(webhook) => {
            let webhook = rows::uuid(webhook.0);
            let of_lane: Values<2> = [&webhook, &at_most];
            // Who asks by hand between the two is seen in both, or in none until the next time.
            let (by_hand, others) = tokio::try_join!(
                query(db, const { sql("unfinished_by_hand") }, &of_lane),
                query(db, const { sql("unfinished_deliver") }, &of_lane),
            )?;
            by_hand.iter().chain(&others).take(limit as usize).map(waiting).collect()
        }
    }
}

fn waiting(row: &Row) -> Result<Waiting> {
    Ok(Waiting {
        event: rows::event_uid(row, 0)?,
        seq: rows::get(row, 1)?,
        due: rows::time(row, 2)?,
        retry: rows::get(row, 3)?,
    })
}

/// Also takes the mark off webhooks of which nothing is stranded any more.
pub(super) async fn stranded(db: &Object, limit: u32) -> Result<Vec<Stranded>> {
    let found = query(db, const { sql("stranded") }, &[&i64::from(limit)]).await?;
    if found.len() < limit as usize {
        execute(db, const { sql("stranded_over") }, &[]).await?;
    }
    found
        .iter()
        .map(|row| {
            let is_deleted: bool = rows::get(row, 3)?;
            Ok(Stranded {
                delivery: DeliveryId {
                    event: rows::event_uid(row, 0)?,
                    webhook: rows::webhook_id(row, 1)?,
                },
                attempts: rows::count(row, 2)?,
                ended_by: if is_deleted { EndedBy::WebhookDeleted } else { EndedBy::Disabled },
            })
        })
        .collect()
}

/// Those never tried are due since they were opened, so an index finds either kind.
pub(super) async fn outlived(
    db: &Object,
    webhook: WebhookId,
    opened_before: Timestamp,
    limit: u32,
) -> Result<Vec<Stranded>> {
    let (id, at_most) = (rows::uuid(webhook.0), i64::from(limit));
    let old: Values<3> = [&id, &opened_before.0, &at_most];
    let (pending, retrying) = tokio::try_join!(
        query(db, const { sql("outlived_pending") }, &old),
        query(db, const { sql("outlived_retrying") }, &old),
    )?;
    let stranded = |row: &Row| {
        let delivery = DeliveryId { event: rows::event_uid(row, 0)?, webhook };
        Ok(Stranded { delivery, attempts: rows::count(row, 1)?, ended_by: EndedBy::Age })
    };
    pending.iter().chain(&retrying).take(limit as usize).map(stranded).collect()
}
