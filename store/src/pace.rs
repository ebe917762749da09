//! The least time between two rounds. A statement or a script costs its server nearly as much for
//! one item as for ten, so what comes soon after the last round waits for company.

use std::time::Duration;

use crate::world::Stopwatch;

pub struct Pace {
    least: Duration,
    began: Option<Stopwatch>,
}

impl Pace {
    pub fn new(least: Duration) -> Self {
        Self { least, began: None }
    }

    /// Waits until it is over since the last round began; the first one waits for nothing.
    pub async fn keep(&self) {
        let left =
            self.began.map_or(Duration::ZERO, |began| self.least.saturating_sub(began.elapsed()));
        if !left.is_zero() {
            tokio::time::sleep(left).await;
        }
    }

    /// A round begins.
    pub fn begin(&mut self) {
        if !self.least.is_zero() {
            self.began = Some(Stopwatch::start());
        }
    }
}
