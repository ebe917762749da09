//! What the API says to the queue. The queue is speed, not truth: what it does not hear it is fed
//! from the store later, so its failures are logged and nobody is told, and nobody waits for long.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::webhook::{Webhook, WebhookStatus};
use store::{Item, Lane, Limits, Look, Push, QueueError, begin};
use tokio::time::timeout;

use crate::App;

/// Pushes that nobody waits for.
const PUSHING_MAX: usize = 4_096;
/// How long the queue is waited for.
const PATIENCE: Duration = Duration::from_millis(250);

impl App {
    /// Does not wait for a queue that takes its time, unless so many pushes are under way already.
    pub(crate) async fn push(&self, pushes: Vec<Push>) {
        if pushes.is_empty() {
            return;
        }
        let queue = Arc::clone(&self.queue);
        let Some(pushing) = begin(async move { drop(heard("push", queue.push(pushes)).await) })
        else {
            return;
        };
        if self.pushing.len() < PUSHING_MAX {
            self.pushing.spawn(pushing);
        } else {
            pushing.await;
        }
    }

    /// Returns once everything that was to be pushed was. Nothing is to be pushed after it.
    pub async fn all_pushed(&self) {
        self.pushing.close();
        self.pushing.wait().await;
    }

    /// Makes a delivery due at once.
    pub(crate) async fn push_delivery(&self, delivery: &store::Delivery) {
        let lane = Lane::deliver(delivery.tenant.clone(), delivery.id.webhook);
        let item = Item { lane, event: delivery.id.event };
        let push = Push { retry: true, ..Push::new(item, delivery.seq) };
        self.push(vec![push]).await;
    }

    /// Tells who looks on live that deliveries changed.
    pub(crate) async fn notice(&self, deliveries: &[store::Delivery]) {
        let item = |delivery: &store::Delivery| {
            let lane = Lane::deliver(delivery.tenant.clone(), delivery.id.webhook);
            Item { lane, event: delivery.id.event }
        };
        let changed = deliveries.iter().map(item).collect();
        heard("notice", self.queue.notice(changed)).await;
    }

    /// Tells the queue what a webhook's lane may do now.
    pub(crate) async fn set_lane(&self, webhook: &Webhook) {
        let lane = Lane::deliver(webhook.tenant.clone(), webhook.id);
        let paused = webhook.status == WebhookStatus::Paused;
        let (max_in_flight, version) = (webhook.config.max_in_flight, webhook.version);
        let limits = Limits { max_in_flight, paused, version };
        heard("set", self.queue.set(&[(lane, limits)])).await;
    }

    /// Lets go of a deleted webhook's lane, so that what waits in it is ended by the workers.
    pub(crate) async fn release_lane(&self, webhook: &Webhook) {
        let lane = Lane::deliver(webhook.tenant.clone(), webhook.id);
        heard("set", self.queue.set(&[(lane, Limits::RELEASED)])).await;
    }

    /// What the queue says of `lanes`, in their order; none if it says nothing.
    pub(crate) async fn look(&self, lanes: &[Lane]) -> Option<Look> {
        let look = heard("look", self.queue.look(lanes)).await?;
        (look.lanes.len() == lanes.len()).then_some(look)
    }
}

async fn heard<T>(
    verb: &'static str,
    said: impl Future<Output = Result<T, QueueError>>,
) -> Option<T> {
    match timeout(PATIENCE, said).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(queue.verb = verb, error = %error, "the queue did not do what it was told");
            None
        }
        Err(_) => {
            tracing::warn!(queue.verb = verb, "the queue did not answer in time");
            None
        }
    }
}
