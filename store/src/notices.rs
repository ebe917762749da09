use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;

use crate::queue::{Item, QueueError};
use crate::world::Stopwatch;

/// How long who asked for notices is taken to listen.
pub const LISTENING_FOR: Duration = Duration::from_secs(10);
/// By when everybody knows that somebody listens.
pub const HEARD_WITHIN: Duration = Duration::from_millis(1_500);
/// Notices that are kept, about.
pub const NOTICES_KEPT: usize = 20_000;

/// Which deliveries changed, for those who look on live: made, tried, or ended. Ids and nothing else: how
/// they stand is read from the store. While nobody listens nothing is kept. A notice may be lost, and then
/// who looks on is told that it missed something.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Tells who listens that these deliveries changed. Nothing if nobody does.
    async fn notice(&self, changed: Vec<Item>) -> Result<(), QueueError>;

    /// What was told after `mark`, the oldest first, `limit` items or somewhat more; without a mark
    /// nothing, but where the end is, and whether others may not know yet that somebody listens, as they do
    /// within [`HEARD_WITHIN`]. Who asks listens for [`LISTENING_FOR`].
    async fn noticed(&self, mark: Option<Mark>, limit: usize) -> Result<Noticed, QueueError>;
}

/// A place in what was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark {
    pub major: u64,
    pub minor: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noticed {
    pub items: Vec<Item>,
    /// After them.
    pub mark: Mark,
    /// Whether something after the mark that was asked for may have been told and is not there.
    pub missed: bool,
}

/// Notices in this process's memory.
pub(crate) struct Ring {
    /// Another one after each time that nobody listened.
    round: u64,
    /// Numbers of those that are kept: from the first to before the next.
    next: u64,
    kept: VecDeque<Item>,
    asked: Option<Stopwatch>,
}

impl Ring {
    /// `round` is another one in each process.
    pub(crate) fn new(round: u64) -> Self {
        Self { round, next: 0, kept: VecDeque::new(), asked: None }
    }

    pub(crate) fn notice(&mut self, changed: Vec<Item>) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= LISTENING_FOR) {
            if self.asked.take().is_some() {
                self.round = self.round.wrapping_add(1);
                self.kept = VecDeque::new();
            }
            return;
        }
        self.next += changed.len() as u64;
        self.kept.extend(changed);
        let over = self.kept.len().saturating_sub(NOTICES_KEPT);
        self.kept.drain(..over);
    }

    pub(crate) fn noticed(&mut self, mark: Option<Mark>, limit: usize) -> Noticed {
        self.asked = Some(Stopwatch::start());
        let end = Mark { major: self.round, minor: self.next };
        let Some(mark) = mark else { return Noticed { mark: end, ..Noticed::default() } };
        let first = self.next - self.kept.len() as u64;
        if mark.major != self.round || !(first..=self.next).contains(&mark.minor) {
            return Noticed { mark: end, missed: true, items: Vec::new() };
        }
        let from = usize::try_from(mark.minor - first).unwrap_or(usize::MAX);
        let items: Vec<_> = self.kept.iter().skip(from).take(limit).cloned().collect();
        let mark = Mark { minor: mark.minor + items.len() as u64, ..mark };
        Noticed { items, mark, missed: false }
    }
}
