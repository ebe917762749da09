//! Copies the write-ahead log into the database file, on a connection of its own so that the
//! writer does not wait for it.

use std::path::Path;
use std::time::Duration;

use super::writer::{Writer, checkpoint};
use super::{connect, failure};
use crate::StoreError;

/// Between two copies.
const PAUSE: Duration = Duration::from_secs(1);
/// Frames beyond which the log is to start anew, so that it stays below about 128 MiB.
const FRAMES_MAX: i64 = 16_384;

pub(super) fn start(path: &Path, writer: &Writer) -> Result<(), StoreError> {
    let db = connect(path).map_err(|e| failure(&e))?;
    let writer = writer.downgrade();
    std::thread::Builder::new()
        .name("sqlite-checkpoint".into())
        .spawn(move || {
            loop {
                std::thread::sleep(PAUSE);
                let Some(writer) = writer.upgrade() else { return };
                match checkpoint(&db, "PASSIVE") {
                    Ok((frames, _)) if frames > FRAMES_MAX => writer.restart_log(),
                    Ok(_) => {}
                    Err(e) => tracing::warn!(error = %e, "the store's log could not be copied"),
                }
            }
        })
        .map(drop)
        .map_err(|e| StoreError::Unavailable(e.to_string()))
}
