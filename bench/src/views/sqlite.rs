//! A history in SQLite: one connection, long transactions, no fsync, and the indexes after the rows.

use std::path::Path;

use model::attempt::Answer;
use model::delivery::Status;
use rusqlite::{Connection, Statement, params};

use super::history::*;
use super::{BODY, HEADERS, Template, phases};
use crate::Result;

/// Rows of a transaction.
const ROWS_MAX: u32 = 500_000;

/// Puts it into the database of a process that has stopped.
pub fn fill(path: &Path, shape: Shape) -> Result<(u64, u64)> {
    let db = Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; \
         PRAGMA temp_store = FILE; PRAGMA wal_autocheckpoint = 0",
    )?;
    let template = db.query_row("SELECT config, secrets, url FROM webhooks", [], |row| {
        Ok(Template { config: row.get(0)?, secrets: row.get(1)?, url: row.get(2)? })
    })?;
    let indexes = {
        let mut read = db.prepare(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
             AND tbl_name IN ('events', 'deliveries', 'webhooks')",
        )?;
        let indexes = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        indexes.collect::<rusqlite::Result<Vec<(String, String)>>>()?
    };
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let history = History::new(shape);
    for (tenant, version) in history.versions().into_iter().enumerate() {
        db.execute("INSERT INTO tenants VALUES (?1, ?2)", params![tenant_name(tenant), version])?;
    }
    db.execute_batch("BEGIN")?;
    let mut rows = Rows::new(&db, template)?;
    let told = history.tell(0, &mut rows)?;
    drop(rows);
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    for (_, sql) in &indexes {
        db.execute_batch(sql)?;
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    Ok(told)
}

struct Rows<'d> {
    db: &'d Connection,
    template: Template,
    written: u32,
    tenants: Vec<String>,
    types: Vec<String>,
    webhook: Statement<'d>,
    event: Statement<'d>,
    delivery: Statement<'d>,
    attempt: Statement<'d>,
    stats: Statement<'d>,
    cause: Statement<'d>,
    streak: Statement<'d>,
}

impl<'d> Rows<'d> {
    fn new(db: &'d Connection, template: Template) -> Result<Self> {
        Ok(Self {
            db,
            template,
            written: 0,
            tenants: (0..TENANTS).map(tenant_name).collect(),
            types: (0..TYPES).map(type_name).collect(),
            webhook: db.prepare(
                "INSERT INTO webhooks (id, tenant, url, status, status_reason, registered_version, \
                 version, config, secrets, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?9)",
            )?,
            event: db.prepare(
                "INSERT INTO events (seq, uid, tenant, type, accepted_at, data) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            delivery: db.prepare(
                "INSERT INTO deliveries (event, webhook, tenant, seq, status, ended_by, attempts, \
                 late, planned, by_hand, due, opened_at, ended_at, last_at, last_total_us, \
                 last_status, last_error) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, 0, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            attempt: db.prepare(
                "INSERT INTO attempts (event, webhook, n, tenant, trigger, started_at, dns_us, \
                 connect_us, first_byte_us, body_us, total_us, status, error, headers, body, truncated) \
                 VALUES (?1, ?2, ?3, ?4, 'schedule', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            stats: db.prepare("INSERT INTO stats VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
            cause: db.prepare("INSERT INTO causes VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
            streak: db.prepare("INSERT INTO streaks VALUES (?1, ?2, ?3, ?4, ?5, '503')")?,
        })
    }

    fn wrote(&mut self) -> Result<()> {
        self.written += 1;
        if self.written.is_multiple_of(ROWS_MAX) {
            self.db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN")?;
        }
        Ok(())
    }
}

impl Sink for Rows<'_> {
    fn webhook(&mut self, webhook: &Webhook) -> Result<()> {
        let (status, reason) = self.template.status(webhook);
        self.webhook.execute(params![
            webhook.id.0.as_bytes(),
            self.tenants[webhook.tenant],
            webhook.url,
            status,
            reason,
            webhook.version,
            self.template.config(webhook),
            self.template.secrets,
            webhook.created_at
        ])?;
        self.wrote()
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        self.event.execute(params![
            event.seq,
            event.uid.0.as_bytes(),
            self.tenants[event.tenant],
            self.types[event.kind],
            event.at,
            event.data.as_bytes()
        ])?;
        self.wrote()
    }

    fn delivery(&mut self, delivery: &Delivery) -> Result<()> {
        let Delivery { event, webhook, status, ended, due, attempts } = delivery;
        let (uid, id) = (event.uid.0.as_bytes(), webhook.id.0.as_bytes());
        let tenant = &self.tenants[event.tenant];
        let last = attempts.last();
        let (code, error) = last.map_or((None, None), |last| answer(&last.answer));
        let sent = attempts.len() as i64;
        let planned = sent - i64::from(*status == Status::Delivered);
        self.delivery.execute(params![
            uid,
            id,
            tenant,
            event.seq,
            status.as_str(),
            ended.map(|(by, _)| by.as_str()),
            sent,
            planned,
            due,
            event.at,
            ended.map(|(_, at)| at),
            last.map(|last| last.at),
            last.map(|last| last.total_us),
            code,
            error
        ])?;
        for attempt in attempts {
            let (code, error) = answer(&attempt.answer);
            let [dns, connect, first_byte, body] = phases(attempt);
            let answered = code.is_some();
            self.attempt.execute(params![
                uid,
                id,
                attempt.n,
                tenant,
                attempt.at,
                dns,
                connect,
                first_byte,
                body,
                attempt.total_us,
                code,
                error,
                answered.then_some(HEADERS),
                answered.then_some(BODY.as_bytes()),
                answered.then_some(false)
            ])?;
        }
        self.wrote()
    }

    fn counts(&mut self, series: &Series, counts: &[u8]) -> Result<()> {
        self.stats.execute(params![
            series.span_us / 1_000_000,
            series.begin,
            series.tenant.map_or("", |tenant| &self.tenants[tenant]),
            series.webhook.map_or([0; 16], |id| id.0.0),
            series.kind.map_or("", |kind| &self.types[kind]),
            counts
        ])?;
        self.wrote()
    }

    fn cause(&mut self, cause: &CauseCount) -> Result<()> {
        let CauseCount { begin, tenant, cause, count, first_at, last_at } = cause;
        let tenant = tenant.map_or("", |tenant| &self.tenants[tenant]);
        self.cause.execute(params![begin, tenant, cause, count, first_at, last_at])?;
        self.wrote()
    }

    fn streak(&mut self, streak: &Streak) -> Result<()> {
        let Streak { webhook, failures, since, last_at } = streak;
        let tenant = &self.tenants[webhook.tenant];
        self.streak.execute(params![webhook.id.0.as_bytes(), tenant, failures, since, last_at])?;
        self.wrote()
    }
}

/// A status, or the word of an error.
fn answer(answer: &Answer) -> (Option<u16>, Option<&'static str>) {
    match answer {
        Answer::Status { code, .. } => (Some(*code), None),
        Answer::Error(class) => (None, Some(class.as_str())),
    }
}
