//! A partition for each day of events, with their deliveries and attempts: made ahead, dropped
//! whole. Dropping one costs the same however much is in it.

use std::collections::HashSet;

use deadpool_postgres::{GenericClient, Object, Transaction};
use model::id::Uid;
use model::time::Timestamp;
use uuid::Uuid;

use super::batch::{execute, query};
use super::migrations::TABLES_LOCK;
use super::rows::{self, Result};
use super::sql;

/// Those with partitions, in the order in which they are dropped.
const TABLES: [&str; 3] = ["attempts", "events", "finished_deliveries"];
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
/// Who waits for a table is waited for by all who come after: not for longer than this. It is less than
/// a server lets a deadlock stand (1 s), so that this gives up, and not one of the others.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '300ms'";
/// Rows deleted in one transaction.
const DELETED_MAX: i64 = 5_000;

/// A day in UTC, counted from the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(i64);

impl Day {
    fn of(time: Timestamp) -> Self {
        Self(time.0.div_euclid(DAY_US))
    }

    pub(super) fn of_id(uid: Uid) -> Self {
        Self::of(Timestamp::from_millis(uid.millis()))
    }

    /// The smallest id of the day.
    fn begin(self) -> Uuid {
        rows::uuid(Uid::floor(self.0.saturating_mul(DAY_US / 1_000)))
    }

    fn end(self) -> Uuid {
        Self(self.0 + 1).begin()
    }

    /// Such as `events_20260822`.
    fn table(self, parent: &str) -> String {
        let date = Timestamp(self.0.saturating_mul(DAY_US)).to_string();
        format!("{parent}_{}", date[..10].replace('-', ""))
    }

    fn parse(parent: &str, table: &str) -> Option<Self> {
        let digits = table.strip_prefix(parent)?.strip_prefix('_')?;
        if digits.len() != 8 {
            return None;
        }
        let date = format!("{}-{}-{}T00:00:00Z", &digits[..4], &digits[4..6], &digits[6..]);
        Timestamp::parse(&date).ok().map(Self::of)
    }
}

/// The partitions there are.
async fn existing(db: &Object) -> Result<HashSet<(String, Day)>> {
    let mut found = HashSet::new();
    for row in query(db, const { sql("partitions") }, &[]).await? {
        let (parent, table): (&str, &str) = (rows::get(&row, 0)?, rows::get(&row, 1)?);
        found.extend(Day::parse(parent, table).map(|day| (parent.to_owned(), day)));
    }
    Ok(found)
}

/// Makes the partitions of today and some days ahead. Repeated, or in two processes at once:
/// nothing more.
pub(super) async fn make(db: &mut Object, now: Timestamp, days_ahead: u16) -> Result<()> {
    let there = existing(db).await?;
    let today = Day::of(now).0;
    for day in (today..=today + i64::from(days_ahead)).map(Day) {
        let is_missing = |parent: &str| !there.contains(&(parent.to_owned(), day));
        if TABLES.iter().any(|parent| is_missing(parent)) {
            match make_day(db, day).await {
                // It came too late: the day goes to the default one.
                Err(e) if e.is_for_rows_in_default() => {}
                made => made?,
            }
        }
    }
    Ok(())
}

/// Attached, not made in place: so nobody waits who reads or writes other days.
async fn make_day(db: &mut Object, day: Day) -> Result<()> {
    let transaction = db.transaction().await?;
    transaction.batch_execute(LOCK_TIMEOUT).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&TABLES_LOCK]).await?;
    let (begin, end) = (day.begin(), day.end());
    for parent in TABLES {
        let table = day.table(parent);
        if exists(&transaction, &table).await? {
            continue;
        }
        transaction
            .batch_execute(&format!(
                "CREATE TABLE {table} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
                 ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ('{begin}') TO ('{end}')"
            ))
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Drops the oldest day of events before that of `since` that can go, or deletes events from the default
/// partition, at most `limit` rows of each table that belongs to them. A day with something unfinished
/// stays, whatever its age. Returns whether there may be more.
pub(super) async fn forget(db: &mut Object, since: Timestamp, limit: u32) -> Result<bool> {
    let bound = Day::of(since);
    let mut days: Vec<_> = existing(db).await?.into_iter().map(|(_, day)| day).collect();
    days.retain(|day| *day < bound);
    days.sort_unstable();
    days.dedup();
    for day in &days {
        if drop_day(db, *day).await? {
            return Ok(true);
        }
    }
    let more = forget_one_by_one(db, since, limit).await?;
    if !more {
        days.into_iter().for_each(report_kept);
    }
    Ok(more)
}

/// Once the round is over, which takes many calls.
fn report_kept(day: Day) {
    let partition = day.table("events");
    tracing::warn!(
        partition.name = partition,
        "a day of events is kept, since something of it is unfinished"
    );
}

/// Those of the default partition; an event goes after all that belongs to it.
async fn forget_one_by_one(db: &mut Object, since: Timestamp, limit: u32) -> Result<bool> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let limit = i64::from(limit);
    let transaction = db.transaction().await?;
    let mut bound = rows::uuid(Uid::floor(since.millis()));
    if let Some(row) = query(&transaction, const { sql("forget_inbox") }, &[]).await?.first() {
        // The events of an inbox row are of the day of its name.
        bound = bound.min(Day::of_id(rows::uid(row, 0)?).begin());
    }
    let old = const { sql("forget_events") };
    let found = query(&transaction, old, &[&bound, &limit]).await?;
    let mut gone = found.iter().map(|row| rows::get(row, 0)).collect::<Result<Vec<Uuid>>>()?;
    let (Some(first), Some(last)) = (gone.first().copied(), gone.last().copied()) else {
        return Ok(false);
    };
    // From here on nobody begins one of these deliveries anew; who did so before is seen.
    let hold = const { sql("forget_hold") };
    let held = query(&transaction, hold, &[&gone, &first, &last, &limit]).await?;
    let (mut events, mut webhooks) = (Vec::with_capacity(held.len()), Vec::new());
    for row in &query(&transaction, const { sql("forget_unfinished") }, &[&gone]).await? {
        let kept: Uuid = rows::get(row, 0)?;
        gone.retain(|uid| *uid != kept);
    }
    for row in &held {
        let event: Uuid = rows::get(row, 0)?;
        if gone.binary_search(&event).is_ok() {
            events.push(event);
            webhooks.push(rows::get::<Uuid>(row, 1)?);
        }
    }
    let attempts = const { sql("forget_attempts") };
    let attempts =
        execute(&transaction, attempts, &[&events, &webhooks, &first, &last, &limit]).await?;
    let is_part = attempts >= most as u64 || held.len() >= most;
    if attempts < most as u64 {
        let deliveries = const { sql("forget_deliveries") };
        execute(&transaction, deliveries, &[&events, &webhooks, &first, &last]).await?;
    }
    if !is_part {
        execute(&transaction, const { sql("forget") }, &[&gone]).await?;
    }
    transaction.commit().await?;
    Ok(is_part || found.len() >= most)
}

async fn drop_day(db: &mut Object, day: Day) -> Result<bool> {
    let (begin, end) = (day.begin(), day.end());
    if is_in_use(db, day).await? {
        return Ok(false);
    }
    // Before the events: none would be left that names keys which were not deleted.
    let keys = const { sql("forget_keys") };
    while execute(db, keys, &[&begin, &end, &DELETED_MAX]).await? > 0 {}

    let transaction = db.transaction().await?;
    transaction.batch_execute(LOCK_TIMEOUT).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&TABLES_LOCK]).await?;
    // First the parents, as everybody does; nobody begins a delivery anew between the look and the end.
    let parents = TABLES.map(|parent| format!("ONLY {parent}")).join(", ");
    let hold = format!("LOCK TABLE {parents} IN ACCESS EXCLUSIVE MODE");
    transaction.batch_execute(&hold).await?;
    if is_in_use(&transaction, day).await? {
        return Ok(false);
    }
    for parent in TABLES {
        transaction.batch_execute(&format!("DROP TABLE IF EXISTS {}", day.table(parent))).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

async fn is_in_use(db: &impl GenericClient, day: Day) -> Result<bool> {
    let found = query(db, const { sql("forget_in_use") }, &[&day.begin(), &day.end()]).await?;
    found.first().map_or(Ok(true), |row| rows::get(row, 0))
}

async fn exists(db: &Transaction<'_>, table: &str) -> Result<bool> {
    let there = "SELECT to_regclass($1) IS NOT NULL";
    rows::get(&db.query_one(there, &[&table]).await?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_by_its_date_and_bounded_by_ids() {
        let noon = Timestamp::from_secs(1_800_000_000);
        let day = Day::of(noon);
        assert_eq!(day.table("events"), "events_20270115");
        assert_eq!(Day::parse("events", "events_20270115"), Some(day));
        let id = rows::uuid(Uid::new(noon.millis(), &[255; 10]));
        assert!(day.begin() < id && id < day.end());
        assert_eq!(day.end(), Day(day.0 + 1).begin());
    }

    #[test]
    fn what_is_not_named_by_a_date_is_no_day() {
        for table in
            ["events_default", "events_2027011", "finished_deliveries_2027", "events_20271315"]
        {
            assert_eq!(Day::parse("events", table), None, "{table}");
        }
    }
}
