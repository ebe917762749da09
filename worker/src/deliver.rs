//! Sends deliveries: load, check, send, decide, hand over to be recorded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::attempt::{Answer, Attempt};
use model::delivery::{EndedBy, Next, Standing, decide};
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::WebhookStatus;
use store::world::{Stopwatch, roll};
use store::{How, Loaded, Outcome, Pace, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ahead::{Answered, Follows, Waiting};
use crate::engine::{Engine, FAILURE_PAUSE, Held, gather, report_store};
use crate::record::Entry;
use crate::registry::Target;
use crate::report;
use crate::send::Sent;

/// Claims of one load.
const CLAIMS_MAX: usize = 4;
/// Requests that are begun before whoever else is ready has a turn: connecting to a thousand
/// subscribers takes a while.
const BEGUN_AT_ONCE: usize = 16;
/// How long one waits for which there was no file: a few others are answered meanwhile.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(250);
/// How long one waits that cannot be read at all.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(60);
/// Until a paused webhook's deliveries are looked at again, if the queue did not hear of the pause.
const UNTOLD_PAUSE: Duration = Duration::from_secs(10);
/// A delivery this close to its time is sent: the queue's clock and the store's round differently.
const EARLY_MAX: Duration = Duration::from_millis(2);

pub(crate) type Inbox = mpsc::Receiver<Vec<Held>>;

pub(crate) fn inbox(slots: usize) -> (mpsc::Sender<Vec<Held>>, Inbox) {
    mpsc::channel(slots)
}

pub(crate) async fn run(
    engine: Arc<Engine>,
    mut inbox: Inbox,
    abort: CancellationToken,
    over: CancellationToken,
) {
    // Claims keep the pace already.
    let mut pace = Pace::new(Duration::ZERO);
    while let Some(claims) = gather(&mut inbox, CLAIMS_MAX, &mut pace, &over).await {
        let batch: Vec<_> = claims.into_iter().flatten().collect();
        let since = Stopwatch::start();
        match load(&engine, &batch).await {
            Ok(loaded) => {
                let loaded = batch.into_iter().zip(loaded).collect();
                start(&engine, loaded, since, &abort);
            }
            Err(e) => {
                report_store(&e, "load");
                let again = How::Again { after: FAILURE_PAUSE };
                engine.settle(batch.into_iter().map(|held| (held, again)).collect());
            }
        }
    }
}

/// What the store says of a delivery, or that it cannot be read.
pub(crate) type Said = Result<Option<Loaded>, ()>;

async fn load(engine: &Engine, batch: &[Held]) -> Result<Vec<Said>, StoreError> {
    let ids: Vec<_> = batch.iter().filter_map(|held| held.leased.item.delivery()).collect();
    match engine.store.load(ids.clone()).await {
        Ok(loaded) => Ok(loaded.into_iter().map(Ok).collect()),
        // One row that cannot be read must not keep the others.
        Err(StoreError::Damaged(_)) => {
            let mut loaded = Vec::with_capacity(ids.len());
            for id in ids {
                loaded.push(match engine.store.load(vec![id]).await {
                    Ok(mut one) => Ok(one.pop().flatten()),
                    Err(e) => {
                        report_store(&e, "load");
                        Err(())
                    }
                });
            }
            Ok(loaded)
        }
        Err(e) => Err(e),
    }
}

/// Begins each delivery of a batch, or settles it without a request. `since`: what the store said is
/// not older. Nobody waits for it.
pub(crate) fn start(
    engine: &Arc<Engine>,
    batch: Vec<(Held, Said)>,
    since: Stopwatch,
    abort: &CancellationToken,
) {
    let (engine, abort) = (engine.clone(), abort.clone());
    tokio::spawn(async move {
        let _watch = engine.watch();
        begin_all(&engine, batch, since, &abort).await;
    });
}

async fn begin_all(
    engine: &Arc<Engine>,
    batch: Vec<(Held, Said)>,
    since: Stopwatch,
    abort: &CancellationToken,
) {
    let targets = match targets(engine, &batch).await {
        Ok(targets) => targets,
        // What cannot be read of one webhook must not keep the others.
        Err(StoreError::Damaged(_)) if batch.len() > 1 => {
            for one in batch {
                Box::pin(begin_all(engine, vec![one], since, abort)).await;
            }
            return;
        }
        Err(e) => {
            report_store(&e, "webhooks");
            let again = How::Again { after: FAILURE_PAUSE };
            return engine.settle(batch.into_iter().map(|(held, _)| (held, again)).collect());
        }
    };
    let (mut placed, mut settled, mut paused) = (Vec::new(), Vec::new(), Vec::new());
    for (held, loaded) in batch {
        let Some(id) = held.leased.item.delivery() else { continue };
        match readiness(id, loaded, targets.get(&id.webhook), engine.now()) {
            Readiness::Send(ready) if held.has_place => placed.push((held, ready)),
            Readiness::Send(ready) => {
                let waiting = Waiting { held, ready, loaded: since };
                if let Some(held) = engine.ahead.wait(id.webhook, waiting) {
                    settled.push((held, How::Again { after: Duration::ZERO }));
                }
            }
            Readiness::Settle(how) => settled.push((held, how)),
            Readiness::Paused(target) => paused.push((held, target)),
            Readiness::End(attempts_before, by) => {
                let (next, at) = (Next::End(by), engine.now());
                let outcome = Outcome {
                    delivery: id,
                    attempts_before,
                    attempt: None,
                    next,
                    at,
                    disable_webhook: None,
                };
                record(engine, Entry { held, outcome, event: None }).await;
            }
        }
    }
    engine.settle(settled);
    // Last, so that whoever is answered soon finds those that wait for its place.
    for (n, (held, ready)) in placed.into_iter().enumerate() {
        send(engine, held, ready, abort);
        if n % BEGUN_AT_ONCE == BEGUN_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    put_off_paused(engine, paused).await;
}

/// The queue did not know of the pause: it forgot, or they came in before. If it does not hear of it
/// they would be back at once.
async fn put_off_paused(engine: &Engine, paused: Vec<(Held, Arc<Target>)>) {
    let targets = paused.iter().map(|(_, target)| (target.webhook.id, target.clone()));
    let targets: Vec<_> = targets.collect::<HashMap<_, _>>().into_values().collect();
    let is_told = engine.registry.set_limits(&targets).await;
    let again = How::Again { after: if is_told { FAILURE_PAUSE } else { UNTOLD_PAUSE } };
    engine.settle(paused.into_iter().map(|(held, _)| (held, again)).collect());
}

/// The webhooks of a batch in the versions that the store has now.
async fn targets(
    engine: &Engine,
    batch: &[(Held, Said)],
) -> Result<HashMap<WebhookId, Arc<Target>>, StoreError> {
    let mut targets = HashMap::new();
    let mut missing = Vec::new();
    for (held, loaded) in batch {
        let Ok(Some(Loaded { webhook: Some((_, version)), .. })) = loaded else { continue };
        let Some(DeliveryId { webhook, .. }) = held.leased.item.delivery() else { continue };
        if targets.contains_key(&webhook) {
            continue;
        }
        match engine.registry.cached(webhook, *version) {
            Some(target) => drop(targets.insert(webhook, target)),
            None if missing.contains(&webhook) => {}
            None => missing.push(webhook),
        }
    }
    if !missing.is_empty() {
        targets.extend(engine.registry.read(&missing).await?);
    }
    Ok(targets)
}

enum Readiness {
    Send(Box<Ready>),
    Settle(How),
    Paused(Arc<Target>),
    /// It ends without a request; with the attempts it has.
    End(u32, EndedBy),
}

/// A delivery that is to be sent now.
pub(crate) struct Ready {
    id: DeliveryId,
    loaded: Loaded,
    target: Arc<Target>,
}

/// Whether a delivery is to be sent now. The queue may be wrong about everything.
fn readiness(
    id: DeliveryId,
    loaded: Said,
    target: Option<&Arc<Target>>,
    now: Timestamp,
) -> Readiness {
    let loaded = match loaded {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return Readiness::Settle(How::Done),
        Err(()) => return Readiness::Settle(How::Again { after: UNREADABLE_PAUSE }),
    };
    if loaded.status.is_finished() {
        return Readiness::Settle(How::Done);
    }
    let target = match (loaded.webhook, target) {
        (None, _) => return Readiness::End(loaded.attempts, EndedBy::WebhookDeleted),
        (Some((WebhookStatus::Disabled, _)), _) => {
            return Readiness::End(loaded.attempts, EndedBy::Disabled);
        }
        // Deleted since it was loaded: the next look will see it.
        (Some(_), None) => return Readiness::Settle(How::Again { after: FAILURE_PAUSE }),
        (Some((WebhookStatus::Paused, _)), Some(target)) => {
            return Readiness::Paused(target.clone());
        }
        (Some((WebhookStatus::Active, _)), Some(target)) => target.clone(),
    };
    let early = loaded.due.since(now);
    if loaded.by_hand {
        Readiness::Send(Box::new(Ready { id, loaded, target }))
    } else if now >= loaded.opened_at + target.webhook.config.retry.max_age {
        Readiness::End(loaded.attempts, EndedBy::Age)
    } else if early > EARLY_MAX {
        Readiness::Settle(How::Again { after: early })
    } else {
        Readiness::Send(Box::new(Ready { id, loaded, target }))
    }
}

fn send(engine: &Arc<Engine>, held: Held, ready: Box<Ready>, abort: &CancellationToken) {
    let (engine, abort) = (engine.clone(), abort.clone());
    tokio::spawn(async move {
        let _watch = engine.watch();
        deliver(&engine, held, ready, &abort).await;
    });
}

/// Sends one delivery and hands over what came of it.
async fn deliver(
    engine: &Arc<Engine>,
    mut held: Held,
    ready: Box<Ready>,
    abort: &CancellationToken,
) {
    let Ready { id, loaded, target } = *ready;
    let started_at = engine.now();
    let sending = engine.sender.send(&target, &loaded.event, started_at);
    let Some(sent) = abort.run_until_cancelled(sending).await else {
        // Broken off by a stop: it gives its attempt back.
        report::interrupted(&held, id, &loaded, engine.now().since(started_at));
        return engine.settle(vec![(held, How::Again { after: Duration::ZERO })]);
    };
    let Ok(sent) = sent else {
        // Nothing was tried, so nothing is on record.
        engine.shortage.put_off(&engine.metrics);
        return engine.settle(vec![(held, How::Again { after: SHORTAGE_PAUSE })]);
    };
    let now = engine.now();
    let decision = decide(
        &sent.answer,
        &Standing {
            planned_before: loaded.planned,
            opened_at: loaded.opened_at,
            by_hand: loaded.by_hand.then_some(loaded.due),
        },
        &target.webhook.config.retry,
        now,
        roll(),
    );
    held.has_place = false;
    let failed = !sent.answer.is_success();
    let answered = Answered {
        goes_on: !failed && !engine.cannot_record(),
        total: sent.timings.total,
        places: target.webhook.config.max_in_flight,
    };
    let follows = engine.ahead.answered(id.webhook, answered);
    free_place(engine, &held, follows, failed, decision.hold_webhook, abort);
    held.slot.answered();
    let trigger = loaded.trigger();
    engine.metrics.attempted(&sent, &loaded, trigger, &decision, started_at, now);
    let Sent { answer, detail, timings, response } = sent;
    let number = loaded.attempts + 1;
    let attempt = Attempt { number, trigger, started_at, timings, answer, detail, response };
    let outcome = Outcome {
        delivery: id,
        attempts_before: loaded.attempts,
        attempt: Some(attempt),
        next: decision.next,
        at: now,
        disable_webhook: decision.disable_webhook.then(|| disable_reason(&answer)),
    };
    record(engine, Entry { held, outcome, event: Some(loaded.event) }).await;
}

fn disable_reason(answer: &Answer) -> String {
    match answer {
        Answer::Status { code, .. } => format!("the subscriber answered {code}"),
        Answer::Error(class) => format!("the attempt ended with {}", class.as_str()),
    }
}

/// The answer is in: another request may go to the webhook while this one is being recorded, the
/// next that was leased ahead or whatever the queue has.
fn free_place(
    engine: &Arc<Engine>,
    held: &Held,
    follows: Follows,
    failed: bool,
    hold: Option<Duration>,
    abort: &CancellationToken,
) {
    match follows {
        Follows::Send(Waiting { held: mut next, ready, .. }) => {
            // Whose place it is matters once it is free, or somebody's lease ends: it waits for company.
            let how = How::PassedOn { to: next.event(), under: next.leased.token };
            engine.settle_unhurried(held.leased.clone().settle(how));
            next.has_place = true;
            send(engine, next, ready, abort);
        }
        Follows::Free(back, ahead) => {
            let how = How::Answered { failed, hold, ahead };
            engine.settle_all(vec![held.leased.clone().settle(how)]);
            let again = How::Again { after: Duration::ZERO };
            engine.settle(back.into_iter().map(|held| (held, again)).collect());
        }
    }
}

/// The way holds as many as there are slots, so it never waits.
async fn record(engine: &Engine, entry: Entry) {
    // Only a stage that is over does not take it; its lease ends by itself.
    let _ = engine.ways.to_record.send(entry).await;
}
