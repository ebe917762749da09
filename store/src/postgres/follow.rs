//! New events, for who follows them.
//!
//! Numbers are given out by a sequence, and transactions end in another order. What the sequence
//! gave out last says whether there is anything to look for, without a look at the events. Those
//! are found by their ids, which begin with the time at which they came in: recent ones. A number
//! that was given out and not found is doubted, and the position stays before it, until it is found
//! or the transaction that took it is over: every one that was under way when it was doubted. Then it
//! is looked for once more, also among ids that are older, of an event that waited or of a process
//! whose clock is behind. If it is not there either its transaction was undone.

use std::time::Duration;

use deadpool_postgres::Object;
use model::event::Event;
use model::id::{EventUid, Uid};
use model::tenant::Tenant;
use model::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::batch::{Bounds, query};
use super::rows::{self, Result};
use super::sql;
use crate::store::{Doubt, Noted, Position, Tail};

/// How much older than the last look an id may be, to be found by the next.
const RECENT: Duration = Duration::from_secs(3);
/// How much older than the first doubt an id may be: an event waits for a connection and is written in
/// less, and no clock may be behind the database's by more.
const LATE_MAX: Duration = Duration::from_secs(120);
/// For so long nothing is given up: a number may be taken a moment before its transaction is known.
const DOUBTED_MIN: Duration = Duration::from_secs(2);
/// No transaction that accepts lasts longer, but another one may, and would be waited for.
const DOUBTED_MAX: Duration = Duration::from_secs(90);
/// More numbers that are missing are a sequence that was put forward.
const DOUBTS_MAX: i64 = 20_000;
/// How often and how long a new reader waits for transactions under way.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What was numbered, and which transactions are over.
struct State {
    last: i64,
    /// All before this one are over.
    oldest: i64,
    /// No transaction of this number has begun.
    next: i64,
    now: Timestamp,
}

impl State {
    async fn of(db: &Object) -> Result<Self> {
        let found = query(db, const { sql("follow_state") }, &[]).await?;
        let row = found.first().ok_or_else(|| rows::damaged("the sequence of events is gone"))?;
        Ok(Self {
            last: rows::get(row, 0)?,
            oldest: rows::get(row, 1)?,
            next: rows::get(row, 2)?,
            now: rows::time(row, 3)?,
        })
    }
}

/// Behind everything that is answered: what was numbered before and is under way ends first, unless it
/// takes too long.
pub(super) async fn tail(db: &Object) -> Result<Tail> {
    let first = State::of(db).await?;
    let mut state = State::of(db).await?;
    let barrier = state.next;
    for _ in 0..LOOKS {
        if state.oldest >= barrier {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        state = State::of(db).await?;
    }
    // By the time at the beginning: what comes next may have waited since then.
    Ok(Tail::at(Position { seq: first.last, at: first.now }))
}

pub(super) async fn follow(db: &Object, tail: &Tail, limit: u32) -> Result<(Vec<Noted>, Tail)> {
    let state = State::of(db).await?;
    let mut next = tail.clone();
    if state.last <= tail.position.seq {
        // Less, if the database was put back: what comes next has those numbers anew.
        next = Tail::at(Position { seq: state.last, at: state.now });
        return Ok((Vec::new(), next));
    }
    let limit = i64::from(limit) + i64::try_from(tail.seen.len()).unwrap_or(i64::MAX >> 1);
    let from = tail.position.at - RECENT;
    let mut found = recent(db, from, tail.position.seq, None, limit).await?;
    let is_all = i64::try_from(found.len()).is_ok_and(|count| count < limit);
    let upto = match found.last() {
        Some(last) if !is_all => last.seq,
        Some(last) => last.seq.max(state.last),
        None => state.last,
    };
    found.retain(|noted| next.seen.insert(noted.seq));
    next.doubt(upto, &state);
    let over = next.over(&state);
    if let Some(first) = over.iter().filter_map(|seq| next.doubts.get(seq)).map(|d| d.since).min() {
        found.extend(doubted(db, first - LATE_MAX, &over).await?);
        found.sort_by_key(|noted| noted.seq);
    }
    next.settle(&over);
    if is_all {
        next.position.at = state.now;
    }
    Ok((found, next))
}

impl Tail {
    /// Doubts what was numbered and not seen, and sets the barriers of what was doubted before.
    fn doubt(&mut self, upto: i64, state: &State) {
        let Self { position, seen, doubts } = self;
        doubts.retain(|seq, _| !seen.contains(seq));
        for doubt in doubts.values_mut() {
            doubt.barrier.get_or_insert(state.next);
        }
        if upto - position.seq - i64::try_from(seen.len()).unwrap_or(i64::MAX) > DOUBTS_MAX {
            position.seq = upto - DOUBTS_MAX;
            *seen = seen.split_off(&(position.seq + 1));
            doubts.retain(|seq, _| *seq > position.seq);
        }
        for seq in position.seq + 1..=upto {
            if !seen.contains(&seq) {
                doubts.entry(seq).or_insert(Doubt { since: state.now, barrier: None });
            }
        }
    }

    /// Those doubted numbers whose transactions are over.
    fn over(&self, state: &State) -> Vec<i64> {
        let is_over = |doubt: &Doubt| {
            let age = state.now.since(doubt.since);
            let ended = doubt.barrier.is_some_and(|barrier| state.oldest >= barrier);
            (ended && age >= DOUBTED_MIN) || age >= DOUBTED_MAX
        };
        self.doubts.iter().filter(|(_, doubt)| is_over(doubt)).map(|(seq, _)| *seq).collect()
    }

    /// Goes on to the first number that is doubted still.
    fn settle(&mut self, over: &[i64]) {
        for seq in over {
            self.doubts.remove(seq);
            self.seen.insert(*seq);
        }
        let Self { position, seen, .. } = self;
        while seen.remove(&(position.seq + 1)) {
            position.seq += 1;
        }
    }
}

pub(super) async fn since(
    db: &Object,
    position: Position,
    tenant: Option<&Tenant>,
    limit: u32,
) -> Result<Vec<Noted>> {
    // What was doubted then is older than the position by as much as it was doubted for.
    let from = position.at - DOUBTED_MAX - LATE_MAX;
    recent(db, from, position.seq, tenant, limit.into()).await
}

/// Planned for these very values: to a planner that does not know them a beginning of ids is as good as
/// all of them.
async fn recent(
    db: &Object,
    from: Timestamp,
    seq: i64,
    tenant: Option<&Tenant>,
    limit: i64,
) -> Result<Vec<Noted>> {
    let from = floor(from);
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> =
        vec![(&from, Type::UUID), (&seq, Type::INT8), (&limit, Type::INT8)];
    let tenant = tenant.map(Tenant::as_str);
    if let Some(tenant) = &tenant {
        values.push((tenant, Type::TEXT));
    }
    let statement = match tenant {
        Some(_) => const { sql("since_of_tenant") },
        None => const { sql("follow_recent") },
    };
    db.query_typed(statement, &values).await?.iter().map(noted).collect()
}

async fn doubted(db: &Object, from: Timestamp, seqs: &[i64]) -> Result<Vec<Noted>> {
    let (from, seqs) = (floor(from), seqs.to_vec());
    let values: [(&(dyn ToSql + Sync), Type); 2] = [(&from, Type::UUID), (&seqs, Type::INT8_ARRAY)];
    db.query_typed(const { sql("follow_doubted") }, &values).await?.iter().map(noted).collect()
}

fn noted(row: &Row) -> Result<Noted> {
    Ok(Noted {
        seq: rows::get(row, 0)?,
        uid: rows::event_uid(row, 1)?,
        tenant: rows::tenant(row, 2)?,
        event_type: rows::event_type(row, 3)?,
    })
}

pub(super) async fn events(db: &Object, uids: &[EventUid]) -> Result<Vec<Event>> {
    let uids: Vec<_> = uids.iter().map(|uid| rows::uuid(uid.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&uids) else { return Ok(Vec::new()) };
    let found = query(db, const { sql("events") }, &[&uids, &low, &high]).await?;
    found.iter().map(rows::event).collect()
}

/// The smallest id of that time.
fn floor(time: Timestamp) -> Uuid {
    rows::uuid(Uid::floor(time.millis()))
}
