use model::attempt::ErrorClass;
use model::delivery::Status;
use model::event::EventType;
use model::id::{EventUid, WebhookId};
use model::stats::Counts;
use model::tenant::Tenant;
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{rows, sql};
use crate::stats::*;

/// What stands for all webhooks.
const ALL_WEBHOOKS: [u8; 16] = [0; 16];

pub(super) fn add(db: &Connection, more: &Additions) -> Result<()> {
    add_counts(db, &more.counts)?;
    let mut cause = db.prepare_cached(const { sql("add_cause") })?;
    for c in &more.causes {
        let (tenant, cause_text) = (name(c.tenant.as_ref()), cause_text(c.cause));
        let count = i64::try_from(c.count).unwrap_or(i64::MAX);
        cause.execute(params![c.begin.0, tenant, cause_text, count, c.first_at.0, c.last_at.0])?;
    }
    for change in &more.streaks {
        let webhook = change.webhook();
        let (streak, is_new) = match change {
            StreakChange::Over(_) => {
                db.prepare_cached(const { sql("streak_over") })?.execute([webhook.0.as_bytes()])?;
                continue;
            }
            StreakChange::New(streak) => (streak, true),
            StreakChange::Longer(streak) => (streak, false),
        };
        db.prepare_cached(const { sql("add_streak") })?.execute(params![
            webhook.0.as_bytes(),
            streak.tenant.as_str(),
            i64::try_from(streak.failures).unwrap_or(i64::MAX),
            streak.since.0,
            streak.last_at.0,
            cause_text(streak.cause),
            is_new
        ])?;
    }
    Ok(())
}

/// What is there is read, added to and replaced: only one thread writes.
fn add_counts(db: &Connection, more: &[(Series, Counts)]) -> Result<()> {
    let mut find = db.prepare_cached(const { sql("stats_one") })?;
    let mut put = db.prepare_cached(const { sql("put_stats") })?;
    for (series, counts) in more {
        let (tenant, event_type) =
            (name(series.tenant.as_ref()), type_name(series.event_type.as_ref()));
        let webhook = webhook_or_all(series.webhook);
        let key = params![series.span.secs(), series.begin.0, tenant, webhook, event_type];
        let there = find.query_row(key, |row| counts_of(row, 0)).optional()?;
        let encoded = match there {
            Some(mut there) => {
                there.add(counts);
                there.encode()
            }
            None => counts.encode(),
        };
        put.execute(params![
            series.span.secs(),
            series.begin.0,
            tenant,
            webhook,
            event_type,
            encoded
        ])?;
    }
    Ok(())
}

pub(super) fn stats(db: &Connection, of: &StatsFilter) -> Result<Vec<Counted>> {
    let mut found = Vec::new();
    let event_type = match &of.types {
        Types::One(event_type) => Some(event_type.clone()),
        Types::Together => None,
    };
    let (tenant, webhook) = (name(of.tenant.as_ref()), webhook_or_all(of.webhook));
    let one = event_type.as_ref().map_or("", EventType::as_str);
    let mut statement = db.prepare_cached(const { sql("stats_one") })?;
    for begin in begins(of) {
        if found.len() >= STATS_ROWS_MAX as usize {
            break;
        }
        let key = params![of.span.secs(), begin.0, tenant, webhook, one];
        let counts = statement.query_row(key, |row| counts_of(row, 0)).optional()?;
        let event_type = event_type.clone();
        found.extend(counts.map(|counts| Counted { begin, event_type, counts }));
    }
    found.reverse();
    Ok(found)
}

pub(super) fn by_type(db: &Connection, of: &StatsFilter) -> Result<CountsByType> {
    let (mut types, mut left) = (CountsByType::new(), STATS_ROWS_MAX);
    let (tenant, webhook) = (name(of.tenant.as_ref()), webhook_or_all(of.webhook));
    let mut statement = db.prepare_cached(const { sql("stats_types") })?;
    for begin in begins(of) {
        let mut read = statement.query(params![of.span.secs(), begin.0, tenant, webhook])?;
        while let Some(row) = read.next()? {
            let Some(rest) = left.checked_sub(1) else { return Ok(types) };
            left = rest;
            if let Ok(event_type) = EventType::parse(rows::text(row, 1)?) {
                types.entry(event_type).or_default().add(&counts_of(row, 0)?);
            }
        }
    }
    Ok(types)
}

/// From the newest on, so that it is the oldest that are left out.
fn begins(of: &StatsFilter) -> impl Iterator<Item = Timestamp> {
    let step = of.span.micros();
    let (first, last) = of.span.ends(of.since, of.until);
    std::iter::successors(Some(last), move |begin| Some(Timestamp(begin.0 - step)))
        .take_while(move |begin| *begin >= first)
}

fn webhook_or_all(webhook: Option<WebhookId>) -> [u8; 16] {
    webhook.map_or(ALL_WEBHOOKS, |id| id.0.0)
}

pub(super) fn stats_of(
    db: &Connection,
    webhooks: &[(Tenant, WebhookId)],
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Vec<Counted>>> {
    let of = |(tenant, webhook): &(Tenant, WebhookId)| StatsFilter {
        span: Span::FiveMinutes,
        since,
        until,
        tenant: Some(tenant.clone()),
        webhook: Some(*webhook),
        types: Types::Together,
    };
    webhooks.iter().map(|webhook| stats(db, &of(webhook))).collect()
}

pub(super) fn causes(
    db: &Connection,
    tenant: Option<&Tenant>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<CauseCount>> {
    db.prepare_cached(const { sql("causes") })?
        .query_map(params![Span::FiveMinutes.begin(since).0, name(tenant), limit], |row| {
            Ok(CauseCount {
                begin: rows::time(row, 0)?,
                tenant: tenant.cloned(),
                cause: cause(row, 1)?,
                count: rows::version(row, 2)?,
                first_at: rows::time(row, 3)?,
                last_at: rows::time(row, 4)?,
            })
        })?
        .collect()
}

pub(super) fn failing(db: &Connection, tenant: Option<&Tenant>, limit: u32) -> Result<Vec<Streak>> {
    db.prepare_cached(const { sql("failing") })?
        .query_map(params![tenant.map(Tenant::as_str), limit], streak)?
        .collect()
}

pub(super) fn streaks(db: &Connection, ids: &[WebhookId]) -> Result<Vec<Streak>> {
    let mut find = db.prepare_cached(const { sql("streak") })?;
    let found = ids.iter().map(|id| find.query_row([id.0.as_bytes()], streak).optional());
    found.filter_map(Result::transpose).collect()
}

/// Returns whether there may be more.
pub(super) fn forget(
    db: &Connection,
    minutes_before: Timestamp,
    before: Timestamp,
    limit: u32,
) -> Result<bool> {
    let mut more = false;
    for span in Span::ALL {
        let before = if span == Span::Minute { minutes_before } else { before };
        let key = params![span.secs(), before.0, limit];
        more |= db.prepare_cached(const { sql("forget_stats") })?.execute(key)? >= limit as usize;
    }
    let key = params![before.0, limit];
    more |= db.prepare_cached(const { sql("forget_causes") })?.execute(key)? >= limit as usize;
    Ok(more)
}

pub(super) fn webhook_totals(db: &Connection, tenant: Option<&Tenant>) -> Result<WebhookTotals> {
    let mut totals = WebhookTotals::default();
    let tenant = tenant.map(Tenant::as_str);
    let mut count = db.prepare_cached(const { sql("webhook_totals") })?;
    let mut read = count.query([tenant])?;
    while let Some(row) = read.next()? {
        let count = rows::version(row, 1)?;
        match rows::text(row, 0)? {
            "active" => totals.active += count,
            "paused" => totals.paused += count,
            _ => totals.disabled += count,
        }
    }
    totals.failing = db
        .prepare_cached(const { sql("failing_total") })?
        .query_row([tenant], |row| rows::version(row, 0))?;
    Ok(totals)
}

/// Of the database without its log.
pub(super) fn size_bytes(db: &Connection) -> Result<u64> {
    let pages: u64 = db.query_row("PRAGMA page_count", [], |row| rows::version(row, 0))?;
    let bytes: u64 = db.query_row("PRAGMA page_size", [], |row| rows::version(row, 0))?;
    Ok(pages * bytes)
}

pub(super) fn backlogs(db: &Connection, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>> {
    let mut count = db.prepare_cached(const { sql("backlog") })?;
    let mut first = db.prepare_cached(const { sql("backlog_first") })?;
    ids.iter()
        .map(|id| {
            let unfinished =
                count.query_row(params![id.0.as_bytes(), most], |row| rows::count(row, 0))?;
            let first_due =
                first.query_row([id.0.as_bytes()], |row| rows::time(row, 0)).optional()?;
            Ok(Backlog { unfinished, first_due })
        })
        .collect()
}

pub(super) fn statuses(
    db: &Connection,
    events: &[EventUid],
    most: u32,
) -> Result<Vec<StatusCounts>> {
    let mut statuses = db.prepare_cached(const { sql("statuses") })?;
    events
        .iter()
        .map(|event| {
            let mut counts = StatusCounts::default();
            let mut read = statuses.query(params![event.0.as_bytes(), most])?;
            while let Some(row) = read.next()? {
                *counts.of(rows::word(row, 0, Status::parse)?) = rows::count(row, 1)?;
            }
            Ok(counts)
        })
        .collect()
}

pub(super) fn is_to_fan_out(db: &Connection, event: EventUid) -> Result<bool> {
    db.prepare_cached(const { sql("is_to_fan_out") })?.exists([event.0.as_bytes()])
}

pub(super) fn unfinished_totals(
    db: &Connection,
    tenant: Option<&Tenant>,
    most: u32,
) -> Result<UnfinishedTotals> {
    let count = |all: &'static str, of_tenant: &'static str| match tenant {
        None => db.prepare_cached(all)?.query_row([most], |row| rows::count(row, 0)),
        Some(tenant) => db
            .prepare_cached(of_tenant)?
            .query_row(params![most, tenant.as_str()], |row| rows::count(row, 0)),
    };
    Ok(UnfinishedTotals {
        unfinished: count(
            const { sql("unfinished_total") },
            const { sql("unfinished_total_tenant") },
        )?,
        retrying: count(const { sql("retrying_total") }, const { sql("retrying_total_tenant") })?,
    })
}

fn name(tenant: Option<&Tenant>) -> &str {
    tenant.map_or("", Tenant::as_str)
}

fn type_name(event_type: Option<&EventType>) -> &str {
    event_type.map_or("", EventType::as_str)
}

fn cause_text(cause: Cause) -> String {
    cause.map_or_else(|class| class.as_str().to_owned(), |status| status.to_string())
}

fn cause(row: &Row, column: usize) -> Result<Cause> {
    let text = rows::text(row, column)?;
    match text.parse() {
        Ok(status) => Ok(Ok(status)),
        Err(_) => rows::word(row, column, ErrorClass::parse).map(Err),
    }
}

fn counts_of(row: &Row, column: usize) -> Result<Counts> {
    let bytes = row.get_ref(column)?;
    let bytes = bytes.as_blob().map_err(|e| rows::damaged(column, e.to_string()))?;
    Counts::decode(bytes).ok_or_else(|| rows::damaged(column, "counts that cannot be read"))
}

fn streak(row: &Row) -> Result<Streak> {
    Ok(Streak {
        webhook: WebhookId(rows::uid(row, 0)?),
        tenant: rows::tenant(row, 1)?,
        failures: rows::version(row, 2)?,
        since: rows::time(row, 3)?,
        last_at: rows::time(row, 4)?,
        cause: cause(row, 5)?,
    })
}
