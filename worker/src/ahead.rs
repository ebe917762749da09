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

use model::id::WebhookId;
use store::world::Stopwatch;
use store::{AHEAD_MAX, How};
use tokio_util::sync::CancellationToken;

use crate::deliver::Ready;
use crate::engine::{Engine, Held};

/// How old what the store said may be when a delivery that was leased ahead is sent on it, or one is
/// leased that was just made. A pause or a cancel that came after it is not seen, so this is a moment.
pub(crate) const LOADED_AGE_MAX: Duration = Duration::from_millis(250);

/// One of so many slots may be taken by what was leased ahead: the rest is for what has a place.
const SHARE_OF_SLOTS: usize = 4;

/// Fewer for each place save less than it costs to pass places on.
const WORTH_IT: u32 = 4;

pub(crate) struct Ahead {
    /// What all webhooks together may have ahead.
    room: usize,
    lines: Mutex<HashMap<WebhookId, Line>>,
}

/// What waits for the places of one webhook.
#[derive(Default)]
struct Line {
    /// Those that this worker has.
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
    /// The place is to be freed; those who have no use of it, and how many may be leased ahead for
    /// each place from now on.
    Free(Vec<Held>, u32),
}

/// An answer, as far as it says how much may be leased ahead.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    /// It succeeded, and what comes of the next can be recorded.
    pub(crate) goes_on: bool,
    /// From the start of its attempt.
    pub(crate) total: Duration,
    /// Places that its webhook has.
    pub(crate) places: u32,
}

/// Gives back what waits too long, so that a subscriber that was quick and hangs takes no more slots
/// than it has places.
pub(crate) async fn run(engine: Arc<Engine>, over: CancellationToken) {
    while over.run_until_cancelled(tokio::time::sleep(LOADED_AGE_MAX)).await.is_some() {
        let again = How::Again { after: Duration::ZERO };
        let old = engine.ahead.old();
        if !old.is_empty() {
            engine.settle(old.into_iter().map(|held| (held, again)).collect());
        }
    }
}

impl Ahead {
    pub(crate) fn new(slots: usize) -> Self {
        Self { room: slots / SHARE_OF_SLOTS, lines: Mutex::default() }
    }

    /// An item was leased with a place.
    pub(crate) fn arrived(&self, webhook: WebhookId) {
        self.lock().entry(webhook).or_default().places += 1;
    }

    /// Whether this worker has a place of the webhook, for others to wait for.
    pub(crate) fn has_place(&self, webhook: WebhookId) -> bool {
        self.lock().contains_key(&webhook)
    }

    /// Waits for a place; it is returned if this worker has none of its webhook any more.
    pub(crate) fn wait(&self, webhook: WebhookId, waiting: Waiting) -> Option<Held> {
        match self.lock().get_mut(&webhook) {
            Some(line) => {
                line.waiting.push_back(waiting);
                None
            }
            None => Some(waiting.held),
        }
    }

    /// Who is next in the place of what was answered. A subscriber that fails, or is slower than it
    /// was, is not sent more than it has places.
    pub(crate) fn answered(&self, webhook: WebhookId, answer: Answered) -> Follows {
        let mut lines = self.lock();
        let ahead = answer.ahead(self.room / lines.len().max(1));
        let Some(line) = lines.get_mut(&webhook) else { return Follows::Free(Vec::new(), ahead) };
        match line.waiting.pop_front() {
            Some(next) if answer.goes_on && !next.is_old() => Follows::Send(next),
            first => {
                let back = first.into_iter().chain(line.waiting.drain(..));
                let back = back.map(|waiting| waiting.held).collect();
                leave(&mut lines, webhook);
                Follows::Free(back, ahead)
            }
        }
    }

    /// A place is no longer this worker's; those who waited for its last one are returned.
    pub(crate) fn left(&self, webhook: WebhookId) -> Vec<Held> {
        let line = leave(&mut self.lock(), webhook).unwrap_or_default();
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

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place less; the line goes with the last.
fn leave(lines: &mut HashMap<WebhookId, Line>, webhook: WebhookId) -> Option<Line> {
    let line = lines.get_mut(&webhook)?;
    line.places -= 1;
    if line.places == 0 { lines.remove(&webhook) } else { None }
}

impl Answered {
    /// As many as are answered before what was loaded is too old, within the webhook's part of the
    /// room that there is.
    fn ahead(self, part: usize) -> u32 {
        if !self.goes_on {
            return 0;
        }
        let quick = LOADED_AGE_MAX.as_micros() / self.total.as_micros().max(1);
        let fits = part / usize::try_from(self.places.max(1)).unwrap_or(usize::MAX);
        let most = |n| u32::try_from(n).unwrap_or(u32::MAX).min(AHEAD_MAX);
        let ahead = most(quick).min(most(fits as u128));
        if ahead < WORTH_IT { 0 } else { ahead }
    }
}

impl Waiting {
    fn is_old(&self) -> bool {
        self.loaded.elapsed() > LOADED_AGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(total_ms: u64, places: u32) -> Answered {
        Answered { goes_on: true, total: Duration::from_millis(total_ms), places }
    }

    #[test]
    fn a_slow_subscriber_has_none_ahead_and_a_quick_one_not_without_bound() {
        assert_eq!(answered(251, 1).ahead(1_000), 0);
        assert_eq!(answered(50, 1).ahead(1_000), 5);
        assert_eq!(answered(0, 1).ahead(1_000), AHEAD_MAX);
        assert_eq!(Answered { goes_on: false, ..answered(0, 1) }.ahead(1_000), 0);
    }

    #[test]
    fn many_webhooks_have_less_ahead_than_one() {
        assert_eq!(answered(1, 16).ahead(256), AHEAD_MAX);
        assert_eq!(answered(1, 16).ahead(256 / 2), 8);
        assert_eq!(answered(1, 16).ahead(256 / 10), 0);
    }
}
