//! What was leased ahead, by lane: it was loaded with the others, and each is sent in the place of
//! one that was answered. So a webhook whose subscriber is quick waits for the queue and the store
//! once for many of its deliveries, and not for each.
//!
//! ```text
//! leased with a place ──► sent ──► answered ──► the next that waits is sent in its place
//!                                      └──────► nobody waits, or it failed: the place is free
//! leased ahead ─────────► waits ──► sent
//!                           └────► given back: no place of its lane is left, or it waited too long
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::world::Stopwatch;
use store::{AHEAD_MAX, How, Lane};
use tokio_util::sync::CancellationToken;

use crate::deliver::Ready;
use crate::engine::{Engine, Held};

/// How old what the store said may be when a delivery is sent on it. A pause or a cancel that came
/// after it was loaded is not seen, so this is a moment.
const LOADED_AGE_MAX: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(crate) struct Ahead(Mutex<HashMap<Lane, Line>>);

/// What waits for the places of one lane.
#[derive(Default)]
struct Line {
    /// Of this lane, with this worker.
    places: usize,
    waiting: VecDeque<Waiting>,
}

/// A delivery that is ready to be sent, but for a place.
pub(crate) struct Waiting {
    pub(crate) held: Held,
    pub(crate) ready: Box<Ready>,
    /// Since when.
    pub(crate) loaded: Stopwatch,
}

/// What follows when a place becomes free.
pub(crate) enum Follows {
    Send(Waiting),
    /// The place is to be freed; these have no use of it.
    Free(Vec<Held>),
}

/// Gives back what waits too long, so that a subscriber that was quick and hangs takes no more slots
/// than it has places.
pub(crate) async fn run(engine: Arc<Engine>, over: CancellationToken) {
    while over.run_until_cancelled(tokio::time::sleep(LOADED_AGE_MAX)).await.is_some() {
        let again = How::Again { after: Duration::ZERO };
        let old = engine.ahead.old();
        if !old.is_empty() {
            engine.settle(old.into_iter().map(|held| (held, again)).collect()).await;
        }
    }
}

/// As many may be leased ahead for each place as are answered before what was loaded is too old.
pub(crate) fn ahead_of(total: Duration) -> u32 {
    let fits = LOADED_AGE_MAX.as_micros() / total.as_micros().max(1);
    u32::try_from(fits).unwrap_or(u32::MAX).min(AHEAD_MAX)
}

impl Ahead {
    /// An item was leased with a place.
    pub(crate) fn arrived(&self, lane: &Lane) {
        let mut lines = self.lock();
        match lines.get_mut(lane) {
            Some(line) => line.places += 1,
            None => drop(lines.insert(lane.clone(), Line { places: 1, ..Line::default() })),
        }
    }

    /// Waits for a place; it is returned if this worker has none of its lane any more.
    pub(crate) fn wait(&self, waiting: Waiting) -> Option<Held> {
        match self.lock().get_mut(waiting.held.lane()) {
            Some(line) => {
                line.waiting.push_back(waiting);
                None
            }
            None => Some(waiting.held),
        }
    }

    /// An answer is in, and `succeeded`: who is next in its place. A subscriber that fails, or is
    /// slower than it was, is not sent more than it has places.
    pub(crate) fn answered(&self, lane: &Lane, succeeded: bool) -> Follows {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(lane) else { return Follows::Free(Vec::new()) };
        match line.waiting.pop_front() {
            Some(next) if succeeded && !next.is_old() => Follows::Send(next),
            first => {
                let back = first.into_iter().chain(line.waiting.drain(..));
                let back = back.map(|waiting| waiting.held).collect();
                leave(&mut lines, lane);
                Follows::Free(back)
            }
        }
    }

    /// A place is no longer this worker's; those who waited for its last one are returned.
    pub(crate) fn left(&self, lane: &Lane) -> Vec<Held> {
        let line = leave(&mut self.lock(), lane).unwrap_or_default();
        line.waiting.into_iter().map(|waiting| waiting.held).collect()
    }

    /// Takes out what waits too long.
    fn old(&self) -> Vec<Held> {
        let mut old = Vec::new();
        for line in self.lock().values_mut() {
            while line.waiting.front().is_some_and(Waiting::is_old) {
                old.extend(line.waiting.pop_front().map(|waiting| waiting.held));
            }
        }
        old
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place less; the line goes with the last.
fn leave(lines: &mut HashMap<Lane, Line>, lane: &Lane) -> Option<Line> {
    let line = lines.get_mut(lane)?;
    line.places -= 1;
    if line.places == 0 { lines.remove(lane) } else { None }
}

impl Waiting {
    fn is_old(&self) -> bool {
        self.loaded.elapsed() > LOADED_AGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_subscriber_has_none_ahead_and_a_quick_one_not_without_bound() {
        assert_eq!(ahead_of(Duration::from_millis(251)), 0);
        assert_eq!(ahead_of(Duration::from_millis(100)), 2);
        assert_eq!(ahead_of(Duration::ZERO), AHEAD_MAX);
    }
}
