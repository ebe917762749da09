use std::time::Duration;

use model::id::WorkerId;
use model::time::Timestamp;
use rusqlite::{Connection, Result, params};

use super::{rows, sql};
use crate::store::{WORKER_FORGOTTEN_AFTER, WorkerState};

pub(super) fn announce(db: &Connection, worker: &WorkerState, now: Timestamp) -> Result<()> {
    db.prepare_cached(const { sql("announce") })?.execute(params![
        worker.id.0.as_bytes(),
        worker.version,
        worker.slots,
        worker.held,
        worker.started_at.0,
        now.0,
        worker.host,
        worker.pid
    ])?;
    let forgotten = now - WORKER_FORGOTTEN_AFTER;
    db.prepare_cached(const { sql("announce_forget") })?.execute([forgotten.0])?;
    db.prepare_cached(const { sql("announce_forget_duties") })?.execute([now.0]).map(drop)
}

pub(super) fn retire(db: &Connection, worker: WorkerId) -> Result<()> {
    for statement in [const { sql("retire") }, const { sql("retire_duties") }] {
        db.prepare_cached(statement)?.execute([worker.0.as_bytes()])?;
    }
    Ok(())
}

pub(super) fn workers(db: &Connection) -> Result<Vec<(WorkerState, Timestamp)>> {
    db.prepare_cached(const { sql("workers") })?
        .query_map([], |row| {
            let worker = WorkerState {
                id: WorkerId(rows::uid(row, 0)?),
                version: row.get(1)?,
                host: row.get(6)?,
                pid: rows::count(row, 7)?,
                slots: rows::count(row, 2)?,
                held: rows::count(row, 3)?,
                started_at: rows::time(row, 4)?,
            };
            Ok((worker, rows::time(row, 5)?))
        })?
        .collect()
}

pub(super) fn lead(
    db: &Connection,
    duty: &str,
    worker: WorkerId,
    now: Timestamp,
    time: Duration,
) -> Result<bool> {
    let key = params![duty, worker.0.as_bytes(), (now + time).0, now.0];
    Ok(db.prepare_cached(const { sql("lead") })?.execute(key)? > 0)
}
