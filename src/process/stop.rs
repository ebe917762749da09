//! Stopping in two steps. First nothing new is begun and what is under way may finish; when the
//! grace is over, what is left is cancelled, gives its attempt back and is sent after the next
//! start. A second signal ends the process at once: the store is made for that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use store::Store;
use store::world::Stopwatch;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// How long cancelled deliveries may take to be recorded as such.
const AFTER_ABORT: Duration = Duration::from_secs(5);

/// How long the store may take to keep the last statistics.
const LAST_COUNTS: Duration = Duration::from_secs(2);

/// A server at work.
pub struct Running {
    /// If it has a door.
    pub server: Option<(ServerHandle, JoinHandle<io::Result<()>>)>,
    /// If it delivers.
    pub engine: Option<JoinHandle<()>>,
    pub app: Arc<api::App>,
    pub draining: CancellationToken,
    pub stop: worker::Stop,
    pub store: Arc<dyn Store>,
    /// Cancelled when nothing is counted any more.
    pub counted: CancellationToken,
    pub counting: JoinHandle<()>,
    pub grace: Duration,
}

impl Running {
    /// Serves until a signal, or until one of its parts ends on its own.
    pub async fn until_stopped(mut self) -> Result<(), Failure> {
        let mut signals = Signals::new()?;
        let ended = tokio::select! {
            name = signals.next() => {
                tracing::info!(signal.name = name, "stopping; a second signal stops at once");
                Ok(())
            }
            server = ended(self.server.as_mut().map(|(_, server)| server)) => {
                Err(unasked("API", &server))
            }
            engine = ended(self.engine.as_mut()) => Err(unasked("engine", &engine)),
        };
        actix_web::rt::spawn(async move {
            let name = signals.next().await;
            tracing::warn!(signal.name = name, "stopping at once");
            crate::log::end();
            std::process::exit(1);
        });
        self.drain().await;
        ended
    }

    /// Closing the door and claiming no more begin together, so that the grace is for both.
    async fn drain(self) {
        let streams = self.app.streams();
        let begun = Stopwatch::start();
        self.draining.cancel();
        self.stop.claim.cancel();
        if let Some((door, _)) = &self.server {
            tokio::select! {
                () = door.stop(true) => {}
                () = self.app.only_silent_streams_left(streams) => {
                    tracing::info!("streams whose clients do not read are cut off");
                }
            }
        }
        self.app.all_pushed().await;
        if let Some(mut engine) = self.engine.filter(|engine| !engine.is_finished())
            && timeout(self.grace.saturating_sub(begun.elapsed()), &mut engine).await.is_err()
        {
            tracing::warn!("deliveries are still under way: they are cancelled and sent later");
            self.stop.abort.cancel();
            if timeout(AFTER_ABORT, engine).await.is_err() {
                tracing::error!("the engine does not stop; what it held is sent again");
            }
        }
        self.counted.cancel();
        // Err: a store that takes its time keeps no statistics of the last seconds.
        let _ = timeout(LAST_COUNTS, self.counting).await;
        match self.store.close().await {
            Ok(()) => tracing::info!("stopped"),
            Err(error) => tracing::error!(error = %error, "the store did not close well"),
        }
    }
}

/// Returns when a part ends; never if it is not there.
async fn ended<T>(part: Option<&mut JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match part {
        Some(part) => part.await,
        None => std::future::pending().await,
    }
}

/// Neither part ends before it is told to.
fn unasked(part: &str, ended: &dyn std::fmt::Debug) -> Failure {
    Failure::failed(format!("the {part} ended by itself ({ended:?}); the log says why."))
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let open = |kind| {
            signal(kind).map_err(|e| Failure::failed(format!("signals cannot be received: {e}.")))
        };
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: open(terminate)?, interrupt: open(interrupt)? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
