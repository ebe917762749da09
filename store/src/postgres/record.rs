//! Recording what came of deliveries.
//!
//! One statement ends deliveries by compare-and-set, each with the attempt that ended it in its row;
//! another plans those that go on and adds their attempts to those before. A batch that needs both is
//! a transaction. What they did not apply came late and is rare:
//! each of those is recorded in a transaction of its own, as is an outcome that disables its webhook.
//!
//! When the connection breaks at the commit the batch is not repeated here: what was applied would
//! count as late. Who called repeats it; then the state is as it should be, and the attempt may
//! stand on record twice.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use deadpool_postgres::{GenericClient, Object, Transaction};
use model::attempt::{Answer, Attempt, Trigger};
use model::delivery::{EndedBy, Next, Status};
use model::id::DeliveryId;
use model::time::Timestamp;
use tokio_postgres::Row;

use super::batch::{execute, query};
use super::by_hand::{Table, end, hold, keep_ending_attempt};
use super::failure::Failure;
use super::pool::{Pool, run};
use super::rows::{self, Result, micros, prose};
use super::{sql, webhooks};
use crate::store::{Outcome, Recorded};

static RECORD_ENDS: LazyLock<String> = LazyLock::new(|| of_outcomes(const { sql("record_ends") }));
static RECORD_PLANS: LazyLock<String> =
    LazyLock::new(|| of_outcomes(const { sql("record_plans") }));

/// What both begin with.
fn of_outcomes(applied: &str) -> String {
    [const { sql("record_outcomes") }, applied].join("\n")
}

pub(super) async fn record(pool: &Pool, outcomes: &[Outcome]) -> Result<Vec<Recorded>> {
    let mut recorded: Vec<Option<Recorded>> = vec![None; outcomes.len()];
    for round in rounds(outcomes) {
        let batch = round.iter().map(|n| &outcomes[*n]).filter(|o| o.disable_webhook.is_none());
        let batch: Vec<_> = batch.collect();
        let applied = run!(pool, |db| apply(db, &batch))?;
        for n in round {
            let outcome = &outcomes[n];
            recorded[n] = Some(match applied.get(&outcome.delivery) {
                Some(applied) => *applied,
                None => run!(pool, |db| record_alone(db, outcome))?,
            });
        }
    }
    Ok(recorded.into_iter().flatten().collect())
}

/// No delivery is twice in a round. In each they are in order, so that two processes never wait
/// for each other.
fn rounds(outcomes: &[Outcome]) -> Vec<Vec<usize>> {
    let mut left: Vec<_> = (0..outcomes.len()).collect();
    let mut rounds = Vec::new();
    while !left.is_empty() {
        let mut met = HashSet::with_capacity(left.len());
        let (mut round, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|n| met.insert(outcomes[*n].delivery));
        round.sort_by_key(|n| outcomes[*n].delivery);
        rounds.push(round);
        left = others;
    }
    rounds
}

async fn record_alone(db: &mut Object, outcome: &Outcome) -> Result<Recorded> {
    let transaction = db.transaction().await?;
    if let Some(reason) = &outcome.disable_webhook {
        let webhook = outcome.delivery.webhook;
        webhooks::disable(&transaction, webhook, reason, outcome.at).await?;
    }
    let applied = apply_alike(&transaction, &[outcome]).await?;
    let recorded = match applied.get(&outcome.delivery) {
        Some(applied) => *applied,
        None => record_late(&transaction, outcome).await?,
    };
    transaction.commit().await.map_err(Failure::of_commit)?;
    Ok(recorded)
}

/// What is to be recorded, a column each.
#[derive(Default)]
struct Columns<'o> {
    statuses: Vec<&'static str>,
    ended_by: Vec<Option<&'static str>>,
    ended_at: Vec<Option<i64>>,
    due: Vec<Option<i64>>,
    sent: Vec<i32>,
    planned: Vec<i32>,
    not_by_hand: Vec<bool>,
    attempts: Vec<Option<AttemptColumns<'o>>>,
}

impl<'o> Columns<'o> {
    fn of(outcomes: &[&'o Outcome]) -> Result<Self> {
        let mut columns = Self::default();
        for outcome in outcomes {
            let (status, ended_by, ended_at, due) = match outcome.next {
                Next::Retry { due } => (Status::Retrying, None, None, Some(due.0)),
                Next::End(by) => (by.status(), Some(by.as_str()), Some(outcome.at.0), None),
            };
            let attempt = outcome.attempt.as_ref();
            let trigger = attempt.map(|a| a.trigger);
            columns.statuses.push(status.as_str());
            columns.ended_by.push(ended_by);
            columns.ended_at.push(ended_at);
            columns.due.push(due);
            columns.sent.push(attempt.is_some().into());
            columns.planned.push((trigger == Some(Trigger::Schedule)).into());
            columns.not_by_hand.push(ended_at.is_some() || trigger == Some(Trigger::Manual));
            columns.attempts.push(attempt.map(AttemptColumns::of).transpose()?);
        }
        Ok(columns)
    }

    fn of_attempts<'s, T: Clone>(
        &'s self,
        column: impl Fn(&'s AttemptColumns<'o>) -> Option<T>,
    ) -> Vec<Option<T>> {
        self.attempts.iter().map(|attempt| attempt.as_ref().and_then(&column)).collect()
    }
}

struct AttemptColumns<'o> {
    attempt: &'o Attempt,
    answer: Option<i16>,
    error: Option<&'static str>,
    detail: Option<String>,
    headers: Option<String>,
}

impl<'o> AttemptColumns<'o> {
    fn of(attempt: &'o Attempt) -> Result<Self> {
        let (answer, error) = match attempt.answer {
            Answer::Status { code, .. } => (Some(i16::try_from(code).unwrap_or(i16::MAX)), None),
            Answer::Error(class) => (None, Some(class.as_str())),
        };
        let headers = attempt.response.as_ref().map(|r| serde_json::to_string(&r.headers));
        Ok(Self {
            attempt,
            answer,
            error,
            detail: attempt.detail.as_deref().map(|detail| prose(detail).into_owned()),
            headers: headers.transpose().map_err(|e| rows::damaged(e.to_string()))?,
        })
    }
}

/// The compare-and-set. Those that are not returned went on without their outcome.
async fn apply(db: &mut Object, outcomes: &[&Outcome]) -> Result<HashMap<DeliveryId, Recorded>> {
    let (ends, plans): (Vec<_>, Vec<_>) = outcomes.iter().copied().partition(|o| is_end(o));
    if ends.is_empty() || plans.is_empty() {
        return apply_alike(&*db, outcomes).await;
    }
    let transaction = db.transaction().await?;
    let mut applied = apply_alike(&transaction, &ends).await?;
    applied.extend(apply_alike(&transaction, &plans).await?);
    transaction.commit().await.map_err(Failure::of_commit)?;
    Ok(applied)
}

fn is_end(outcome: &Outcome) -> bool {
    matches!(outcome.next, Next::End(_))
}

/// Of outcomes that all end their delivery, or all do not.
async fn apply_alike(
    db: &impl GenericClient,
    outcomes: &[&Outcome],
) -> Result<HashMap<DeliveryId, Recorded>> {
    let events: Vec<_> = outcomes.iter().map(|o| rows::uuid(o.delivery.event.0)).collect();
    let webhooks: Vec<_> = outcomes.iter().map(|o| rows::uuid(o.delivery.webhook.0)).collect();
    let Some(first) = outcomes.first() else { return Ok(HashMap::new()) };
    let statement: &'static str = if is_end(first) { &RECORD_ENDS } else { &RECORD_PLANS };
    let before = outcomes.iter().map(|o| rows::int(o.attempts_before));
    let before = before.collect::<Result<Vec<_>>>()?;
    let c = Columns::of(outcomes)?;
    let timing = |of: fn(&Attempt) -> Option<i64>| c.of_attempts(|a| of(a.attempt));
    let found = query(
        db,
        statement,
        &[
            &events,
            &webhooks,
            &before,
            &c.statuses,
            &c.ended_by,
            &c.ended_at,
            &c.due,
            &c.sent,
            &c.planned,
            &c.not_by_hand,
            &c.of_attempts(|a| Some(a.attempt.trigger.as_str())),
            &timing(|a| Some(a.started_at.0)),
            &timing(|a| a.timings.dns.map(micros)),
            &timing(|a| a.timings.connect.map(micros)),
            &timing(|a| a.timings.first_byte.map(micros)),
            &timing(|a| a.timings.body.map(micros)),
            &timing(|a| Some(micros(a.timings.total))),
            &c.of_attempts(|a| a.answer),
            &c.of_attempts(|a| a.error),
            &c.of_attempts(|a| a.detail.as_deref()),
            &c.of_attempts(|a| a.headers.as_deref()),
            &c.of_attempts(|a| a.attempt.response.as_ref().map(|r| &r.body[..])),
            &c.of_attempts(|a| a.attempt.response.as_ref().map(|r| r.truncated)),
        ],
    )
    .await
    .map_err(Failure::of_commit)?;
    let at: HashMap<_, _> = outcomes.iter().map(|o| (o.delivery, o.at)).collect();
    let mut applied = HashMap::with_capacity(found.len());
    for row in &found {
        let id = DeliveryId { event: rows::event_uid(row, 0)?, webhook: rows::webhook_id(row, 1)? };
        let waits: bool = rows::get(row, 2)?;
        let due = match at.get(&id) {
            Some(at) if waits => Some(due_next(row, 3, *at)?),
            Some(_) | None => None,
        };
        applied.insert(id, Recorded { applied: true, due });
    }
    Ok(applied)
}

/// When an unfinished delivery is due: at once if a person asked for it.
fn due_next(row: &Row, column: usize, at: Timestamp) -> Result<Timestamp> {
    let by_hand: bool = rows::get(row, column + 1)?;
    if by_hand { Ok(at) } else { rows::time(row, column) }
}

/// Another outcome decided while this one was on its way, or somebody ended the delivery: it is
/// kept as an attempt, and changes the state only if it is a success.
async fn record_late(db: &Transaction<'_>, outcome: &Outcome) -> Result<Recorded> {
    let event = rows::uuid(outcome.delivery.event.0);
    let webhook = rows::uuid(outcome.delivery.webhook.0);
    if let Some(attempt) = &outcome.attempt
        && let Some(table) = hold(db, outcome.delivery).await?
    {
        record_late_attempt(db, outcome.delivery, table, attempt).await?;
        if attempt.answer.is_success() {
            match table {
                Table::Unfinished => {
                    end(db, outcome.delivery, EndedBy::Delivered, outcome.at).await?;
                }
                Table::Finished => {
                    let won = const { sql("record_late_success") };
                    execute(db, won, &[&event, &webhook, &outcome.at.0]).await?;
                }
            }
        }
    }
    let standing = query(db, const { sql("record_standing") }, &[&event, &webhook]).await?;
    let due = standing.first().map(|row| due_next(row, 0, outcome.at)).transpose()?;
    Ok(Recorded { applied: false, due })
}

async fn record_late_attempt(
    db: &Transaction<'_>,
    id: DeliveryId,
    table: Table,
    attempt: &Attempt,
) -> Result<()> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let AttemptColumns { answer, error, detail, headers, .. } = AttemptColumns::of(attempt)?;
    let (timings, response) = (&attempt.timings, attempt.response.as_ref());
    let (started_at, total) = (attempt.started_at.0, micros(timings.total));
    let count = match table {
        Table::Unfinished => const { sql("record_late_unfinished") },
        Table::Finished => {
            keep_ending_attempt(db, id).await?;
            const { sql("record_late_finished") }
        }
    };
    let counted =
        query(db, count, &[&event, &webhook, &started_at, &total, &answer, &error]).await?;
    let Some(counted) = counted.first() else { return Ok(()) };
    let (tenant, n): (&str, i32) = (rows::get(counted, 0)?, rows::get(counted, 1)?);
    execute(
        db,
        const { sql("record_late") },
        &[
            &event,
            &webhook,
            &n,
            &tenant,
            &started_at,
            &timings.dns.map(micros),
            &timings.connect.map(micros),
            &timings.first_byte.map(micros),
            &timings.body.map(micros),
            &total,
            &answer,
            &error,
            &attempt.trigger.as_str(),
            &detail,
            &headers,
            &response.map(|r| &r.body[..]),
            &response.map(|r| r.truncated),
        ],
    )
    .await?;
    Ok(())
}
