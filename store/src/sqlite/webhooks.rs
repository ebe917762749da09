use model::id::WebhookId;
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::look::{self, Conditions};
use super::recent::Recent;
use super::rows::{self, damaged};
use super::sql;
use crate::store::{Registry, Saved, WebhookFilter};

pub(super) fn registry(db: &Connection, tenant: &Tenant, since: u64) -> Result<Registry> {
    // The version must never be newer than the webhooks.
    look::snapshot(db, || {
        let version = registry_version(db, tenant)?;
        let (mut webhooks, mut gone) = (Vec::new(), Vec::new());
        let mut changed = db.prepare_cached(const { sql("registry") })?;
        let mut changed = changed.query(params![tenant.as_str(), column(since)?])?;
        while let Some(row) = changed.next()? {
            match row.get(10)? {
                true => gone.push(WebhookId(rows::uid(row, 0)?)),
                false => webhooks.push(rows::webhook(row)?),
            }
        }
        // Not by the statement: it reads them in the order of their changes.
        webhooks.sort_unstable_by_key(|webhook| webhook.id);
        Ok(Registry { version, webhooks, gone })
    })
}

/// How often the tenant's webhooks were changed.
pub(super) fn registry_version(db: &Connection, tenant: &Tenant) -> Result<u64> {
    let version = db
        .prepare_cached(const { sql("registry_version") })?
        .query_row([tenant.as_str()], |row| rows::version(row, 0))
        .optional()?;
    Ok(version.unwrap_or(0))
}

/// Keeps the state of a webhook that is being written for.
pub(super) fn keep_recent(db: &Connection, recent: &Recent, id: WebhookId) -> Result<()> {
    if recent.knows_webhook(id) {
        return Ok(());
    }
    let state = db
        .prepare_cached(const { sql("webhook_state") })?
        .query_row([id.0.as_bytes()], |row| {
            Ok((rows::word(row, 0, WebhookStatus::parse)?, rows::version(row, 1)?))
        })
        .optional()?;
    if let Some((status, version)) = state {
        recent.webhook_is(id, status, version);
    }
    Ok(())
}

pub(super) fn webhooks(db: &Connection, ids: &[WebhookId]) -> Result<Vec<Webhook>> {
    let mut statement = db.prepare_cached(const { sql("webhook") })?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(statement.query_row([id.0.as_bytes()], rows::webhook).optional()?);
    }
    Ok(found)
}

pub(super) fn webhook_at(db: &Connection, tenant: &Tenant, url: &str) -> Result<Option<Webhook>> {
    db.prepare_cached(const { sql("webhook_at") })?
        .query_row([tenant.as_str(), url], rows::webhook)
        .optional()
}

pub(super) fn list(
    db: &Connection,
    filter: &WebhookFilter,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<Vec<Webhook>> {
    let of = |after: Option<WebhookId>| {
        let mut conditions = Conditions::new(const { sql("list_webhooks") });
        conditions.also("tenant =", filter.tenant.as_ref().map(|t| t.as_str().to_owned()));
        of_status(&mut conditions, filter.status);
        conditions.also("id <", after.map(|id| id.0.0.to_vec()));
        conditions
    };
    let newest_first = "ORDER BY id DESC";
    let Some(part) = filter.url_part.as_ref().map(|part| part.to_lowercase()) else {
        return of(after).query(db, newest_first, limit, rows::webhook);
    };
    // What many have is among the first.
    let first = of(after).query(db, newest_first, LOOKED_AT_FIRST, rows::webhook)?;
    let (is_all, last) = (first.len() < LOOKED_AT_FIRST as usize, first.last().map(|w| w.id));
    let found = first.into_iter().filter(|webhook| has(webhook.config.url.as_str(), &part));
    let mut found: Vec<_> = found.take(limit as usize).collect();
    if !is_all && found.len() < limit as usize {
        for id in with_url(db, filter, &part, last)? {
            let webhook = webhooks(db, &[id])?.pop();
            found.extend(webhook.filter(|w| filter.status.is_none_or(|status| status == w.status)));
            if found.len() >= limit as usize {
                break;
            }
        }
    }
    Ok(found)
}

/// Webhooks that are read before the index of URLs is looked through.
const LOOKED_AT_FIRST: u32 = 500;

/// Those with a part in their URL, newest first, from before `after`. The index of URLs is small beside the
/// table, and here a URL is looked at in a tenth of the time that it takes in SQL.
fn with_url(
    db: &Connection,
    filter: &WebhookFilter,
    part: &str,
    after: Option<WebhookId>,
) -> Result<Vec<WebhookId>> {
    let mut ids = Vec::new();
    let mut urls = db.prepare_cached(match filter.tenant {
        Some(_) => const { sql("webhook_urls_tenant") },
        None => const { sql("webhook_urls") },
    })?;
    let tenant = filter.tenant.iter().map(|tenant| tenant.as_str());
    let mut urls = urls.query(rusqlite::params_from_iter(tenant))?;
    while let Some(row) = urls.next()? {
        let id = WebhookId(rows::uid(row, 0)?);
        if after.is_none_or(|after| id < after) && has(rows::text(row, 1)?, part) {
            ids.push(id);
        }
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    Ok(ids)
}

/// What is after the question mark may be a credential, and is not to be guessed.
fn has(url: &str, part: &str) -> bool {
    let shown = url.split('?').next().unwrap_or(url);
    shown.to_ascii_lowercase().contains(part)
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

pub(super) fn insert(db: &Connection, recent: &Recent, webhook: &Webhook) -> Result<Saved> {
    let url = webhook.config.url.as_str();
    if let Some(other) = webhook_at(db, &webhook.tenant, url)? {
        return Ok(Saved::UrlTaken(other.id));
    }
    let version = bump(db, recent, &webhook.tenant)?;
    let saved = Webhook { registered_version: version, version, ..webhook.clone() };
    db.prepare_cached(const { sql("insert_webhook") })?.execute(params![
        saved.id.0.as_bytes(),
        saved.tenant.as_str(),
        url,
        saved.status.as_str(),
        saved.status_reason,
        column(version)?,
        json(&saved.config)?,
        json(&saved.secrets)?,
        saved.created_at.0,
        saved.updated_at.0
    ])?;
    Ok(Saved::Saved(saved))
}

pub(super) fn update(db: &Connection, recent: &Recent, webhook: &Webhook) -> Result<Saved> {
    let url = webhook.config.url.as_str();
    match webhook_at(db, &webhook.tenant, url)? {
        Some(other) if other.id != webhook.id => return Ok(Saved::UrlTaken(other.id)),
        Some(_) | None => {}
    }
    let current = webhooks(db, &[webhook.id])?.pop();
    if current.is_none_or(|current| current.version != webhook.version) {
        return Ok(Saved::Stale);
    }
    let version = bump(db, recent, &webhook.tenant)?;
    db.prepare_cached(const { sql("update_webhook") })?.execute(params![
        webhook.id.0.as_bytes(),
        column(webhook.version)?,
        url,
        webhook.status.as_str(),
        webhook.status_reason,
        column(version)?,
        json(&webhook.config)?,
        json(&webhook.secrets)?,
        webhook.updated_at.0
    ])?;
    recent.webhook_is(webhook.id, webhook.status, version);
    Ok(Saved::Saved(Webhook { version, ..webhook.clone() }))
}

pub(super) fn delete(
    db: &Connection,
    recent: &Recent,
    id: WebhookId,
    now: Timestamp,
) -> Result<bool> {
    let Some(webhook) = webhooks(db, &[id])?.pop() else { return Ok(false) };
    let version = bump(db, recent, &webhook.tenant)?;
    db.prepare_cached(const { sql("delete_webhook") })?.execute(params![
        id.0.as_bytes(),
        now.0,
        column(version)?
    ])?;
    db.prepare_cached(const { sql("streak_over") })?.execute([id.0.as_bytes()])?;
    recent.webhook_gone(id);
    Ok(true)
}

/// Disables a webhook that is not disabled yet.
pub(super) fn disable(
    db: &Connection,
    recent: &Recent,
    id: WebhookId,
    reason: &str,
    at: Timestamp,
) -> Result<()> {
    let tenant = db
        .prepare_cached(const { sql("webhook_tenant") })?
        .query_row([id.0.as_bytes()], |row| rows::tenant(row, 0))
        .optional()?;
    let Some(tenant) = tenant else { return Ok(()) };
    let version = bump(db, recent, &tenant)?;
    recent.webhook_is(id, WebhookStatus::Disabled, version);
    db.prepare_cached(const { sql("record_disable_webhook") })?
        .execute(params![id.0.as_bytes(), reason, column(version)?, at.0])
        .map(drop)
}

/// The tenant's next registry version.
fn bump(db: &Connection, recent: &Recent, tenant: &Tenant) -> Result<u64> {
    let version = db
        .prepare_cached(const { sql("bump_registry") })?
        .query_row([tenant.as_str()], |row| rows::version(row, 0))?;
    recent.registry_is(tenant, version);
    Ok(version)
}

pub(super) fn column(version: u64) -> Result<i64> {
    i64::try_from(version).map_err(|e| damaged(0, e.to_string()))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| damaged(0, e.to_string()))
}
