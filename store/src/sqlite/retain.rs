use model::id::{EventUid, Uid};
use model::time::Timestamp;
use rusqlite::{Connection, Result, params};

use super::recent::Recent;
use super::{rows, sql};

/// Forgets events that are finished, oldest first; returns whether there may be more.
pub(super) fn retain(
    db: &Connection,
    recent: &Recent,
    since: Timestamp,
    limit: u32,
) -> Result<bool> {
    // An event's id begins with the millisecond of its acceptance.
    let bound = Uid::floor(since.millis());
    let old: Vec<(Uid, i64)> = db
        .prepare_cached(const { sql("retain_old") })?
        .query_map(params![bound.as_bytes(), limit], |row| Ok((rows::uid(row, 0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for (uid, seq) in &old {
        recent.event_gone(EventUid(*uid));
        for statement in [
            const { sql("retain_attempts") },
            const { sql("retain_deliveries") },
            const { sql("retain_keys") },
        ] {
            db.prepare_cached(statement)?.execute([uid.as_bytes()])?;
        }
        db.prepare_cached(const { sql("retain_event") })?.execute([seq])?;
    }
    Ok(old.len() == limit as usize)
}
