use deadpool_postgres::{Object, Transaction};
use model::delivery::EndedBy;
use model::id::DeliveryId;
use model::time::Timestamp;

use super::batch::{execute, query};
use super::failure::Failure;
use super::rows::{self, Result};
use super::{look, sql};
use crate::store::Delivery;

/// How often a delivery is looked for that goes to and fro between the tables.
const LOOKS_MAX: usize = 10;

/// Repeated it makes the same, so a lost commit is repeated too.
pub(super) async fn retry(
    db: &mut Object,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let transaction = db.transaction().await?;
    let Some(table) = hold(&transaction, id).await? else { return Ok(None) };
    let before = look::delivery(&transaction, id).await?;
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    match table {
        Table::Unfinished => {
            execute(&transaction, const { sql("retry_unfinished") }, &[&event, &webhook]).await?;
        }
        Table::Finished => {
            keep_ending_attempt(&transaction, id).await?;
            let anew = const { sql("retry_finished") };
            execute(&transaction, anew, &[&event, &webhook, &now.0]).await?;
        }
    }
    transaction.commit().await?;
    Ok(before)
}

pub(super) async fn cancel(
    db: &mut Object,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let transaction = db.transaction().await?;
    let Some(table) = hold(&transaction, id).await? else { return Ok(None) };
    let before = look::delivery(&transaction, id).await?;
    if table == Table::Unfinished {
        end(&transaction, id, EndedBy::Cancelled, now).await?;
    }
    transaction.commit().await?;
    Ok(before)
}

/// In which of the tables a delivery is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Unfinished,
    Finished,
}

/// Where a delivery is, which nobody else changes until the transaction ends.
pub(super) async fn hold(db: &Transaction<'_>, id: DeliveryId) -> Result<Option<Table>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    // It may go from one to the other between two looks.
    for _ in 0..LOOKS_MAX {
        let unfinished = const { sql("hold_unfinished") };
        if !query(db, unfinished, &[&event, &webhook]).await?.is_empty() {
            return Ok(Some(Table::Unfinished));
        }
        if !query(db, const { sql("hold_finished") }, &[&event, &webhook]).await?.is_empty() {
            return Ok(Some(Table::Finished));
        }
        if look::delivery(db, id).await?.is_none() {
            return Ok(None);
        }
    }
    Err(Failure::Unavailable("a delivery begins and ends again and again".into()))
}

/// A finished delivery that is held has its ending attempt with the others from now on.
pub(super) async fn keep_ending_attempt(db: &Transaction<'_>, id: DeliveryId) -> Result<()> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    execute(db, const { sql("keep_ending_attempt") }, &[&event, &webhook]).await?;
    Ok(())
}

/// Ends a delivery that is unfinished and held.
pub(super) async fn end(
    db: &Transaction<'_>,
    id: DeliveryId,
    by: EndedBy,
    at: Timestamp,
) -> Result<()> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let (status, by) = (by.status().as_str(), by.as_str());
    execute(db, const { sql("end") }, &[&event, &webhook, &status, &by, &at.0]).await?;
    Ok(())
}
