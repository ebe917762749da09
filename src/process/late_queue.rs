//! A queue that may not be there yet. A process starts without its Redis: events are accepted, and
//! delivering begins once it is reached.

use std::sync::Arc;

use async_trait::async_trait;
use model::tenant::Tenant;
use store::{
    Claimed, Item, Lane, Limits, Look, Mark, Noticed, Notices, Push, Pushed, Queue, QueueError,
    Settlement,
};
use tokio::sync::watch;

pub struct LateQueue(watch::Receiver<Option<Arc<dyn Queue>>>);

impl LateQueue {
    /// `open` returns once the queue is reached.
    pub fn open(open: impl Future<Output = Arc<dyn Queue>> + Send + 'static) -> Self {
        let (opened, queue) = watch::channel(None);
        tokio::spawn(async move {
            let queue = open.await;
            tracing::info!("the queue is reached");
            // Nobody waits any more if the process ends.
            let _ = opened.send(Some(queue));
        });
        Self(queue)
    }

    fn queue(&self) -> Result<Arc<dyn Queue>, QueueError> {
        self.0.borrow().clone().ok_or_else(|| QueueError("it was not reached yet".into()))
    }
}

#[async_trait]
impl Notices for LateQueue {
    async fn notice(&self, changed: Vec<Item>) -> Result<(), QueueError> {
        self.queue()?.notice(changed).await
    }

    async fn noticed(&self, mark: Option<Mark>, limit: usize) -> Result<Noticed, QueueError> {
        self.queue()?.noticed(mark, limit).await
    }
}

#[async_trait]
impl Queue for LateQueue {
    async fn push(&self, items: Vec<Push>) -> Result<Pushed, QueueError> {
        self.queue()?.push(items).await
    }

    async fn claim(&self, max: usize, skip: &[Tenant]) -> Result<Claimed, QueueError> {
        self.queue()?.claim(max, skip).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), QueueError> {
        self.queue()?.settle(settlements).await
    }

    async fn set(&self, lanes: &[(Lane, Limits)]) -> Result<(), QueueError> {
        self.queue()?.set(lanes).await
    }

    async fn look(&self, lanes: &[Lane]) -> Result<Look, QueueError> {
        self.queue()?.look(lanes).await
    }

    async fn wait(&self) {
        let mut late = self.0.clone();
        let queue = late.wait_for(Option::is_some).await.ok().and_then(|queue| queue.clone());
        match queue {
            Some(queue) => queue.wait().await,
            // It will never be reached: the process ends.
            None => std::future::pending().await,
        }
    }
}
