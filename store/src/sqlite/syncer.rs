//! The thread that makes durable what the writer committed, while the writer goes on. One fsync of
//! the log covers everything that was committed before it began.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::writer::Job;
use crate::StoreError;
use crate::world::Stopwatch;

/// What nobody waits for is on disk within this time: a power loss costs no more.
const UNSYNCED_MAX: Duration = Duration::from_millis(100);

/// The writer's side.
pub(super) struct Syncer {
    way: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// Whether the log could be synced so far.
#[derive(Clone)]
pub(super) struct Health(Arc<Shared>);

impl Health {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.broken.get().cloned().map_or(Ok(()), Err)
    }
}

#[derive(Default)]
struct Shared {
    /// Whether the thread knows that something waits for its next fsync.
    dirty: AtomicBool,
    /// Set once the log could not be synced: what the disk holds is not known from then on, since
    /// the system may have thrown away what it could not write.
    broken: OnceLock<StoreError>,
}

enum Message {
    /// Committed; to be answered once it is durable.
    Answer(Vec<Job>),
    /// Something was committed that nobody waits for.
    Soon,
}

impl Syncer {
    pub(super) fn start(log: File) -> Result<Self, StoreError> {
        let (way, inbox) = channel();
        let shared = Arc::<Shared>::default();
        let thread = std::thread::Builder::new()
            .name("sqlite-sync".into())
            .spawn({
                let shared = shared.clone();
                move || Thread { log, inbox, shared, unsynced: None }.run()
            })
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { way: Some(way), thread: Some(thread), shared })
    }

    pub(super) fn health(&self) -> Health {
        Health(self.shared.clone())
    }

    /// From here on nothing may be written any more.
    pub(super) fn give_up(&self, why: String) {
        tracing::error!(error = why, "the store gives up");
        let _ = self.shared.broken.set(StoreError::Unavailable(why));
    }

    /// Why nothing may be written any more.
    pub(super) fn broken(&self) -> Option<&StoreError> {
        self.shared.broken.get()
    }

    pub(super) fn answer_when_durable(&self, jobs: Vec<Job>) {
        self.send(Message::Answer(jobs));
    }

    pub(super) fn soon(&self) {
        if !self.shared.dirty.swap(true, Ordering::AcqRel) {
            self.send(Message::Soon);
        }
    }

    fn send(&self, message: Message) {
        // The thread is there for as long as this way is; what it does not take is not answered,
        // and who waits is told that the store is closed.
        let _ = self.way.as_ref().map(|way| way.send(message));
    }

    /// Returns once everything committed is durable.
    pub(super) fn finish(&mut self) {
        self.way = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Thread {
    log: File,
    inbox: Receiver<Message>,
    shared: Arc<Shared>,
    /// Since when something waits that nobody asked to be told of.
    unsynced: Option<Stopwatch>,
}

impl Thread {
    fn run(mut self) {
        loop {
            match self.next() {
                Ok(Message::Answer(mut jobs)) => {
                    // Whoever came meanwhile shares this fsync.
                    for message in self.inbox.try_iter() {
                        match message {
                            Message::Answer(more) => jobs.extend(more),
                            Message::Soon => {}
                        }
                    }
                    let synced = self.sync();
                    jobs.into_iter().for_each(|job| job.answer(synced.clone()));
                }
                Ok(Message::Soon) => self.unsynced = Some(Stopwatch::start()),
                // A failure is kept, and told to whoever writes next.
                Err(RecvTimeoutError::Timeout) => drop(self.sync()),
                Err(RecvTimeoutError::Disconnected) => return drop(self.sync()),
            }
        }
    }

    fn next(&self) -> Result<Message, RecvTimeoutError> {
        match self.unsynced {
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => self.inbox.recv_timeout(UNSYNCED_MAX.saturating_sub(since.elapsed())),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // Before the fsync: what is committed from here on asks for the next one.
        self.shared.dirty.store(false, Ordering::Release);
        self.unsynced = None;
        if let Some(broken) = self.shared.broken.get() {
            return Err(broken.clone());
        }
        self.log.sync_data().map_err(|e| {
            tracing::error!(error = %e, "the store could not be made durable");
            let why = format!("its log could not be made durable, restart it: {e}");
            self.shared.broken.get_or_init(|| StoreError::Unavailable(why)).clone()
        })
    }
}
