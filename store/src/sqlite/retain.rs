use model::id::{EventUid, Uid};
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::recent::Recent;
use super::{rows, sql};

/// Rows of one transaction, about 2 ms: whoever writes waits for it.
const ROWS_MAX: u32 = 100;

/// An event's uid and its number.
pub(super) type Named = (Uid, i64);

/// What one part came to.
pub(super) struct Part {
    /// Whether there may be more.
    pub(super) more: bool,
    /// The event of which only some is forgotten.
    pub(super) begun: Option<Named>,
}

/// Forgets events that are finished, oldest first, at most `limit` rows of them, and [`ROWS_MAX`]; goes on
/// with the one that was `begun`. An event goes after all that belongs to it, its attempts first: a delivery that
/// is begun anew at that moment stays, but may have lost those.
pub(super) fn retain(
    db: &Connection,
    recent: &Recent,
    since: Timestamp,
    limit: u32,
    mut begun: Option<Named>,
) -> Result<Part> {
    // An event's id begins with the millisecond of its acceptance.
    let bound = Uid::floor(since.millis());
    let (mut after, mut left) = (Uid([0; 16]), limit.min(ROWS_MAX) as usize);
    loop {
        // That it may go was seen when it was begun: to look through its deliveries in each part would cost
        // more than to forget them.
        let event = match begun.take() {
            Some(event) => event,
            None => match oldest(db, after, bound)? {
                Some(event) => event,
                None => return Ok(Part { more: false, begun: None }),
            },
        };
        let (uid, seq) = event;
        recent.event_gone(EventUid(uid));
        for statement in [const { sql("retain_attempts") }, const { sql("retain_deliveries") }] {
            let most = i64::try_from(left).unwrap_or(i64::MAX);
            left -= db.prepare_cached(statement)?.execute(params![uid.as_bytes(), most])?;
            if left == 0 {
                return Ok(Part { more: true, begun: Some(event) });
            }
        }
        after = uid;
        if has_deliveries(db, uid)? {
            // One of them was begun anew meanwhile.
            continue;
        }
        // Few: an event has as many as it was given names.
        let keys = db.prepare_cached(const { sql("retain_keys") })?.execute([uid.as_bytes()])?;
        db.prepare_cached(const { sql("retain_event") })?.execute([seq])?;
        left = left.saturating_sub(keys + 1);
        if left == 0 {
            return Ok(Part { more: true, begun: None });
        }
    }
}

fn has_deliveries(db: &Connection, event: Uid) -> Result<bool> {
    let mut any = db.prepare_cached(const { sql("retain_any_delivery") })?;
    any.exists([event.as_bytes()])
}

/// The first event between the two that may go.
fn oldest(db: &Connection, after: Uid, bound: Uid) -> Result<Option<Named>> {
    let mut old = db.prepare_cached(const { sql("retain_old") })?;
    let row = old.query_row(params![after.as_bytes(), bound.as_bytes()], |row| {
        Ok((rows::uid(row, 0)?, row.get(1)?))
    });
    row.optional()
}
