//! Gathers events that come at the same time. While a batch is being written what comes in waits, and
//! goes together in the next. Where the disk is slow, a few are on their way at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::event::NewEvent;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::accept::accept;
use super::pool::Pool;
use crate::StoreError;
use crate::store::Accepted;

/// Batches being written, each on a connection of its own.
const IN_FLIGHT_MAX: usize = 3;
/// How long the next batch waits for the last: more at once are smaller, and cost more in all.
const TURN_MAX: Duration = Duration::from_millis(5);
/// Events of one batch, and the bytes of their data. A call that alone has more is a batch too.
const EVENTS_MAX: usize = 256;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Calls that wait; beyond it callers wait for room.
const WAITING_MAX: usize = 8_192;

/// The way in.
pub(super) struct Gatherer(mpsc::Sender<Call>);

struct Call {
    events: Vec<NewEvent>,
    reply: oneshot::Sender<Result<Vec<Accepted>, StoreError>>,
}

impl Gatherer {
    pub(super) fn start(pool: Arc<Pool>) -> Self {
        let (calls, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(pool, waiting));
        Self(calls)
    }

    pub(super) async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        let closed = || StoreError::Unavailable("it is closed".into());
        let (reply, answer) = oneshot::channel();
        self.0.send(Call { events, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Ends when nobody can call any more.
async fn run(pool: Arc<Pool>, mut waiting: mpsc::Receiver<Call>) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut put_off = None;
    let mut last: Option<JoinHandle<()>> = None;
    loop {
        // First the place, then the batch: so it holds whatever came until there was one.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let first = match put_off.take() {
            Some(call) => Some(call),
            None => waiting.recv().await,
        };
        let Some(first) = first else { return };
        if let Some(last) = last.take() {
            // It goes on if it takes longer.
            let _ = timeout(TURN_MAX, last).await;
        }
        let mut batch = Batch::of(first);
        while let Ok(call) = waiting.try_recv() {
            if let Some(call) = batch.add(call) {
                put_off = Some(call);
                break;
            }
        }
        let pool = pool.clone();
        last = Some(tokio::spawn(async move {
            write(&pool, batch.calls).await;
            drop(place);
        }));
    }
}

struct Batch {
    calls: Vec<Call>,
    events: usize,
    bytes: usize,
}

impl Batch {
    fn of(call: Call) -> Self {
        let (events, bytes) = (call.events.len(), bytes(&call));
        Self { calls: vec![call], events, bytes }
    }

    /// Gives a call back for which there is no room.
    fn add(&mut self, call: Call) -> Option<Call> {
        let (events, bytes) = (self.events + call.events.len(), self.bytes + bytes(&call));
        if events > EVENTS_MAX || bytes > BYTES_MAX {
            return Some(call);
        }
        (self.events, self.bytes) = (events, bytes);
        self.calls.push(call);
        None
    }
}

fn bytes(call: &Call) -> usize {
    call.events.iter().map(|event| event.data.len()).sum()
}

async fn write(pool: &Pool, calls: Vec<Call>) {
    let events: Vec<_> = calls.iter().flat_map(|call| &call.events).collect();
    match accept(pool, &events).await.map_err(StoreError::from) {
        Ok(mut accepted) => {
            share_out(&calls, &mut accepted);
            let mut accepted = accepted.into_iter();
            for call in calls {
                let of_call = accepted.by_ref().take(call.events.len()).collect();
                // Nobody waits any more if the request was given up: what is kept is kept.
                let _ = call.reply.send(Ok(of_call));
            }
        }
        // One bad event fails alone: the others are repeated without it.
        Err(StoreError::Damaged(_)) if calls.len() > 1 => {
            for call in calls {
                Box::pin(write(pool, vec![call])).await;
            }
        }
        Err(e) => {
            for call in calls {
                let _ = call.reply.send(Err(e.clone()));
            }
        }
    }
}

/// An inbox row that several share is pushed by the first of them who still waits for the answer.
fn share_out(calls: &[Call], accepted: &mut [Accepted]) {
    let mut shared = HashSet::new();
    let mut accepted = accepted.iter_mut();
    for call in calls {
        let waits = !call.reply.is_closed();
        for accepted in accepted.by_ref().take(call.events.len()) {
            if let Accepted::New { row, push, .. } = accepted {
                *push = waits && shared.insert(*row);
            }
        }
    }
}
