//! Workers and duties. The times are those of the server's clock: that of each machine differs.

use std::time::Duration;

use deadpool_postgres::Object;
use model::id::WorkerId;
use model::time::Timestamp;

use super::batch::{execute, query};
use super::rows::{self, Result, micros};
use super::sql;
use crate::store::{WORKER_FORGOTTEN_AFTER, WorkerState};

pub(super) async fn announce(db: &Object, worker: &WorkerState) -> Result<()> {
    execute(
        db,
        const { sql("announce") },
        &[
            &rows::uuid(worker.id.0),
            &worker.version,
            &rows::int(worker.slots)?,
            &rows::int(worker.held)?,
            &worker.started_at.0,
            &worker.host,
            &i64::from(worker.pid),
        ],
    )
    .await?;
    let forgotten = micros(WORKER_FORGOTTEN_AFTER);
    execute(db, const { sql("announce_forget") }, &[&forgotten]).await?;
    execute(db, const { sql("announce_forget_duties") }, &[]).await?;
    Ok(())
}

pub(super) async fn retire(db: &Object, worker: WorkerId) -> Result<()> {
    for statement in [const { sql("retire") }, const { sql("retire_duties") }] {
        execute(db, statement, &[&rows::uuid(worker.0)]).await?;
    }
    Ok(())
}

pub(super) async fn workers(db: &Object) -> Result<Vec<(WorkerState, Timestamp)>> {
    let found = query(db, const { sql("workers") }, &[]).await?;
    let workers = found.iter().map(|row| {
        let worker = WorkerState {
            id: WorkerId(rows::uid(row, 0)?),
            version: rows::get(row, 1)?,
            host: rows::get(row, 6)?,
            pid: u32::try_from(rows::version(row, 7)?).unwrap_or_default(),
            slots: rows::count(row, 2)?,
            held: rows::count(row, 3)?,
            started_at: rows::time(row, 4)?,
        };
        Ok((worker, rows::time(row, 5)?))
    });
    workers.collect()
}

pub(super) async fn lead(
    db: &Object,
    duty: &str,
    worker: WorkerId,
    time: Duration,
) -> Result<bool> {
    let key = rows::uuid(worker.0);
    Ok(execute(db, const { sql("lead") }, &[&duty, &key, &micros(time)]).await? > 0)
}
