//! The one thread that writes. Whatever waits is written in one transaction, so that an fsync is
//! shared by all who wait for it.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::recent::Recent;
use super::{BUSY_TIMEOUT, failure};
use crate::StoreError;
use crate::world::Stopwatch;

/// Jobs of one transaction.
const BATCH_MAX: usize = 1_024;
/// Jobs that wait; beyond it callers wait for room.
const WAITING_MAX: usize = 8_192;
/// What was committed without an fsync gets one within this time: a power loss costs no more.
const UNSYNCED_MAX: Duration = Duration::from_millis(100);
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

struct Job {
    /// Whether its answer means "on disk".
    durable: bool,
    work: Box<dyn Work>,
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
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                let (put_off, broken, unsynced) = (None, None, None);
                Thread { db, recent, waiting, put_off, log, broken, unsynced }.run();
            })
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self(jobs))
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
    waiting: mpsc::Receiver<Message>,
    /// A message that is no job, met while a batch was gathered.
    put_off: Option<Message>,
    /// The write-ahead log. SQLite would sync it with every commit or with none; which ones need
    /// it is known only here.
    log: File,
    /// Set once the log could not be synced: what the disk holds is not known from then on.
    broken: Option<String>,
    /// Since when something is committed that no fsync has covered.
    unsynced: Option<Stopwatch>,
}

impl Thread {
    fn run(mut self) {
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(self.write_all()),
            Err(e) => tracing::error!(error = %e, "the store's writer could not start"),
        }
    }

    async fn write_all(&mut self) {
        loop {
            match self.next().await {
                Next::Message(Message::Job(first)) => {
                    let batch = self.gather(first);
                    self.write(batch);
                }
                Next::Message(Message::RestartLog) => self.restart_log(),
                Next::Message(Message::Close(reply)) => {
                    let closed = self.close();
                    let _ = reply.send(closed);
                    return;
                }
                // A failure is logged there, and told to whoever writes next.
                Next::SyncDue => drop(self.sync()),
                Next::Abandoned => return drop(self.sync()),
            }
        }
    }

    async fn next(&mut self) -> Next {
        if let Some(message) = self.put_off.take() {
            return Next::Message(message);
        }
        let received = match self.unsynced {
            None => self.waiting.recv().await,
            Some(since) => {
                let left = UNSYNCED_MAX.saturating_sub(since.elapsed());
                match timeout(left, self.waiting.recv()).await {
                    Ok(received) if !left.is_zero() => received,
                    // Putting the message off keeps the promise under a load that never pauses.
                    Ok(received) => {
                        self.put_off = received;
                        return Next::SyncDue;
                    }
                    Err(_) => return Next::SyncDue,
                }
            }
        };
        received.map_or(Next::Abandoned, Next::Message)
    }

    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            match self.waiting.try_recv() {
                Ok(Message::Job(job)) => batch.push(job),
                Ok(other) => {
                    self.put_off = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        batch
    }

    fn write(&mut self, mut batch: Vec<Job>) {
        if let Some(why) = &self.broken {
            let why = StoreError::Unavailable(why.clone());
            return batch.into_iter().for_each(|job| job.work.answer(Err(why.clone())));
        }
        let durable = batch.iter().any(|job| job.durable);
        match self.commit(&mut batch) {
            Ok(()) => {
                let synced = if durable { self.sync() } else { Ok(()) };
                batch.into_iter().for_each(|job| job.work.answer(synced.clone()));
            }
            Err(e) if batch.len() == 1 => {
                batch.into_iter().for_each(|job| job.work.answer(Err(failure(&e))));
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
            self.db.prepare_cached("ROLLBACK")?.execute([])?;
        }
        done?;
        if self.unsynced.is_none() {
            self.unsynced = Some(Stopwatch::start());
        }
        Ok(())
    }

    /// Makes durable whatever was committed so far. After a failure nothing is written any more:
    /// the system may have thrown away what it could not write, and a later sync would not tell.
    fn sync(&mut self) -> Result<(), StoreError> {
        match self.log.sync_data() {
            Ok(()) => {
                self.unsynced = None;
                Ok(())
            }
            Err(e) => {
                let why = format!("its log could not be made durable, restart it: {e}");
                tracing::error!(error = %e, "the store could not be made durable");
                self.broken = Some(why.clone());
                self.unsynced = None;
                Err(StoreError::Unavailable(why))
            }
        }
    }

    /// Does not wait for who reads a long list: everybody who writes would wait with it.
    fn restart_log(&mut self) {
        let restarted =
            self.db.busy_timeout(RESTART_WAIT).and_then(|()| checkpoint(&self.db, "RESTART"));
        let reset = self.db.busy_timeout(BUSY_TIMEOUT);
        if let Err(e) = restarted.and(reset) {
            tracing::warn!(error = %e, "the store's log could not be restarted");
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        checkpoint(&self.db, "TRUNCATE").map(drop).map_err(|e| failure(&e))
    }
}

enum Next {
    Message(Message),
    SyncDue,
    Abandoned,
}

/// Copies the log into the database file. Returns the log's frames and how many are copied.
pub(super) fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok((row.get(1)?, row.get(2)?))
    })
}
