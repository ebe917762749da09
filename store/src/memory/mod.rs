//! The queue in this process's memory: the embedded default. It forgets everything when the
//! process ends, which is no harm: a new queue is hungry for everything.
//!
//! One mutex guards it all; no verb holds it for longer than its batch takes, and nothing waits
//! while holding it.

mod lane;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::tenant::Tenant;
use tokio::sync::Notify;

use crate::notices::{Mark, Noticed, Notices, Ring};
use crate::queue::*;
use crate::world::{Clock, random_bytes};
use state::State;

pub struct Memory {
    clock: Clock,
    state: Mutex<State>,
    /// Holds one permit, so that a push between a claim and its `wait` is not missed.
    something: Notify,
    notices: Mutex<Ring>,
}

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub lane_cap: usize,
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lane_cap: LANE_CAP_DEFAULT, lease: LEASE_DEFAULT }
    }
}

impl Memory {
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let notices = Mutex::new(Ring::new(u64::from_be_bytes(random_bytes()) >> 1));
        Self { clock, state: Mutex::new(State::new(settings)), something: Notify::new(), notices }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here would be a bug; what it left is still better than a queue that is gone,
        // since the store checks everything the queue says.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notices for Memory {
    async fn notice(&self, changed: Vec<Item>) -> Result<(), QueueError> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).notice(changed);
        Ok(())
    }

    async fn noticed(&self, mark: Option<Mark>, limit: usize) -> Result<Noticed, QueueError> {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(notices.noticed(mark, limit))
    }
}

#[async_trait]
impl Queue for Memory {
    async fn push(&self, items: Vec<Push>) -> Result<Pushed, QueueError> {
        let now = self.clock.now();
        let pushed = self.state().push(now, items);
        self.something.notify_one();
        Ok(pushed)
    }

    async fn claim(&self, max: usize, skip: &[Tenant]) -> Result<Claimed, QueueError> {
        let now = self.clock.now();
        let mut state = self.state();
        state.tick(now);
        let leased = state.claim(now, max, skip);
        Ok(Claimed { now, leased, hungry: state.claim_hungry(now), forgot: false })
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), QueueError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        {
            let mut state = self.state();
            settlements.into_iter().for_each(|settlement| state.settle(now, settlement));
        }
        self.something.notify_one();
        Ok(())
    }

    async fn set(&self, lanes: &[(Lane, Limits)]) -> Result<(), QueueError> {
        let now = self.clock.now();
        {
            let mut state = self.state();
            lanes.iter().for_each(|(lane, limits)| state.set(now, lane, *limits));
        }
        self.something.notify_one();
        Ok(())
    }

    async fn look(&self, lanes: &[Lane]) -> Result<Look, QueueError> {
        let now = self.clock.now();
        let mut state = self.state();
        if state.tick(now) {
            // The waiter went by the moments that are no more.
            self.something.notify_one();
        }
        Ok(state.look(now, lanes))
    }

    async fn wait(&self) {
        let next = self.state().next_moment();
        tokio::select! {
            () = self.something.notified() => {}
            () = self.clock.stepped() => {}
            () = async {
                match next {
                    Some(moment) => self.clock.sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}
