//! While one call is under way, and for a moment after it began, what comes in waits and goes
//! together in the next: the busier it is, the larger the batches. A script costs the server nearly
//! as much for one item as for ten.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::pace::Pace;
use crate::queue::QueueError;

/// Between the beginnings of two calls.
const PACE: Duration = Duration::from_millis(2);
/// Items of one call of a script.
pub(super) const BATCH_MAX: usize = 256;
/// Callers that may wait for the call that is under way.
const WAITING_MAX: usize = 4_096;

/// Gathers jobs of items; each is answered for itself.
pub(super) struct Gatherer<T, R>(mpsc::Sender<Job<T, R>>);

pub(super) struct Job<T, R> {
    /// At most [`BATCH_MAX`].
    pub(super) items: Vec<T>,
    pub(super) answer: oneshot::Sender<Result<R, QueueError>>,
}

impl<T: Send + 'static, R: Send + 'static> Gatherer<T, R> {
    /// `call` is given jobs of at most [`BATCH_MAX`] items in all, and answers each. It is called
    /// until the gatherer is dropped.
    pub(super) fn new<F, C>(call: F) -> Self
    where
        F: Fn(Vec<Job<T, R>>) -> C + Send + 'static,
        C: Future<Output = ()> + Send,
    {
        let (sender, mut jobs) = mpsc::channel::<Job<T, R>>(WAITING_MAX);
        tokio::spawn(async move {
            let mut next = jobs.recv().await;
            let mut pace = Pace::new(PACE);
            while let Some(first) = next.take() {
                let mut items = first.items.len();
                let mut batch = vec![first];
                if items < BATCH_MAX {
                    pace.keep().await;
                }
                pace.begin();
                while let Ok(job) = jobs.try_recv() {
                    if items + job.items.len() > BATCH_MAX {
                        next = Some(job);
                        break;
                    }
                    items += job.items.len();
                    batch.push(job);
                }
                call(batch).await;
                if next.is_none() {
                    next = jobs.recv().await;
                }
            }
        });
        Self(sender)
    }

    /// Returns once it is in the queue; what that returns is the answer.
    pub(super) async fn send(
        &self,
        items: Vec<T>,
    ) -> Result<impl Future<Output = Result<R, QueueError>>, QueueError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Job { items, answer }).await.map_err(|_| ending())?;
        Ok(async { answered.await.map_err(|_| ending())? })
    }
}

fn ending() -> QueueError {
    QueueError("the process is ending".into())
}
