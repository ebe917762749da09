use deadpool_postgres::{Object, Transaction};
use model::delivery::Status;
use model::id::DeliveryId;
use model::time::Timestamp;

use super::batch::{execute, query};
use super::rows::{self, Result};
use super::sql;
use crate::store::Delivery;

/// Repeated it makes the same, so a lost commit is repeated too.
pub(super) async fn retry(
    db: &mut Object,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let transaction = db.transaction().await?;
    let Some(before) = hold(&transaction, id).await? else { return Ok(None) };
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    match before.status {
        Status::Pending | Status::Retrying => {
            execute(&transaction, const { sql("retry_waiting") }, &[&event, &webhook]).await?;
        }
        Status::Failed | Status::Cancelled => {
            let anew = const { sql("retry_ended") };
            execute(&transaction, anew, &[&event, &webhook, &now.0]).await?;
        }
        Status::Delivered => {}
    }
    transaction.commit().await?;
    Ok(Some(before))
}

pub(super) async fn cancel(
    db: &mut Object,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<Delivery>> {
    let transaction = db.transaction().await?;
    let Some(before) = hold(&transaction, id).await? else { return Ok(None) };
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    execute(&transaction, const { sql("cancel") }, &[&event, &webhook, &now.0]).await?;
    transaction.commit().await?;
    Ok(Some(before))
}

/// A delivery that nobody else changes until the transaction ends.
async fn hold(db: &Transaction<'_>, id: DeliveryId) -> Result<Option<Delivery>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let found = query(db, const { sql("hold_delivery") }, &[&event, &webhook]).await?;
    found.first().map(rows::delivery).transpose()
}
