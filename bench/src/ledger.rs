//! What the receiver knows of one run: how often each event reached each webhook, and how late.

use serde::{Deserialize, Serialize};

use crate::event::EVENTS_MAX;
use crate::measure::Percentiles;

/// Begins a run. Receipts of any other run count as unexpected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begin {
    pub run: u32,
    /// Webhooks `/h/0` to `/h/<paths - 1>`.
    pub paths: usize,
    /// From this path on, each takes requests and never answers. Nothing of them is counted but
    /// `held`.
    pub hang: Option<usize>,
    /// From this path on, latencies are left out: only others are watched, or a run with one that
    /// hangs is to have its like.
    pub unwatched: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Different (webhook, event) pairs.
    pub deliveries: u64,
    pub lost: u64,
    /// Receipts beyond the first.
    pub duplicated: u64,
    /// Receipts of what was not published, or not in this run.
    pub unexpected: u64,
    /// Requests to hanging webhooks.
    pub held: u64,
    /// Receipt of the last delivery, in microseconds since the epoch.
    pub last_at: u64,
    /// From the event's `at` to its first receipt.
    pub latency: Percentiles,
}

/// One request, as the ledger sees it.
pub struct Receipt {
    pub path: Option<usize>,
    pub event: Option<(u32, u64)>,
    pub sent_at: Option<u64>,
    pub received_at: u64,
}

pub struct Ledger {
    begin: Begin,
    /// Receipts per path and event number; grows with the numbers seen, to `EVENTS_MAX` a path.
    seen: Vec<Vec<u8>>,
    latencies: Vec<u32>,
    deliveries: u64,
    duplicated: u64,
    unexpected: u64,
    held: u64,
    last_at: u64,
}

impl Ledger {
    pub fn new(begin: Begin) -> Self {
        Self {
            seen: vec![Vec::new(); begin.paths],
            begin,
            latencies: Vec::new(),
            deliveries: 0,
            duplicated: 0,
            unexpected: 0,
            held: 0,
            last_at: 0,
        }
    }

    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Counts a receipt; `false` if it is not to be answered.
    pub fn note(&mut self, receipt: &Receipt) -> bool {
        if receipt.path.is_some_and(|path| self.hangs(path)) {
            self.held += 1;
            return false;
        }
        match self.count(receipt) {
            Some(1) => {
                self.deliveries += 1;
                self.last_at = receipt.received_at;
                if self.is_watched(receipt) {
                    let late = receipt.received_at.saturating_sub(receipt.sent_at.unwrap_or(0));
                    self.latencies.push(u32::try_from(late).unwrap_or(u32::MAX));
                }
            }
            Some(_) => self.duplicated += 1,
            None => self.unexpected += 1,
        }
        true
    }

    fn is_watched(&self, receipt: &Receipt) -> bool {
        let from = self.begin.unwatched;
        receipt.path.zip(from).is_none_or(|(path, from)| path < from)
    }

    fn hangs(&self, path: usize) -> bool {
        self.begin.hang.is_some_and(|from| path >= from)
    }

    /// How often this one came, now; `None` if the run has no such event.
    fn count(&mut self, receipt: &Receipt) -> Option<u8> {
        let (run, n) = receipt.event?;
        receipt.sent_at?;
        if run != self.begin.run || n >= EVENTS_MAX {
            return None;
        }
        let n = usize::try_from(n).ok()?;
        let seen = self.seen.get_mut(receipt.path?)?;
        if n >= seen.len() {
            seen.resize(n + 1, 0);
        }
        seen[n] = seen[n].saturating_add(1);
        Some(seen[n])
    }

    /// The run in figures, `published` events to each path.
    pub fn report(&mut self, published: &[u64]) -> Report {
        let (mut lost, mut beyond) = (0, 0);
        for (path, seen) in self.seen.iter().enumerate() {
            let published = published.get(path).copied().unwrap_or(0);
            let split = seen.len().min(usize::try_from(published).unwrap_or(usize::MAX));
            let (expected, rest) = seen.split_at(split);
            if !self.hangs(path) {
                let received = expected.iter().filter(|times| **times > 0).count();
                lost += published - received as u64;
            }
            beyond += rest.iter().filter(|times| **times > 0).count() as u64;
        }
        Report {
            deliveries: self.deliveries - beyond,
            lost,
            duplicated: self.duplicated,
            unexpected: self.unexpected + beyond,
            held: self.held,
            last_at: self.last_at,
            latency: Percentiles::of(&mut self.latencies),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(hang: Option<usize>) -> Ledger {
        Ledger::new(Begin { run: 1, paths: 2, hang, unwatched: hang })
    }

    fn receipt(path: usize, run: u32, n: u64) -> Receipt {
        Receipt {
            path: Some(path),
            event: Some((run, n)),
            sent_at: Some(1_000),
            received_at: 3_000,
        }
    }

    #[test]
    fn lost_duplicated_and_unexpected_are_told_apart() {
        let mut ledger = ledger(None);
        for (path, run, n) in [(0, 1, 0), (0, 1, 0), (1, 1, 1), (1, 1, 9), (1, 2, 0), (7, 1, 0)] {
            assert!(ledger.note(&receipt(path, run, n)));
        }
        let report = ledger.report(&[2, 2]);
        assert_eq!(report.deliveries, 2);
        assert_eq!(report.lost, 2);
        assert_eq!(report.duplicated, 1);
        assert_eq!(report.unexpected, 3);
        assert_eq!(report.latency.p50_ms, 2.0);
    }

    #[test]
    fn the_hanging_webhook_is_not_missed() {
        let mut ledger = ledger(Some(1));
        assert!(ledger.note(&receipt(0, 1, 0)));
        assert!(!ledger.note(&receipt(1, 1, 0)));
        let report = ledger.report(&[1, 1]);
        assert_eq!((report.lost, report.held, report.duplicated), (0, 1, 0));
    }

    #[test]
    fn whoever_is_not_watched_is_counted_but_not_timed() {
        let mut ledger = Ledger::new(Begin { run: 1, paths: 3, hang: None, unwatched: Some(1) });
        for (path, received_at) in [(0, 3_000), (1, 900_000), (2, 900_000)] {
            assert!(ledger.note(&Receipt { received_at, ..receipt(path, 1, 0) }));
        }
        let report = ledger.report(&[1, 1, 1]);
        assert_eq!((report.deliveries, report.lost), (3, 0));
        assert_eq!(report.latency.p99_ms, 2.0);
    }
}
