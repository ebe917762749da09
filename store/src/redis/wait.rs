//! Waiting: until the next moment that the queue knows of, or until this process or another one
//! brings something new.
//!
//! A claim says for how long nothing happens by itself. Every other script says if something can
//! be served that could not, or will sooner than all were told; this process learns it from the
//! script's answer, the others from a message. Messages may be lost, so nobody waits for long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::Notify;

use super::connect;
use super::server::{Partition, Server};
use crate::world::{Stopwatch, random_bytes};

/// After so long a waiter claims anyway.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Between two looks at whether the connection that listens still does.
const PING_PAUSE: Duration = Duration::from_secs(15);
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Wake {
    /// This process among those that send messages.
    pub(super) process: String,
    /// Every moment is counted from its start.
    clock: Stopwatch,
    partitions: Mutex<Vec<Next>>,
    keys: Vec<String>,
    /// Holds one permit, so that a push between a claim and its wait is not missed.
    something: Notify,
    /// A moment is sooner than it was.
    sooner: Notify,
}

/// When something happens by itself in a partition.
struct Next {
    at: Duration,
    /// Claims under way, and the soonest that was heard since the first of them began: their
    /// answers may be older.
    asking: usize,
    meanwhile: Duration,
}

impl Wake {
    pub(super) fn new(partitions: &[Partition]) -> Self {
        let nobody_asked = || Next { at: Duration::ZERO, asking: 0, meanwhile: Duration::MAX };
        Self {
            process: format!("{:016x}", u64::from_be_bytes(random_bytes())),
            clock: Stopwatch::start(),
            partitions: Mutex::new(partitions.iter().map(|_| nobody_asked()).collect()),
            keys: partitions.iter().map(|partition| partition.key.clone()).collect(),
            something: Notify::new(),
            sooner: Notify::new(),
        }
    }

    pub(super) async fn wait(&self) {
        let latest = self.clock.elapsed() + WAIT_MAX;
        loop {
            let next = self.partitions().iter().map(|next| next.at).min().unwrap_or(latest);
            let nap = next.min(latest).saturating_sub(self.clock.elapsed());
            tokio::select! {
                () = self.something.notified() => return,
                () = self.sooner.notified() => {}
                () = tokio::time::sleep(nap) => return,
            }
        }
    }

    /// A script said for how long one may sleep at most: -1 as long as before, 0 not at all.
    pub(super) fn heard(&self, partition: usize, sleep: i64) {
        let Ok(sleep) = u64::try_from(sleep) else { return };
        if sleep == 0 {
            self.something.notify_one();
            return;
        }
        let at = self.clock.elapsed() + Duration::from_micros(sleep);
        let next = &mut self.partitions()[partition];
        next.meanwhile = next.meanwhile.min(at);
        if at < next.at {
            next.at = at;
            self.sooner.notify_one();
        }
    }

    /// A partition that cannot be asked wakes nobody for so long.
    pub(super) fn not_before(&self, partition: usize, pause: Duration) {
        self.partitions()[partition].at = self.clock.elapsed() + pause;
    }

    /// A claim begins. It ends when what is returned is told or dropped.
    pub(super) fn asking(&self, partition: usize) -> Asking<'_> {
        let next = &mut self.partitions()[partition];
        if next.asking == 0 {
            next.meanwhile = Duration::MAX;
        }
        next.asking += 1;
        Asking { wake: self, partition }
    }

    fn partitions(&self) -> MutexGuard<'_, Vec<Next>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message `process sleep partition`.
    fn message(&self, text: &str) -> Option<()> {
        let (process, text) = text.split_once(' ')?;
        let (sleep, key) = text.split_once(' ')?;
        if process != self.process {
            let partition = self.keys.iter().position(|k| k == key)?;
            self.heard(partition, sleep.parse().ok()?);
        }
        Some(())
    }
}

pub(super) struct Asking<'a> {
    wake: &'a Wake,
    partition: usize,
}

impl Asking<'_> {
    /// For how long nothing happens by itself: -1 for ever.
    pub(super) fn told(self, sleep: i64) {
        let sleep = u64::try_from(sleep).map_or(Duration::MAX, Duration::from_micros);
        let at = self.wake.clock.elapsed().saturating_add(sleep);
        let next = &mut self.wake.partitions()[self.partition];
        next.at = at.min(next.meanwhile);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.wake.partitions()[self.partition].asking -= 1;
    }
}

/// Hears what the other processes say.
pub(super) struct Listener {
    connection: MultiplexedConnection,
    lost: Arc<Notify>,
}

impl Listener {
    /// `turn` chooses a server of a Cluster; each of them has all messages.
    pub(super) async fn connect(server: &Arc<Server>, turn: usize) -> RedisResult<Self> {
        let lost = Arc::new(Notify::new());
        let config = connect::config().set_push_sender({
            let (server, lost) = (Arc::downgrade(server), lost.clone());
            move |push: PushInfo| -> Result<(), RedisError> {
                hear(&server, &lost, push);
                Ok(())
            }
        });
        let client = server.links.client(turn).await?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(server.channel()).await?;
        Ok(Self { connection, lost })
    }

    /// Returns when the connection is of no use any more.
    async fn lost(mut self) {
        loop {
            tokio::select! {
                () = self.lost.notified() => return,
                () = tokio::time::sleep(PING_PAUSE) => {}
            }
            if ::redis::cmd("PING").query_async::<()>(&mut self.connection).await.is_err() {
                return;
            }
        }
    }
}

fn hear(server: &Weak<Server>, lost: &Notify, push: PushInfo) {
    match (push.kind, push.data.last()) {
        (PushKind::Disconnection, _) => lost.notify_one(),
        (PushKind::Message, Some(Value::BulkString(text))) => {
            if let (Some(server), Ok(text)) = (server.upgrade(), std::str::from_utf8(text)) {
                server.wake.message(text);
            }
        }
        _ => {}
    }
}

/// Listens for as long as the queue is open.
pub(super) async fn listen(server: Arc<Server>, first: Listener) {
    first.lost().await;
    for turn in 1.. {
        match Listener::connect(&server, turn).await {
            Ok(listener) => {
                // What was said meanwhile was not heard.
                server.wake.something.notify_one();
                listener.lost().await;
            }
            Err(e) => tracing::debug!(error = %e, "the queue's messages cannot be heard"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}
