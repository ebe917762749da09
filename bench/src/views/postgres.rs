//! A history in PostgreSQL: a COPY for each table, all at once, with their indexes in place.

use std::fmt::{Display, Write as _};
use std::io::{BufWriter, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use chrono::DateTime;
use model::attempt::Answer;
use model::delivery::Status;
use model::id::Uid;

use super::history::*;
use super::{BODY, HEADERS, Template, phases};
use crate::Result;
use crate::services::{ask, sql};

const BUFFER_BYTES: usize = 1 << 20;

/// Puts it into the database of processes that have stopped.
pub fn fill(url: &str, shape: Shape) -> Result<(u64, u64)> {
    let read = "SELECT config || E'\\x1f' || secrets || E'\\x1f' || url FROM webhooks";
    let row = ask(url, read)?;
    let mut columns = row.trim_end_matches('\n').split('\x1f').map(str::to_owned);
    let mut column = || columns.next().ok_or("there is no webhook to copy");
    let template = Template { config: column()?, secrets: column()?, url: column()? };
    let history = History::new(shape);
    let mut before = String::new();
    for (tenant, version) in history.versions().into_iter().enumerate() {
        let _ =
            write!(before, "INSERT INTO tenants VALUES ('{}', {version});", tenant_name(tenant));
    }
    let (first, last) = (history.begin() / DAY_US, shape.until / DAY_US);
    (first..=last).for_each(|day| partitions(&mut before, day));
    sql(url, &before)?;
    let mut rows = Rows {
        template,
        tenants: (0..TENANTS).map(tenant_name).collect(),
        types: (0..TYPES).map(type_name).collect(),
        webhooks: Copy::begin(
            url,
            "webhooks (id, tenant, url, status, status_reason, registered_version, version, config, \
             secrets, created_at, updated_at)",
        )?,
        events: Copy::begin(url, "events (uid, seq, accepted_at, tenant, type, data)")?,
        unfinished: Copy::begin(
            url,
            "unfinished_deliveries (event, webhook, seq, due, opened_at, last_at, last_total_us, \
             attempts, late, planned, last_status, by_hand, status, tenant, last_error)",
        )?,
        finished: Copy::begin(
            url,
            "finished_deliveries (event, webhook, seq, opened_at, ended_at, last_at, last_total_us, \
             dns_us, connect_us, first_byte_us, body_us, n, attempts, late, planned, last_status, \
             truncated, status, tenant, ended_by, last_error, trigger, headers, body)",
        )?,
        attempts: Copy::begin(
            url,
            "attempts (event, webhook, started_at, dns_us, connect_us, first_byte_us, body_us, \
             total_us, n, status, truncated, tenant, trigger, error, headers, body)",
        )?,
        stats: Copy::begin(url, "stats (span, begin, tenant, webhook, type, counts)")?,
        causes: Copy::begin(url, "causes (begin, tenant, cause, count, first_at, last_at)")?,
        streaks: Copy::begin(url, "streaks (webhook, tenant, failures, since, last_at, cause)")?,
    };
    let told = history.tell(0, &mut rows)?;
    rows.end()?;
    sql(url, &format!("SELECT setval('events_seq', {})", told.0))?;
    // As the server does by itself within minutes.
    sql(url, "VACUUM ANALYZE")?;
    Ok(told)
}

/// Those of a day, if there are none.
fn partitions(sql: &mut String, day: i64) {
    let date = DateTime::from_timestamp(day * (DAY_US / 1_000_000), 0).unwrap_or_default();
    let date = date.format("%Y%m%d");
    let [begin, end] = [day, day + 1].map(|day| hex(Uid::floor(day * (DAY_US / 1_000))));
    for parent in ["attempts", "events", "finished_deliveries"] {
        let _ = write!(
            sql,
            "CREATE TABLE IF NOT EXISTS {parent}_{date} (LIKE {parent} INCLUDING DEFAULTS INCLUDING \
             CONSTRAINTS); DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = \
             '{parent}_{date}'::regclass) THEN ALTER TABLE {parent} ATTACH PARTITION {parent}_{date} \
             FOR VALUES FROM ('{begin}') TO ('{end}'); END IF; END$$;"
        );
    }
}

struct Rows {
    template: Template,
    tenants: Vec<String>,
    types: Vec<String>,
    webhooks: Copy,
    events: Copy,
    unfinished: Copy,
    finished: Copy,
    attempts: Copy,
    stats: Copy,
    causes: Copy,
    streaks: Copy,
}

/// Lines into a table.
struct Copy {
    child: Child,
    lines: BufWriter<ChildStdin>,
    line: String,
}

impl Copy {
    fn begin(url: &str, columns: &str) -> Result<Self> {
        let copy = format!("COPY {columns} FROM STDIN");
        let mut psql = Command::new("psql");
        psql.args([url, "-v", "ON_ERROR_STOP=1", "-qc", &copy]);
        let mut child = psql.stdin(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let lines = BufWriter::with_capacity(BUFFER_BYTES, input);
        Ok(Self { child, lines, line: String::new() })
    }

    fn value(&mut self, value: impl Display) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.line, "{value}\t");
        self
    }

    fn maybe(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.value(value),
            None => self.value("\\N"),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.line.push_str("\\\\x");
        for byte in bytes {
            self.line.push(DIGITS[usize::from(byte >> 4)].into());
            self.line.push(DIGITS[usize::from(byte & 15)].into());
        }
        self.line.push('\t');
        self
    }

    fn over(&mut self) -> Result<()> {
        self.line.pop();
        self.line.push('\n');
        self.lines.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Self { mut child, mut lines, .. } = self;
        lines.flush()?;
        drop(lines);
        match child.wait()?.success() {
            true => Ok(()),
            false => Err("a COPY failed".into()),
        }
    }
}

impl Rows {
    fn end(self) -> Result<()> {
        let Self {
            webhooks, events, unfinished, finished, attempts, stats, causes, streaks, ..
        } = self;
        let all = [webhooks, events, unfinished, finished, attempts, stats, causes, streaks];
        all.into_iter().try_for_each(Copy::end)
    }

    fn attempt(&mut self, delivery: &Delivery, attempt: &Attempt) -> Result<()> {
        let (code, error) = answer(&attempt.answer);
        let copy = &mut self.attempts;
        copy.value(hex(delivery.event.uid.0)).value(hex(delivery.webhook.id.0)).value(attempt.at);
        phases(attempt).into_iter().for_each(|phase| {
            copy.maybe(phase);
        });
        copy.value(attempt.total_us).value(attempt.n).maybe(code).maybe(code.map(|_| "f"));
        copy.value(&self.tenants[delivery.event.tenant]).value("schedule").maybe(error);
        responded(copy, code.is_some());
        copy.over()
    }

    fn unfinished(&mut self, delivery: &Delivery) -> Result<()> {
        let Delivery { event, webhook, status, due, attempts, .. } = delivery;
        let last = attempts.last();
        let (code, error) = last.map_or((None, None), |last| answer(&last.answer));
        let copy = &mut self.unfinished;
        copy.value(hex(event.uid.0)).value(hex(webhook.id.0)).value(event.seq).value(due);
        copy.value(event.at).maybe(last.map(|last| last.at));
        copy.maybe(last.map(|last| last.total_us)).value(attempts.len()).value(0);
        copy.value(attempts.len()).maybe(code).value("f").value(status.as_str());
        copy.value(&self.tenants[event.tenant]).maybe(error);
        copy.over()
    }

    fn finished(&mut self, delivery: &Delivery, ended_by: &str, ended_at: i64) -> Result<()> {
        let Delivery { event, webhook, status, attempts, .. } = delivery;
        let last = attempts.last();
        let (code, error) = last.map_or((None, None), |last| answer(&last.answer));
        let phases = last.map_or([None; 4], phases);
        let planned = attempts.len() - usize::from(*status == Status::Delivered);
        let copy = &mut self.finished;
        copy.value(hex(event.uid.0)).value(hex(webhook.id.0)).value(event.seq).value(event.at);
        copy.value(ended_at).maybe(last.map(|last| last.at));
        copy.maybe(last.map(|last| last.total_us));
        phases.into_iter().for_each(|phase| {
            copy.maybe(phase);
        });
        copy.maybe(last.map(|last| last.n)).value(attempts.len()).value(0).value(planned);
        copy.maybe(code).maybe(code.map(|_| "f")).value(status.as_str());
        copy.value(&self.tenants[event.tenant]).value(ended_by).maybe(error);
        copy.maybe(last.map(|_| "schedule"));
        responded(copy, code.is_some());
        copy.over()
    }
}

fn responded(copy: &mut Copy, responded: bool) {
    copy.maybe(responded.then_some(HEADERS));
    match responded {
        true => copy.bytes(BODY.as_bytes()),
        false => copy.value("\\N"),
    };
}

impl Sink for Rows {
    fn webhook(&mut self, webhook: &Webhook) -> Result<()> {
        let (status, reason) = self.template.status(webhook);
        let copy = &mut self.webhooks;
        copy.value(hex(webhook.id.0)).value(&self.tenants[webhook.tenant]).value(&webhook.url);
        copy.value(status).maybe(reason).value(webhook.version).value(webhook.version);
        copy.value(self.template.config(webhook)).value(&self.template.secrets);
        copy.value(webhook.created_at).value(webhook.created_at);
        copy.over()
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        let copy = &mut self.events;
        copy.value(hex(event.uid.0)).value(event.seq).value(event.at);
        copy.value(&self.tenants[event.tenant]).value(&self.types[event.kind]);
        copy.bytes(event.data.as_bytes());
        copy.over()
    }

    fn delivery(&mut self, delivery: &Delivery) -> Result<()> {
        // The one that ended it is in its row.
        let (others, ended) = match delivery.ended {
            Some((by, at)) => (delivery.attempts.len().saturating_sub(1), Some((by, at))),
            None => (delivery.attempts.len(), None),
        };
        for attempt in &delivery.attempts[..others] {
            self.attempt(delivery, attempt)?;
        }
        match ended {
            Some((by, at)) => self.finished(delivery, by.as_str(), at),
            None => self.unfinished(delivery),
        }
    }

    fn counts(&mut self, series: &Series, counts: &[u8]) -> Result<()> {
        let copy = &mut self.stats;
        copy.value(series.span_us / 1_000_000).value(series.begin);
        copy.value(series.tenant.map_or("", |tenant| &self.tenants[tenant]));
        copy.value(hex(series.webhook.map_or(Uid([0; 16]), |id| id.0)));
        copy.value(series.kind.map_or("", |kind| &self.types[kind])).bytes(counts);
        copy.over()
    }

    fn cause(&mut self, cause: &CauseCount) -> Result<()> {
        let copy = &mut self.causes;
        copy.value(cause.begin).value(cause.tenant.map_or("", |tenant| &self.tenants[tenant]));
        copy.value(cause.cause).value(cause.count).value(cause.first_at).value(cause.last_at);
        copy.over()
    }

    fn streak(&mut self, streak: &Streak) -> Result<()> {
        let copy = &mut self.streaks;
        copy.value(hex(streak.webhook.id.0)).value(&self.tenants[streak.webhook.tenant]);
        copy.value(streak.failures).value(streak.since).value(streak.last_at).value("503");
        copy.over()
    }
}

/// As PostgreSQL writes it.
fn hex(uid: Uid) -> impl Display {
    format!("{uid:?}")
}

fn answer(answer: &Answer) -> (Option<u16>, Option<&'static str>) {
    match answer {
        Answer::Status { code, .. } => (Some(*code), None),
        Answer::Error(class) => (None, Some(class.as_str())),
    }
}
