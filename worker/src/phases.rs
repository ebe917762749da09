//! How long a new connection took, told apart from the request that waited for it.
//!
//! The client does not say. But it makes a connection within the task of the request that needs it,
//! so the request's task carries a place to write to, and the dialer and the guard write there. A
//! connection that lost the race against a pooled one ends up in another task, where there is no such
//! place: then the request reused a connection, and has no such phases.
//!
//! Informational answers are a phase, too, and one that a hostile subscriber would not let end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::ext::on_informational;
use tokio::sync::Notify;

tokio::task_local! {
    static PHASES: Arc<Phases>;
}

/// Informational answers (1xx) that may come before the answer.
const INFORMATIONAL_MAX: u32 = 100;

/// Microseconds plus one; zero: it did not happen.
#[derive(Default)]
pub(crate) struct Phases {
    dns_us: AtomicU64,
    connected_us: AtomicU64,
    informational: AtomicU32,
    flooded: Notify,
}

impl Phases {
    /// Runs `request` with a place for its phases.
    pub(crate) async fn measure<F: Future>(self: &Arc<Self>, request: F) -> F::Output {
        PHASES.scope(self.clone(), request).await
    }

    /// Counts the informational answers to a request.
    pub(crate) fn count_informational<B>(self: &Arc<Self>, request: &mut Request<B>) {
        let phases = self.clone();
        on_informational(request, move |_| {
            if phases.informational.fetch_add(1, Ordering::Relaxed) == INFORMATIONAL_MAX {
                phases.flooded.notify_one();
            }
        });
    }

    /// Returns when there were more than there may be.
    pub(crate) async fn flooded(&self) {
        self.flooded.notified().await;
    }

    pub(crate) fn dns(&self) -> Option<Duration> {
        read(&self.dns_us)
    }

    /// TCP and TLS, without the name.
    pub(crate) fn connect(&self) -> Option<Duration> {
        read(&self.connected_us).map(|all| all.saturating_sub(self.dns().unwrap_or_default()))
    }
}

/// To be called when a name is resolved or will not be.
pub(crate) fn resolved(took: Duration) {
    let _ = PHASES.try_with(|phases| write(&phases.dns_us, took));
}

/// To be called when there is a connection: the name, TCP and TLS.
pub(crate) fn connected(took: Duration) {
    let _ = PHASES.try_with(|phases| write(&phases.connected_us, took));
}

fn write(phase: &AtomicU64, took: Duration) {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX - 1);
    phase.store(us + 1, Ordering::Relaxed);
}

fn read(phase: &AtomicU64) -> Option<Duration> {
    phase.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_micros)
}
