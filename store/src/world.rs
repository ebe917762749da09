//! The one door to this machine's clock and dice. Everything else takes times and random numbers
//! as arguments, so that it can be simulated; clippy's `disallowed-methods` holds it to that.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::id::Uid;
use model::time::Timestamp;
use tokio::sync::Notify;

/// What time it is. A clock can be stepped forward, so that tests and `serve --dev` need not wait
/// for a retry that is hours away.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    /// `None`: the machine's clock; else a clock that stands still until it is stepped.
    fixed_at: Option<Timestamp>,
    stepped_us: AtomicI64,
    stepped: Notify,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(None)
    }

    /// A clock that stands at `at` until it is stepped.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(Some(at))
    }

    fn new(fixed_at: Option<Timestamp>) -> Self {
        let (stepped_us, stepped) = (AtomicI64::new(0), Notify::new());
        Self(Arc::new(Inner { fixed_at, stepped_us, stepped }))
    }

    pub fn now(&self) -> Timestamp {
        let base = self.0.fixed_at.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(0) + since
        });
        Timestamp(base.0.saturating_add(self.0.stepped_us.load(Ordering::Acquire)))
    }

    /// Puts the clock forward and wakes who sleeps by it.
    pub fn step(&self, by: Duration) {
        let by_us = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.stepped_us.fetch_add(by_us, Ordering::AcqRel);
        self.0.stepped.notify_waiters();
    }

    /// How far it was put forward so far.
    pub fn stepped_by(&self) -> Duration {
        Duration::from_micros(self.0.stepped_us.load(Ordering::Acquire).unsigned_abs())
    }

    /// Returns when the clock is next stepped.
    pub async fn stepped(&self) {
        self.0.stepped.notified().await;
    }

    /// Returns at `moment`, or soon after a step that went past it.
    pub async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let stepped = self.0.stepped.notified();
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            if self.0.fixed_at.is_some() {
                stepped.await;
            } else {
                // Timers round up to a millisecond and are bounded: a far moment is looked at again.
                let nap = left.min(Duration::from_secs(3_600));
                tokio::select! {
                    () = tokio::time::sleep(nap) => {}
                    () = stepped => {}
                }
            }
        }
    }
}

/// Monotonic time since a moment.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The queue's time, carried on by this process's monotonic clock: a worker's only wall clock, so
/// that one whose machine is an hour off works like the others.
#[derive(Debug, Clone, Copy)]
pub struct QueueTime {
    at: Timestamp,
    read: Stopwatch,
}

impl QueueTime {
    /// To be made from what `Queue::claim` just returned.
    pub fn new(now: Timestamp) -> Self {
        Self { at: now, read: Stopwatch::start() }
    }

    pub fn now(&self) -> Timestamp {
        self.at + self.read.elapsed()
    }
}

/// A new UUIDv7.
pub fn new_uid(now: Timestamp) -> Uid {
    Uid::new(now.millis(), &random_bytes())
}

/// Random bytes fit for keys and nonces.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    bytes
}

/// A random number in [0, 1), for jitter.
pub fn roll() -> f64 {
    rand::Rng::random(&mut rand::rng())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_wakes_who_sleeps_by_the_clock() {
        let clock = Clock::fixed(Timestamp(0));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Timestamp::from_secs(3_600)).await }
        });
        tokio::task::yield_now().await;
        clock.step(Duration::from_secs(1_800));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.step(Duration::from_secs(1_800));
        sleeper.await.expect("woken");
        assert_eq!(clock.now(), Timestamp::from_secs(3_600));
    }
}
