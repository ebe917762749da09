use std::collections::HashMap;

use deadpool_postgres::{Object, Transaction};
use futures_util::TryStreamExt as _;
use model::attempt::ErrorClass;
use model::delivery::Status;
use model::event::EventType;
use model::id::{EventUid, WebhookId};
use model::stats::Counts;
use model::tenant::Tenant;
use model::time::Timestamp;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use super::batch::{Bounds, execute, query};
use super::failure::Failure;
use super::rows::{self, Result};
use super::sql;
use crate::stats::*;

/// Held by who adds: what is there is read, added to and replaced.
const STATS_LOCK: i64 = 0x706f_7374_7374;

pub(super) async fn add(db: &mut Object, more: &Additions) -> Result<()> {
    let transaction = db.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&STATS_LOCK]).await?;
    add_counts(&transaction, &more.counts).await?;
    add_causes(&transaction, &more.causes).await?;
    change_streaks(&transaction, &more.streaks).await?;
    transaction.commit().await.map_err(Failure::of_commit)
}

/// The keys of series, a column each.
#[derive(Default)]
struct Keys<'s> {
    spans: Vec<i32>,
    begins: Vec<i64>,
    tenants: Vec<&'s str>,
    webhooks: Vec<Uuid>,
    types: Vec<&'s str>,
}

async fn add_counts(db: &Transaction<'_>, more: &[(Series, Counts)]) -> Result<()> {
    let mut keys = Keys::default();
    for (series, _) in more {
        keys.spans.push(span(series.span));
        keys.begins.push(series.begin.0);
        keys.tenants.push(name(series.tenant.as_ref()));
        keys.webhooks.push(webhook_or_all(series.webhook));
        keys.types.push(type_name(series.event_type.as_ref()));
    }
    let Keys { spans, begins, tenants, webhooks, types } = &keys;
    let found = const { sql("stats_found") };
    let found = query(db, found, &[spans, begins, tenants, webhooks, types]).await?;
    let mut there = HashMap::with_capacity(found.len());
    for row in &found {
        there.insert(rows::get::<i64>(row, 0)?, counts_of(row, 1)?);
    }
    let encoded = more.iter().zip(1_i64..).map(|((_, counts), n)| match there.remove(&n) {
        Some(mut there) => {
            there.add(counts);
            there.encode()
        }
        None => counts.encode(),
    });
    let encoded: Vec<_> = encoded.collect();
    let put = const { sql("put_stats") };
    execute(db, put, &[spans, begins, tenants, webhooks, types, &encoded]).await?;
    Ok(())
}

async fn add_causes(db: &Transaction<'_>, more: &[CauseCount]) -> Result<()> {
    let begins: Vec<_> = more.iter().map(|c| c.begin.0).collect();
    let tenants: Vec<_> = more.iter().map(|c| name(c.tenant.as_ref())).collect();
    let causes: Vec<_> = more.iter().map(|c| cause_text(c.cause)).collect();
    let counts: Vec<_> = more.iter().map(|c| i64::try_from(c.count).unwrap_or(i64::MAX)).collect();
    let first: Vec<_> = more.iter().map(|c| c.first_at.0).collect();
    let last: Vec<_> = more.iter().map(|c| c.last_at.0).collect();
    let add = const { sql("add_causes") };
    execute(db, add, &[&begins, &tenants, &causes, &counts, &first, &last]).await?;
    Ok(())
}

async fn change_streaks(db: &Transaction<'_>, changes: &[StreakChange]) -> Result<()> {
    let mut over = Vec::new();
    let (mut streaks, mut new) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            StreakChange::Over(webhook) => over.push(rows::uuid(webhook.0)),
            StreakChange::New(streak) | StreakChange::Longer(streak) => {
                streaks.push(streak);
                if matches!(change, StreakChange::New(_)) {
                    new.push(rows::uuid(streak.webhook.0));
                }
            }
        }
    }
    execute(db, const { sql("streaks_over") }, &[&over]).await?;
    let webhooks: Vec<_> = streaks.iter().map(|s| rows::uuid(s.webhook.0)).collect();
    let tenants: Vec<_> = streaks.iter().map(|s| s.tenant.as_str()).collect();
    let failures = streaks.iter().map(|s| i64::try_from(s.failures).unwrap_or(i64::MAX));
    let failures: Vec<_> = failures.collect();
    let since: Vec<_> = streaks.iter().map(|s| s.since.0).collect();
    let last: Vec<_> = streaks.iter().map(|s| s.last_at.0).collect();
    let causes: Vec<_> = streaks.iter().map(|s| cause_text(s.cause)).collect();
    let add = const { sql("add_streaks") };
    execute(db, add, &[&webhooks, &tenants, &failures, &since, &last, &causes, &new]).await?;
    Ok(())
}

pub(super) async fn stats(db: &Object, of: &StatsFilter) -> Result<Vec<Counted>> {
    let (event_type, one) = match &of.types {
        Types::One(event_type) => (Some(event_type), event_type.as_str()),
        Types::Together => (None, ""),
    };
    let found = rows_of(db, of, Some(one)).await?;
    let mut found = std::pin::pin!(found);
    let mut counted = Vec::new();
    while let Some(row) = found.try_next().await? {
        let (begin, counts) = (rows::time(&row, 0)?, counts_of(&row, 2)?);
        counted.push(Counted { begin, event_type: event_type.cloned(), counts });
    }
    counted.reverse();
    Ok(counted)
}

pub(super) async fn by_type(db: &Object, of: &StatsFilter) -> Result<CountsByType> {
    let found = rows_of(db, of, None).await?;
    let mut found = std::pin::pin!(found);
    let mut types = CountsByType::new();
    while let Some(row) = found.try_next().await? {
        if let Ok(event_type) = EventType::parse(rows::get(&row, 1)?) {
            types.entry(event_type).or_default().add(&counts_of(&row, 2)?);
        }
    }
    Ok(types)
}

/// One by one, the newest first. Without `one` of each type.
async fn rows_of(db: &Object, of: &StatsFilter, one: Option<&str>) -> Result<RowStream> {
    let (tenant, webhook) = (name(of.tenant.as_ref()), webhook_or_all(of.webhook));
    let ((first, last), step) = (of.span.ends(of.since, of.until), of.span.micros());
    let most = i64::from(STATS_ROWS_MAX);
    let values: super::batch::Values<'_, 8> =
        [&span(of.span), &last.0, &first.0, &-step, &tenant, &webhook, &one, &most];
    let statement = db.prepare_cached(const { sql("stats") }).await?;
    Ok(db.query_raw(&statement, values).await?)
}

pub(super) async fn stats_of(
    db: &Object,
    webhooks: &[(Tenant, WebhookId)],
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Vec<Counted>>> {
    let tenants: Vec<_> = webhooks.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let ids: Vec<_> = webhooks.iter().map(|(_, id)| rows::uuid(id.0)).collect();
    let of = Span::FiveMinutes;
    let ((first, last), step) = (of.ends(since, until), of.micros());
    let values: super::batch::Values<'_, 6> = [&span(of), &first.0, &last.0, &step, &tenants, &ids];
    let mut found = vec![Vec::new(); webhooks.len()];
    for row in query(db, const { sql("stats_of") }, &values).await? {
        let (begin, counts) = (rows::time(&row, 0)?, counts_of(&row, 1)?);
        let n = usize::try_from(rows::get::<i64>(&row, 2)? - 1).unwrap_or(usize::MAX);
        if let Some(of) = found.get_mut(n) {
            of.push(Counted { begin, event_type: None, counts });
        }
    }
    found.iter_mut().for_each(|counted| counted.sort_by_key(|counted| counted.begin));
    Ok(found)
}

pub(super) async fn causes(
    db: &Object,
    tenant: Option<&Tenant>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<CauseCount>> {
    let begin = Span::FiveMinutes.begin(since).0;
    let limit = i64::from(limit);
    let found = query(db, const { sql("causes") }, &[&begin, &name(tenant), &limit]).await?;
    let counts = found.iter().map(|row| {
        Ok(CauseCount {
            begin: rows::time(row, 0)?,
            tenant: tenant.cloned(),
            cause: cause(row, 1)?,
            count: rows::version(row, 2)?,
            first_at: rows::time(row, 3)?,
            last_at: rows::time(row, 4)?,
        })
    });
    counts.collect()
}

pub(super) async fn failing(
    db: &Object,
    tenant: Option<&Tenant>,
    limit: u32,
) -> Result<Vec<Streak>> {
    let limit = i64::from(limit);
    let tenant = tenant.map(Tenant::as_str);
    let found = query(db, const { sql("failing") }, &[&tenant, &limit]).await?;
    found.iter().map(streak).collect()
}

pub(super) async fn streaks(db: &Object, ids: &[WebhookId]) -> Result<Vec<Streak>> {
    let ids: Vec<_> = ids.iter().map(|id| rows::uuid(id.0)).collect();
    query(db, const { sql("streaks") }, &[&ids]).await?.iter().map(streak).collect()
}

/// Returns whether there may be more.
pub(super) async fn forget(
    db: &Object,
    minutes_before: Timestamp,
    before: Timestamp,
    limit: u32,
) -> Result<bool> {
    let (mut more, most) = (false, i64::from(limit));
    for of in Span::ALL {
        let before = if of == Span::Minute { minutes_before } else { before };
        let gone = const { sql("forget_stats") };
        more |= execute(db, gone, &[&span(of), &before.0, &most]).await? >= u64::from(limit);
    }
    let gone = execute(db, const { sql("forget_causes") }, &[&before.0, &most]).await?;
    Ok(more || gone >= u64::from(limit))
}

pub(super) async fn webhook_totals(db: &Object, tenant: Option<&Tenant>) -> Result<WebhookTotals> {
    let tenant = tenant.map(Tenant::as_str);
    let mut totals = WebhookTotals::default();
    for row in &query(db, const { sql("webhook_totals") }, &[&tenant]).await? {
        let count = rows::version(row, 1)?;
        match rows::get(row, 0)? {
            "active" => totals.active += count,
            "paused" => totals.paused += count,
            _ => totals.disabled += count,
        }
    }
    let failing = query(db, const { sql("failing_total") }, &[&tenant]).await?;
    totals.failing = failing.first().map_or(Ok(0), |row| rows::version(row, 0))?;
    Ok(totals)
}

pub(super) async fn size_bytes(db: &Object) -> Result<Option<u64>> {
    let found = query(db, const { sql("size_bytes") }, &[]).await?;
    found.first().map(|row| rows::version(row, 0)).transpose()
}

pub(super) async fn backlogs(db: &Object, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>> {
    let uuids: Vec<_> = ids.iter().map(|id| rows::uuid(id.0)).collect();
    let found = query(db, const { sql("backlogs") }, &[&uuids, &i64::from(most)]).await?;
    let backlogs = found.iter().map(|row| {
        let unfinished = u32::try_from(rows::version(row, 0)?).unwrap_or(u32::MAX);
        let first_due = rows::get::<Option<i64>>(row, 1)?.map(Timestamp);
        Ok(Backlog { unfinished, first_due })
    });
    backlogs.collect()
}

pub(super) async fn statuses(
    db: &Object,
    events: &[EventUid],
    most: u32,
) -> Result<Vec<StatusCounts>> {
    let uuids: Vec<_> = events.iter().map(|event| rows::uuid(event.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&uuids) else { return Ok(Vec::new()) };
    let mut counts = vec![StatusCounts::default(); events.len()];
    let read = const { sql("statuses") };
    for row in &query(db, read, &[&uuids, &low, &high, &i64::from(most)]).await? {
        let n = usize::try_from(rows::version(row, 0)?).unwrap_or_default();
        let count = u32::try_from(rows::version(row, 2)?).unwrap_or(u32::MAX);
        if let Some(counts) = counts.get_mut(n.saturating_sub(1)) {
            *counts.of(rows::word(row, 1, Status::parse)?) = count;
        }
    }
    Ok(counts)
}

pub(super) async fn is_to_fan_out(db: &Object, event: EventUid) -> Result<bool> {
    Ok(!query(db, const { sql("is_to_fan_out") }, &[&rows::uuid(event.0)]).await?.is_empty())
}

pub(super) async fn unfinished_totals(
    db: &Object,
    tenant: Option<&Tenant>,
    most: u32,
) -> Result<UnfinishedTotals> {
    let most = i64::from(most);
    let found = match tenant {
        None => query(db, const { sql("unfinished_totals") }, &[&most]).await?,
        Some(tenant) => {
            query(db, const { sql("unfinished_totals_tenant") }, &[&most, &tenant.as_str()]).await?
        }
    };
    let Some(row) = found.first() else { return Ok(UnfinishedTotals::default()) };
    let count = |column| -> Result<u32> {
        Ok(u32::try_from(rows::version(row, column)?).unwrap_or(u32::MAX))
    };
    Ok(UnfinishedTotals { unfinished: count(0)?, retrying: count(1)? })
}

fn span(span: Span) -> i32 {
    i32::try_from(span.secs()).unwrap_or(i32::MAX)
}

fn name(tenant: Option<&Tenant>) -> &str {
    tenant.map_or("", Tenant::as_str)
}

fn webhook_or_all(webhook: Option<WebhookId>) -> Uuid {
    webhook.map_or(Uuid::nil(), |id| rows::uuid(id.0))
}

fn type_name(event_type: Option<&EventType>) -> &str {
    event_type.map_or("", EventType::as_str)
}

fn cause_text(cause: Cause) -> String {
    cause.map_or_else(|class| class.as_str().to_owned(), |status| status.to_string())
}

fn cause(row: &Row, column: usize) -> Result<Cause> {
    match rows::get::<&str>(row, column)?.parse() {
        Ok(status) => Ok(Ok(status)),
        Err(_) => rows::word(row, column, ErrorClass::parse).map(Err),
    }
}

fn counts_of(row: &Row, column: usize) -> Result<Counts> {
    let counts = Counts::decode(rows::get(row, column)?);
    counts.ok_or_else(|| rows::damaged("counts that cannot be read"))
}

fn streak(row: &Row) -> Result<Streak> {
    Ok(Streak {
        webhook: rows::webhook_id(row, 0)?,
        tenant: rows::tenant(row, 1)?,
        failures: rows::version(row, 2)?,
        since: rows::time(row, 3)?,
        last_at: rows::time(row, 4)?,
        cause: cause(row, 5)?,
    })
}
