//! Webhooks. A change holds its tenant's registry from its first statement on, so changes of one
//! tenant are made one after the other and each finds what the one before left; then it tells who
//! listens.

use deadpool_postgres::{GenericClient, Object, Transaction};
use model::id::WebhookId;
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::batch::{execute, query};
use super::conditions::Conditions;
use super::failure::Failure;
use super::rows::{self, Result, bigint, damaged, prose};
use super::sql;
use crate::store::{Registry, Saved, WebhookFilter};

/// One statement: the version must never be newer than the webhooks.
pub(super) async fn registry(db: &Object, tenant: &Tenant, since: u64) -> Result<Registry> {
    let key: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &bigint(since)?];
    let found = match since {
        0 => query(db, const { sql("registry") }, &key[..1]).await?,
        _ => query(db, const { sql("registry_since") }, &key).await?,
    };
    let version = found.first().map(|row| rows::version(row, 10)).transpose()?.unwrap_or(0);
    let (mut webhooks, mut gone) = (Vec::new(), Vec::new());
    // Where nothing changed there is one row of nothing.
    let is_one = |row: &&Row| !matches!(row.try_get::<_, Option<uuid::Uuid>>(0), Ok(None));
    for row in found.iter().filter(is_one) {
        match rows::get(row, 11)? {
            true => gone.push(rows::webhook_id(row, 0)?),
            false => webhooks.push(rows::webhook(row)?),
        }
    }
    Ok(Registry { version, webhooks, gone })
}

pub(super) async fn webhooks(db: &impl GenericClient, ids: &[WebhookId]) -> Result<Vec<Webhook>> {
    let ids: Vec<_> = ids.iter().map(|id| rows::uuid(id.0)).collect();
    query(db, const { sql("webhooks") }, &[&ids]).await?.iter().map(rows::webhook).collect()
}

pub(super) async fn webhook_at(
    db: &impl GenericClient,
    tenant: &Tenant,
    url: &str,
) -> Result<Option<Webhook>> {
    if !rows::may_be_stored(url) {
        return Ok(None);
    }
    let found = query(db, const { sql("webhook_at") }, &[&tenant.as_str(), &url]).await?;
    found.first().map(rows::webhook).transpose()
}

pub(super) async fn list(
    db: &Object,
    filter: &WebhookFilter,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<Vec<Webhook>> {
    let mut conditions = Conditions::new(const { sql("list_webhooks") });
    conditions.also("tenant =", filter.tenant.as_ref());
    of_status(&mut conditions, filter.status);
    if let Some(part) = &filter.url_part {
        if !rows::may_be_stored(part) {
            return Ok(Vec::new());
        }
        // What is after the question mark may be a credential, and is not to be guessed.
        let has = "strpos(lower(split_part(url, '?', 1)), {}) > 0";
        conditions.holds(has, part.to_lowercase());
    }
    conditions.also("id <", after.map(|id| rows::uuid(id.0)));
    conditions.query(&***db, "id DESC", limit, rows::webhook).await
}

/// Spelled out, so that the partial index of those that are not active can serve it.
fn of_status(conditions: &mut Conditions, status: Option<WebhookStatus>) {
    match status {
        None => {}
        Some(WebhookStatus::Active) => conditions.raw("status = 'active'"),
        Some(WebhookStatus::Paused) => conditions.raw("status <> 'active' AND status = 'paused'"),
        Some(WebhookStatus::Disabled) => {
            conditions.raw("status <> 'active' AND status = 'disabled'");
        }
    }
}

pub(super) async fn insert(db: &mut Object, webhook: &Webhook) -> Result<Saved> {
    let transaction = db.transaction().await?;
    let version = hold_registry(&transaction, &webhook.tenant).await? + 1;
    let url = webhook.config.url.as_str();
    if let Some(other) = webhook_at(&transaction, &webhook.tenant, url).await? {
        return Ok(Saved::UrlTaken(other.id));
    }
    let saved = Webhook { registered_version: version, version, ..webhook.clone() };
    execute(
        &transaction,
        const { sql("insert_webhook") },
        &[
            &rows::uuid(saved.id.0),
            &saved.tenant.as_str(),
            &url,
            &saved.status.as_str(),
            &saved.status_reason.as_deref().map(prose),
            &bigint(version)?,
            &json(&saved.config)?,
            &json(&saved.secrets)?,
            &saved.created_at.0,
            &saved.updated_at.0,
            &(saved.status == WebhookStatus::Disabled),
        ],
    )
    .await?;
    change(transaction, &saved.tenant, version).await?;
    Ok(Saved::Saved(saved))
}

pub(super) async fn update(db: &mut Object, webhook: &Webhook) -> Result<Saved> {
    let transaction = db.transaction().await?;
    let version = hold_registry(&transaction, &webhook.tenant).await? + 1;
    let url = webhook.config.url.as_str();
    match webhook_at(&transaction, &webhook.tenant, url).await? {
        Some(other) if other.id != webhook.id => return Ok(Saved::UrlTaken(other.id)),
        Some(_) | None => {}
    }
    let updated = execute(
        &transaction,
        const { sql("update_webhook") },
        &[
            &rows::uuid(webhook.id.0),
            &bigint(webhook.version)?,
            &url,
            &webhook.status.as_str(),
            &webhook.status_reason.as_deref().map(prose),
            &bigint(version)?,
            &json(&webhook.config)?,
            &json(&webhook.secrets)?,
            &webhook.updated_at.0,
            &(webhook.status == WebhookStatus::Disabled),
        ],
    )
    .await?;
    if updated == 0 {
        return Ok(Saved::Stale);
    }
    change(transaction, &webhook.tenant, version).await?;
    Ok(Saved::Saved(Webhook { version, ..webhook.clone() }))
}

pub(super) async fn delete(db: &mut Object, id: WebhookId, now: Timestamp) -> Result<bool> {
    let transaction = db.transaction().await?;
    let Some(webhook) = webhooks(&transaction, &[id]).await?.pop() else { return Ok(false) };
    let version = hold_registry(&transaction, &webhook.tenant).await? + 1;
    let delete = const { sql("delete_webhook") };
    let key = rows::uuid(id.0);
    if execute(&transaction, delete, &[&key, &now.0, &bigint(version)?]).await? == 0 {
        return Ok(false);
    }
    execute(&transaction, const { sql("streaks_over") }, &[&vec![key]]).await?;
    change(transaction, &webhook.tenant, version).await?;
    Ok(true)
}

/// Disables a webhook that is not disabled yet; part of a record.
pub(super) async fn disable(
    db: &Transaction<'_>,
    id: WebhookId,
    reason: &str,
    at: Timestamp,
) -> Result<()> {
    let key = rows::uuid(id.0);
    let found = query(db, const { sql("record_webhook") }, &[&key]).await?;
    let Some(tenant) = found.first().map(|row| rows::tenant(row, 0)).transpose()? else {
        return Ok(());
    };
    let version = hold_registry(db, &tenant).await? + 1;
    let disable = const { sql("record_disable_webhook") };
    if execute(db, disable, &[&key, &prose(reason), &bigint(version)?, &at.0]).await? > 0 {
        set_version(db, &tenant, version).await?;
    }
    Ok(())
}

/// The tenant's registry version, which nobody else changes until the transaction ends.
async fn hold_registry(db: &Transaction<'_>, tenant: &Tenant) -> Result<u64> {
    let held = query(db, const { sql("hold_registry") }, &[&tenant.as_str()]).await?;
    held.first().map_or(Ok(0), |row| rows::version(row, 0))
}

/// Sets the tenant's registry version and makes it all last.
async fn change(transaction: Transaction<'_>, tenant: &Tenant, version: u64) -> Result<()> {
    set_version(&transaction, tenant, version).await?;
    transaction.commit().await.map_err(Failure::of_commit)
}

async fn set_version(db: &Transaction<'_>, tenant: &Tenant, version: u64) -> Result<()> {
    let change = const { sql("change_registry") };
    execute(db, change, &[&tenant.as_str(), &bigint(version)?]).await?;
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| damaged(e.to_string()))
}
