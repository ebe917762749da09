//! Ends what no sending will end, and pushes what nobody pushed. One worker does it for all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::delivery::Next;
use model::id::WebhookId;
use model::tenant::Tenant;
use model::webhook::WebhookStatus;
use store::{Lane, Outcome, StoreError, Stranded, WaitingFor};
use tokio_util::sync::CancellationToken;

use crate::count;
use crate::engine::{Engine, report_queue, report_store};
use crate::feed::{self, Rolling};
use crate::fleet::Duty;
use crate::registry::Target;

/// Between two sweeps, and a little more by chance so that many processes spread.
const PAUSE: Duration = Duration::from_secs(1);
/// Deliveries ended by one record.
const BATCH_MAX: u32 = 500;
/// Lanes whose ages one sweep looks at.
const LANES_PAGE: u32 = 200;
/// Sweeps between two looks at what nobody may have pushed.
const REPUSH_EVERY: u32 = 5;

pub(crate) async fn run(engine: Arc<Engine>, over: CancellationToken) {
    let mut rounds = 0u32;
    let mut duty = Duty::new("sweep");
    let (mut ages, mut rolling) = (Ages::default(), Rolling::default());
    loop {
        let pause = PAUSE.mul_f64(1.0 + 0.2 * store::world::roll());
        if over.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        rounds = rounds.wrapping_add(1);
        let with_inbox = rounds.is_multiple_of(REPUSH_EVERY);
        let swept = match duty.is_ours(&engine).await {
            Ok(true) => {
                let rolling = with_inbox.then_some(&mut rolling);
                let swept = run_once(&engine, &mut ages, rolling, &over).await;
                if swept.is_ok() {
                    engine.metrics.finished(duty.name, engine.now());
                }
                swept
            }
            Ok(false) => Ok(0),
            Err(e) => Err(e),
        };
        match swept {
            Ok(0) => {}
            Ok(ended) => tracing::info!(deliveries.ended = ended, "deliveries ended unsent"),
            Err(e) => report_store(&e, "sweep"),
        }
    }
}

/// Ends what there is to end; returns how many deliveries that were.
async fn run_once(
    engine: &Engine,
    ages: &mut Ages,
    rolling: Option<&mut Rolling>,
    over: &CancellationToken,
) -> Result<usize, StoreError> {
    if let Some(rolling) = rolling {
        feed::repush_inbox(engine).await?;
        rolling.step(engine).await?;
    }
    let mut ended = 0;
    while !over.is_cancelled() {
        let stranded = engine.store.stranded(BATCH_MAX).await?;
        if stranded.is_empty() {
            break;
        }
        ended += end(engine, stranded, None).await?;
    }
    Ok(ended + ages.sweep(engine, over).await?)
}

/// Goes round the lanes with unfinished work: age counts whatever holds a delivery.
#[derive(Default)]
struct Ages {
    after: Option<Lane>,
}

impl Ages {
    async fn sweep(
        &mut self,
        engine: &Engine,
        over: &CancellationToken,
    ) -> Result<usize, StoreError> {
        let lanes = engine.store.lanes(self.after.as_ref(), LANES_PAGE).await?;
        let webhooks: Vec<_> = lanes.iter().filter_map(|lane| lane.work.webhook()).collect();
        let targets = engine.registry.read_those_that_can_be(&webhooks).await?;
        resume(engine, &lanes, &targets).await;
        let mut ended = 0;
        for target in targets.values() {
            let before = engine.now() - target.webhook.config.retry.max_age;
            while !over.is_cancelled() {
                let old = engine.store.outlived(target.webhook.id, before, BATCH_MAX).await?;
                if old.is_empty() {
                    break;
                }
                ended += end(engine, old, Some(&target.webhook.tenant)).await?;
            }
        }
        self.after = lanes.into_iter().nth(LANES_PAGE as usize - 1);
        Ok(ended)
    }
}

/// Lets go of lanes that the queue holds as paused although their webhook is not: it was not there
/// to be told. The other way round is seen when a delivery is loaded.
async fn resume(engine: &Engine, lanes: &[Lane], targets: &HashMap<WebhookId, Arc<Target>>) {
    let look = match engine.queue.look(lanes).await {
        Ok(look) => look,
        Err(e) => return report_queue(&e, "look"),
    };
    let mut held = Vec::new();
    for (lane, look) in lanes.iter().zip(look.lanes) {
        let target = lane.work.webhook().and_then(|webhook| targets.get(&webhook));
        if let (Some(WaitingFor::Paused), Some(target)) = (look.waiting_for, target)
            && target.webhook.status == WebhookStatus::Active
        {
            held.push(target.clone());
        }
    }
    engine.registry.set_limits(&held).await;
}

async fn end(
    engine: &Engine,
    stranded: Vec<Stranded>,
    tenant: Option<&Tenant>,
) -> Result<usize, StoreError> {
    let at = engine.now();
    let outcomes: Arc<[_]> = stranded
        .into_iter()
        .map(|stranded| Outcome {
            delivery: stranded.delivery,
            attempts_before: stranded.attempts,
            attempt: None,
            next: Next::End(stranded.ended_by),
            at,
            disable_webhook: None,
        })
        .collect();
    let recorded = engine.store.record(outcomes.clone()).await?;
    engine.metrics.recorded(&outcomes, &recorded);
    for (outcome, recorded) in outcomes.iter().zip(&recorded) {
        count::ended_unsent(&engine.tally, tenant, outcome, *recorded);
    }
    Ok(recorded.iter().filter(|r| r.applied).count())
}
