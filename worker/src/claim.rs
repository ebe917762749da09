//! Claims what is due, as much as there are slots for, and hands it to the stage it is for.

use model::tenant::Tenant;
use store::{Claimed, Hungry, Leased, Pace, QueueError};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, FAILURE_PAUSE, report_queue};
use crate::slots::Room;

/// Items of one claim: between two a tenant's share is looked at again.
const CLAIM_MAX: usize = 256;

pub(crate) async fn run(engine: &Engine, stop: &CancellationToken) {
    let mut pace = Pace::new(engine.settings.pace);
    while !stop.is_cancelled() {
        if engine.cannot_record() {
            // What would be sent now could not be recorded, and would be sent again.
            tokio::select! {
                () = tokio::time::sleep(FAILURE_PAUSE) => {}
                () = stop.cancelled() => {}
            }
            continue;
        }
        let Some(room) = engine.slots.room() else {
            tokio::select! {
                () = engine.slots.freed() => {}
                () = stop.cancelled() => {}
            }
            continue;
        };
        pace.begin();
        match claim(engine, &room).await {
            Ok(Got::AsMuchAsAsked) => {}
            Ok(Got::AllThereWas) => {
                wait(engine, &room, stop).await;
                pace.keep().await;
            }
            Err(e) => {
                report_queue(&e, "claim");
                tokio::select! {
                    () = tokio::time::sleep(FAILURE_PAUSE) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        // Lets answers that are already in free their places first: claims get larger under load.
        tokio::task::yield_now().await;
    }
}

#[derive(PartialEq, Eq)]
enum Got {
    AsMuchAsAsked,
    AllThereWas,
}

async fn claim(engine: &Engine, room: &Room) -> Result<Got, QueueError> {
    let max = room.items.min(CLAIM_MAX);
    let mut taken = claim_once(engine, max, &room.skip).await?;
    if taken < max && !room.skip.is_empty() && room.skipped_may_follow {
        // Nobody else has anything: a tenant with its share may have more.
        taken += claim_once(engine, max - taken, &[]).await?;
    }
    Ok(if taken < max { Got::AllThereWas } else { Got::AsMuchAsAsked })
}

async fn claim_once(engine: &Engine, max: usize, skip: &[Tenant]) -> Result<usize, QueueError> {
    let Claimed { now, leased, hungry, forgot } = engine.queue.claim(max, skip).await?;
    engine.set_time(now);
    if forgot {
        // Before anything is worked on: what is fanned out tells its lanes first.
        engine.registry.queue_forgot();
    }
    let taken = leased.len();
    hand_out(engine, leased).await;
    for hungry in hungry {
        feed(engine, hungry);
    }
    Ok(taken)
}

/// The ways hold as many as there are slots, so they never wait.
async fn hand_out(engine: &Engine, leased: Vec<Leased>) {
    let (mut to_load, mut put_off) = (Vec::new(), Vec::new());
    for leased in leased {
        match engine.hold(leased) {
            Ok(held) if held.webhook().is_some() => to_load.push(held),
            // Only a stage that is over does not take it; its lease ends by itself.
            Ok(held) => drop(engine.ways.to_fan_out.send(held).await),
            Err(settlement) => put_off.push(settlement),
        }
    }
    if !to_load.is_empty() {
        let _ = engine.ways.to_load.send(to_load).await;
    }
    engine.settle_all(put_off);
}

fn feed(engine: &Engine, hungry: Hungry) {
    // If there is no room it is handed out again when its lease ends.
    let _ = engine.ways.to_feed.try_send(hungry);
}

/// Until something may be due, or a tenant that was passed over has room again.
async fn wait(engine: &Engine, room: &Room, stop: &CancellationToken) {
    let restricted = !room.skip.is_empty();
    tokio::select! {
        () = engine.queue.wait() => {}
        () = engine.slots.freed(), if restricted => {}
        () = stop.cancelled() => {}
    }
}
