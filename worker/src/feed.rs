//! Feeds the queue from the store: at the start, after the queue lost its memory, and whenever a
//! lane that refused items has room again.

use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;
use store::{How, Hunger, Hungry, Item, Lane, Pace, Push, StoreError, Waiting, Work};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, FAILURE_PAUSE, gather, report_queue, report_store};

/// Hungers waiting to be fed; the queue hands out those that find no room again later.
const WAITING_MAX: usize = 64;
/// Lanes read at once.
const LANES_PAGE: u32 = 500;
/// Until everything is fed again, if a lane could not be read.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(60);
/// Items of one step of the rolling push: at one step in five seconds 400 a second.
const ROLLING_MAX: u32 = 2_000;
/// Items of one push.
const PUSH_MAX: usize = 1_000;

pub(crate) type Inbox = mpsc::Receiver<Hungry>;

pub(crate) fn inbox() -> (mpsc::Sender<Hungry>, Inbox) {
    mpsc::channel(WAITING_MAX)
}

pub(crate) async fn run(engine: Arc<Engine>, mut inbox: Inbox, stop: CancellationToken) {
    // A long feeding outlives its lease: what is handed out again meanwhile keeps its token.
    let mut fed_last = None;
    let mut pace = Pace::new(Duration::ZERO);
    while let Some(batch) = gather(&mut inbox, 1, &mut pace, &stop).await {
        for hungry in batch {
            if fed_last.replace(hungry.token) == Some(hungry.token) {
                continue;
            }
            let fed = match &hungry.hunger {
                Hunger::Everything => feed_everything(&engine, &stop).await,
                Hunger::Lane(lane) => feed(&engine, lane).await,
            };
            let how = fed.unwrap_or_else(|e| {
                report_store(&e, "unfinished");
                How::Again { after: FAILURE_PAUSE }
            });
            engine.settle_all(vec![hungry.settle(how)]);
        }
    }
}

/// Every lane with unfinished work. A lane that cannot take it all is hungry by itself from then.
async fn feed_everything(engine: &Engine, stop: &CancellationToken) -> Result<How, StoreError> {
    let mut after: Option<Lane> = None;
    let mut how = How::Done;
    loop {
        let lanes = engine.store.lanes(after.as_ref(), LANES_PAGE).await?;
        let Some(last) = lanes.last() else { return Ok(how) };
        after = Some(last.clone());
        let reminded = remind(engine, &lanes).await.unwrap_or(false);
        for lane in &lanes {
            if stop.is_cancelled() {
                return Ok(How::Again { after: Duration::ZERO });
            }
            let fed =
                if reminded { feed_known(engine, lane).await } else { feed(engine, lane).await };
            match fed {
                Ok(How::Again { after }) if !after.is_zero() => how = How::Again { after },
                Ok(_) => {}
                Err(e) => {
                    // One lane that cannot be read must not keep the others from being fed.
                    report_store(&e, "unfinished");
                    how = How::Again { after: UNREADABLE_PAUSE };
                }
            }
        }
    }
}

/// Goes round the lanes and pushes what of each is due next, a little at a time: whatever the queue
/// does not know for a reason nobody thought of, it learns again. What it knows costs a look.
#[derive(Default)]
pub(crate) struct Rolling {
    after: Option<Lane>,
}

impl Rolling {
    /// Pushes up to [`ROLLING_MAX`] items, of one lane after another.
    pub(crate) async fn step(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let mut budget = ROLLING_MAX;
        let lanes = engine.store.lanes(self.after.as_ref(), LANES_PAGE).await?;
        let round_is_over = lanes.len() < LANES_PAGE as usize;
        for lane in lanes {
            if budget == 0 {
                return Ok(());
            }
            let waiting = engine.store.unfinished(&lane, budget).await?;
            budget = budget.saturating_sub(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
            let items = waiting.len();
            let now = engine.now();
            let pushes = waiting.iter().map(|waiting| push(&lane, waiting, now));
            if let Err(e) = engine.queue.push(pushes.collect()).await {
                report_queue(&e, "push");
                return Ok(());
            }
            engine.metrics.pushed_again(lane.work, items);
            self.after = Some(lane);
        }
        if round_is_over {
            self.after = None;
        }
        Ok(())
    }
}

fn push(lane: &Lane, waiting: &Waiting, now: Timestamp) -> Push {
    let item = Item { lane: lane.clone(), event: waiting.event };
    let after = waiting.due.since(now);
    Push { after, retry: waiting.retry, fed: true, ..Push::new(item, waiting.seq) }
}

async fn feed(engine: &Engine, lane: &Lane) -> Result<How, StoreError> {
    if !remind(engine, std::slice::from_ref(lane)).await? {
        // It would be served as if nobody had limited it.
        return Ok(How::Again { after: FAILURE_PAUSE });
    }
    feed_known(engine, lane).await
}

/// Feeds a lane of which the queue knows what it may do.
async fn feed_known(engine: &Engine, lane: &Lane) -> Result<How, StoreError> {
    let (how, items) = push_lane(engine, lane).await?;
    engine.metrics.fed(items);
    Ok(how)
}

/// A queue that lost its memory forgot what lanes may do, too. Returns whether it heard it.
async fn remind(engine: &Engine, lanes: &[Lane]) -> Result<bool, StoreError> {
    let webhooks: Vec<_> = lanes.iter().filter_map(|lane| lane.work.webhook()).collect();
    let targets: Vec<_> = engine.registry.read(&webhooks).await?.into_values().collect();
    Ok(engine.registry.set_limits(&targets).await)
}

/// Pushes what of a lane is due next, as much as it can hold beside what it has; and says how much that
/// was.
async fn push_lane(engine: &Engine, lane: &Lane) -> Result<(How, usize), StoreError> {
    // One more than the lane holds: it is refused, so that the lane knows that there is more.
    let limit = engine.settings.lane_cap.saturating_add(1);
    let waiting = engine.store.unfinished(lane, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
    let all = waiting.len() < limit;
    let now = engine.now();
    let (mut pushed, mut refused) = (0, 0);
    for part in waiting.chunks(PUSH_MAX) {
        let pushes = part.iter().map(|waiting| push(lane, waiting, now));
        match engine.queue.push(pushes.collect()).await {
            Ok(became) => {
                pushed += part.len();
                refused += became.refused.len();
            }
            Err(e) => {
                report_queue(&e, "push");
                return Ok((How::Again { after: FAILURE_PAUSE }, pushed));
            }
        }
    }
    let fed = all && refused == 0;
    Ok((if fed { How::Done } else { How::Again { after: Duration::ZERO } }, pushed))
}

/// Pushes events that are still to fan out: of one accepted just before its process ended, or
/// whose publisher hung up between the commit and the push, nobody else would know.
pub(crate) async fn repush_inbox(engine: &Engine) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let lanes = engine.store.lanes(after.as_ref(), LANES_PAGE).await?;
        let fan_out = lanes.iter().filter(|lane| lane.work == Work::FanOut);
        let count = fan_out.clone().count();
        for lane in fan_out {
            let (_, items) = push_lane(engine, lane).await?;
            engine.metrics.pushed_again(lane.work, items);
        }
        if count < LANES_PAGE as usize {
            return Ok(());
        }
        after = lanes.last().cloned();
    }
}
