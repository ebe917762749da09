//! The level while the process runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::world::Stopwatch;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::reload::Handle;

use super::filter;

/// Changes which lines are logged.
pub struct Levels {
    handle: Handle<Targets, Registry>,
    configured: String,
    held: Mutex<Held>,
}

/// The level that holds.
struct Held {
    level: String,
    /// How long it is to hold, if not for good.
    until: Option<(Stopwatch, Duration)>,
    /// Counts the changes, so that a fall back to what is configured does not undo a later one.
    changes: u64,
}

impl Levels {
    pub fn new(handle: Handle<Targets, Registry>, configured: String) -> Self {
        let held = Held { level: configured.clone(), until: None, changes: 0 };
        Self { handle, configured, held: Mutex::new(held) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `level` the one that holds; returns the number of the change.
    fn change(&self, level: &str, until: Option<Duration>) -> Result<u64, String> {
        let filter = filter(level)?;
        self.replace(self.held(), filter, level, until)
    }

    fn replace(
        &self,
        mut held: MutexGuard<'_, Held>,
        filter: Targets,
        level: &str,
        until: Option<Duration>,
    ) -> Result<u64, String> {
        tracing::info!(log.level = level, log.level_before = held.level, "the log level changes");
        self.handle.reload(filter).map_err(|e| e.to_string())?;
        held.level = level.to_owned();
        held.until = until.map(|until| (Stopwatch::start(), until));
        held.changes += 1;
        Ok(held.changes)
    }

    async fn fall_back(self: Arc<Self>, change: u64, after: Duration) {
        tokio::time::sleep(after).await;
        let (held, filter) = (self.held(), filter(&self.configured).unwrap_or_default());
        if held.changes == change
            && let Err(error) = self.replace(held, filter, &self.configured, None)
        {
            tracing::error!(error, "the log level does not change");
        }
    }
}

impl api::LogLevel for Levels {
    fn now(&self) -> api::Level {
        let held = self.held();
        api::Level {
            level: held.level.clone(),
            configured: self.configured.clone(),
            left: held.until.as_ref().map(|(since, all)| all.saturating_sub(since.elapsed())),
        }
    }

    fn set(self: Arc<Self>, level: &str, lasts: Option<Duration>) -> Result<(), String> {
        let change = self.change(level, lasts)?;
        if let Some(lasts) = lasts {
            tokio::spawn(self.fall_back(change, lasts));
        }
        Ok(())
    }
}
