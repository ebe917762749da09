//! The one thread that writes. Whatever waits is written in one transaction; [`super::syncer`] then
//! makes it durable and answers those to whom that was promised.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::recent::Recent;
use super::syncer::{Health, Syncer};
use super::{BUSY_TIMEOUT, failure};
use crate::StoreError;

/// Jobs of one transaction.
const BATCH_MAX: usize = 1_024;
/// Jobs that wait; beyond it callers wait for room.
const WAITING_MAX: usize = 8_192;
/// How long starting the log anew may wait for readers; it is tried again every second.
const RESTART_WAIT: Duration = Duration::from_millis(50);

/// The way to the writing thread.
pub(super) struct Writer(mpsc::Sender<Message>);

/// A way that is gone when nobody else has one, or the writer is closed.
pub(super) struct WeakWriter(mpsc::WeakSender<Message>);

impl WeakWriter {
    pub(super) fn upgrade(&self) -> Option<Writer> {
        self.0.upgrade().filter(|jobs| !jobs.is_closed()).map(Writer)
    }
}

enum Message {
    Job(Job),
    /// Start the write-ahead log anew, if no reader holds it: it grows without end under load.
    RestartLog,
    Close(oneshot::Sender<Result<(), StoreError>>),
}

pub(super) struct Job {
    /// Whether its answer means "on disk".
    durable: bool,
    work: Box<dyn Work>,
}

impl Job {
    pub(super) fn answer(self, outcome: Result<(), StoreError>) {
        self.work.answer(outcome);
    }
}

/// A job may be run twice: when a batch fails, each of its jobs is repeated alone.
trait Work: Send {
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

impl Writer {
    pub(super) fn start(
        db: Connection,
        log: File,
        recent: Arc<Recent>,
    ) -> Result<(Self, Health), StoreError> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let syncer = Syncer::start(log)?;
        let health = syncer.health();
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || Thread { db, recent, syncer, waiting }.run())
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok((Self(jobs), health))
    }

    /// Runs `f` in a transaction and returns once that is committed; on disk if `durable`.
    pub(super) async fn write<T, F>(&self, durable: bool, f: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Call { f, result: None, reply });
        let sent = self.0.send(Message::Job(Job { durable, work })).await;
        sent.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    pub(super) fn downgrade(&self) -> WeakWriter {
        WeakWriter(self.0.downgrade())
    }

    pub(super) fn restart_log(&self) {
        // If there is no room for the message there is another one in a second.
        let _ = self.0.try_send(Message::RestartLog);
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Message::Close(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

struct Call<F, T> {
    f: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Work for Call<F, T>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        // A panic is one job's bug: it must not end the thread that everybody writes through.
        let result = catch_unwind(AssertUnwindSafe(|| (self.f)(db)));
        self.result = Some(result.map_err(|_| rusqlite::Error::UnwindingPanic)??);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // Nobody waits any more if the request was given up: what is written is written.
        let _ = reply.send(outcome.and_then(|()| result.ok_or_else(closed)));
    }
}

struct Thread {
    db: Connection,
    recent: Arc<Recent>,
    syncer: Syncer,
    waiting: mpsc::Receiver<Message>,
}

impl Thread {
    fn run(mut self) {
        // A message that is no job, met while a batch was gathered.
        let mut put_off = None;
        while let Some(message) = put_off.take().or_else(|| self.waiting.blocking_recv()) {
            match message {
                Message::Job(first) => {
                    let mut batch = vec![first];
                    put_off = self.gather(&mut batch);
                    self.write(batch);
                }
                Message::RestartLog => self.restart_log(),
                Message::Close(reply) => {
                    let _ = reply.send(self.close());
                    return;
                }
            }
        }
        self.syncer.finish();
    }

    fn gather(&mut self, batch: &mut Vec<Job>) -> Option<Message> {
        while batch.len() < BATCH_MAX {
            match self.waiting.try_recv().ok()? {
                Message::Job(job) => batch.push(job),
                other => return Some(other),
            }
        }
        None
    }

    fn write(&mut self, mut batch: Vec<Job>) {
        if let Some(broken) = self.syncer.broken() {
            return batch.into_iter().for_each(|job| job.answer(Err(broken.clone())));
        }
        match self.commit(&mut batch) {
            Ok(()) => {
                let (durable, others): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|job| job.durable);
                if durable.is_empty() {
                    self.syncer.soon();
                } else {
                    self.syncer.answer_when_durable(durable);
                }
                others.into_iter().for_each(|job| job.answer(Ok(())));
            }
            Err(e) if batch.len() == 1 => {
                batch.into_iter().for_each(|job| job.answer(Err(failure(&e))));
            }
            // One bad job fails alone: the others are repeated without it.
            Err(_) => {
                for job in batch {
                    self.write(vec![job]);
                }
            }
        }
    }

    fn commit(&mut self, batch: &mut [Job]) -> rusqlite::Result<()> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = batch
            .iter_mut()
            .try_for_each(|job| job.work.run(&self.db))
            .and_then(|()| self.db.prepare_cached("COMMIT")?.execute([]).map(drop));
        if done.is_err() {
            self.recent.clear();
        }
        if done.is_err() && !self.db.is_autocommit() {
            let rolled_back =
                self.db.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
            if let Err(e) = rolled_back {
                self.syncer.give_up(format!("a transaction cannot be ended, restart it: {e}"));
            }
        }
        done
    }

    fn restart_log(&mut self) {
        let restarted =
            self.db.busy_timeout(RESTART_WAIT).and_then(|()| checkpoint(&self.db, "RESTART"));
        let reset = self.db.busy_timeout(BUSY_TIMEOUT);
        if let Err(e) = restarted.and(reset) {
            tracing::warn!(error = %e, "the store's log could not be restarted");
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.syncer.finish();
        if let Some(broken) = self.syncer.broken() {
            return Err(broken.clone());
        }
        checkpoint(&self.db, "TRUNCATE").map(drop).map_err(|e| failure(&e))
    }
}

/// Copies the log into the database file. Returns the log's frames and how many are copied.
pub(super) fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok((row.get(1)?, row.get(2)?))
    })
}
