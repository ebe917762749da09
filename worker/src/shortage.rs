//! Deliveries for which there was no file: counted, and said once a second however many they are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::world::Stopwatch;

use crate::Metrics;

/// Between two lines in the log.
const SAID_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Shortage(Mutex<Since>);

/// Since something was said.
#[derive(Default)]
struct Since {
    said: Option<Stopwatch>,
    put_off: u64,
}

impl Shortage {
    /// A delivery is put off.
    pub(crate) fn put_off(&self, metrics: &Metrics) {
        metrics.put_off();
        if let Some(put_off) = self.to_say() {
            tracing::warn!(
                deliveries.put_off = put_off,
                "deliveries are put off: this process may not open more files"
            );
        }
    }

    fn to_say(&self) -> Option<u64> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.put_off += 1;
        if since.said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return None;
        }
        since.said = Some(Stopwatch::start());
        Some(std::mem::take(&mut since.put_off))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_are_put_off_at_once_are_one_line() {
        let shortage = Shortage::default();
        assert_eq!(shortage.to_say(), Some(1));
        let watch = Stopwatch::start();
        let said = (0..1_000).filter_map(|_| shortage.to_say()).count();
        assert!(said == 0 || watch.elapsed() >= SAID_EVERY);
    }
}
