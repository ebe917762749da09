//! What an operator should know about a data folder, found without changing it, and without the lock
//! that a starting process needs.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use model::id::{Uid, WebhookId};
use rusqlite::{Connection, OpenFlags};

use super::migrations;
use crate::SealedSample;

/// A database, as it lies there.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Of the database and its log.
    pub bytes: u64,
    /// The process that has it open.
    pub held_by: Option<u32>,
    pub integrity: Integrity,
    /// The newest migration that was applied, and the newest this version knows. One that is behind
    /// is brought up to date when it is opened.
    pub migration: Option<i32>,
    pub newest_migration: Option<i32>,
    pub webhooks: i64,
    /// None if there is no webhook, or its row cannot be read.
    pub sample: Option<SealedSample>,
    pub admin_keys: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    Whole,
    /// Not checked to the end within the time; nothing wrong so far.
    Unfinished,
    /// Only an opening by Postrider can tell: it was not closed well and has to be mended first.
    Unknown,
    Damaged(String),
}

/// None if there is no database yet. The texts say what SQLite said.
pub(super) fn inspect(data_dir: &Path, patience: Duration) -> Result<Option<Inspection>, String> {
    let path = data_dir.join("postrider.db");
    let Ok(file) = std::fs::metadata(&path) else { return Ok(None) };
    let length = |name: &str| std::fs::metadata(data_dir.join(name)).map_or(0, |file| file.len());
    let log_bytes = length("postrider.db-wal");
    let held_by = std::fs::metadata(data_dir.join("lock")).ok().and_then(|lock| holder(&lock));
    let found = Inspection {
        bytes: file.len() + log_bytes,
        held_by,
        integrity: Integrity::Unknown,
        migration: None,
        newest_migration: newest(),
        webhooks: 0,
        sample: None,
        admin_keys: 0,
    };
    if file.len() == 0 && log_bytes == 0 {
        return Ok(Some(found));
    }
    let has_index = data_dir.join("postrider.db-shm").exists();
    let is_closed = log_bytes == 0 && held_by.is_none();
    // To read a log SQLite makes an index of it where there is none.
    if !is_closed && !has_index {
        return Ok(Some(found));
    }
    read(&path, is_closed, patience, found).map(Some).map_err(|e| e.to_string())
}

fn read(
    path: &Path,
    is_closed: bool,
    patience: Duration,
    found: Inspection,
) -> rusqlite::Result<Inspection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // What nobody has open does not change, and is read without so much as a lock.
    let immutable = if is_closed { "?immutable=1" } else { "" };
    let db = Connection::open_with_flags(format!("file:{}{immutable}", escaped(path)), flags)?;
    db.busy_timeout(patience)?;
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let migration = one("SELECT max(version) FROM refinery_schema_history");
    let migration = migration.ok().flatten().and_then(|version| i32::try_from(version).ok());
    Ok(Inspection {
        integrity: integrity(&db, patience),
        migration,
        webhooks: one("SELECT count(*) FROM webhooks WHERE deleted_at IS NULL")
            .ok()
            .flatten()
            .unwrap_or_default(),
        sample: sample(&db),
        admin_keys: one("SELECT count(*) FROM keys WHERE role = 'admin'")
            .ok()
            .flatten()
            .unwrap_or_default(),
        ..found
    })
}

fn sample(db: &Connection) -> Option<SealedSample> {
    let newest = "SELECT tenant, id, secrets FROM webhooks WHERE deleted_at IS NULL \
                  ORDER BY id DESC LIMIT 1";
    let columns = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (tenant, id, secrets): (String, [u8; 16], String) =
        db.query_row(newest, [], columns).ok()?;
    SealedSample::read(&tenant, WebhookId(Uid(id)), &secrets)
}

/// The path in a URI of SQLite's.
fn escaped(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn integrity(db: &Connection, patience: Duration) -> Integrity {
    let interrupt = db.get_interrupt_handle();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        // Err: it is over, and the sender is gone.
        if is_done.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let said = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    // Err: it panicked, and the check is over all the same.
    let _ = watch.join();
    match said {
        Ok(said) if said == "ok" => Integrity::Whole,
        Ok(said) => Integrity::Damaged(said),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Integrity::Unfinished
        }
        Err(e) => Integrity::Damaged(e.to_string()),
    }
}

fn newest() -> Option<i32> {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max()
}

/// Who holds the lock on a file, as far as the system says. Trying it would take it for a moment, and
/// a process that starts in that moment would be turned away.
fn holder(lock: &Metadata) -> Option<u32> {
    // 1: FLOCK  ADVISORY  WRITE 1234 08:01:131090 0 EOF
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let inode = fields.get(5)?.rsplit(':').next()?.parse::<u64>().ok()?;
        let holds = fields[1] == "FLOCK" && fields[3] == "WRITE" && inode == lock.ino();
        if holds { fields[4].parse().ok() } else { None }
    })
}
