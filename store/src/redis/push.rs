//! `push`: items of many callers go together, lane by lane.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::claim::{read_place, read_token, unreadable};
use super::gather::{BATCH_MAX, Gatherer, Job};
use super::keys::LaneName;
use super::server::Server;
use crate::queue::*;

/// Exact in a double, with room for the time it is added to: 142 years.
const MICROS_MAX: u64 = 1 << 52;

/// Added to what an item is if it is fed.
const FED: u8 = 4;

pub(super) struct Pushing(Vec<Gatherer<Push, Pushed>>);

impl Pushing {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        let gatherer = |number| {
            let server = server.clone();
            Gatherer::new(move |jobs| call(server.clone(), number, jobs))
        };
        Self((0..server.partitions.len()).map(gatherer).collect())
    }

    pub(super) async fn push(
        &self,
        server: &Server,
        items: Vec<Push>,
    ) -> Result<Pushed, QueueError> {
        let mut parts: Vec<Vec<Push>> = self.0.iter().map(|_| Vec::new()).collect();
        let mut sent = Vec::new();
        for push in items {
            let number = server.partition_of(&push.item.lane);
            parts[number].push(push);
            if parts[number].len() == BATCH_MAX {
                sent.push(self.0[number].send(std::mem::take(&mut parts[number])).await?);
            }
        }
        for (gatherer, part) in self.0.iter().zip(parts) {
            if !part.is_empty() {
                sent.push(gatherer.send(part).await?);
            }
        }
        let mut pushed = Pushed::default();
        let mut failed = None;
        for answer in sent {
            match answer.await {
                Ok(Pushed { refused, leased }) => {
                    pushed.refused.extend(refused);
                    pushed.leased.extend(leased);
                }
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            // What was leased is pushed anew, and is due once more when its lease ends.
            Some(e) => Err(e),
            None => Ok(pushed),
        }
    }
}

async fn call(server: Arc<Server>, number: usize, jobs: Vec<Job<Push, Pushed>>) {
    let pushes: Vec<&Push> = jobs.iter().flat_map(|job| &job.items).collect();
    let (arguments, order) = encode(&pushes);
    let answer: Result<Answer, _> =
        server.call(number, &server.scripts.push, server.dice(), arguments).await;
    let answer = answer.map_err(QueueError::from);
    match answer.and_then(|answer| Ok((answer.0, became(&answer, &order)?))) {
        Ok((sleep, became)) => {
            server.wake.heard(number, sleep);
            let mut became = became.into_iter();
            for job in jobs {
                let mut pushed = Pushed::default();
                for (Push { item, .. }, became) in job.items.into_iter().zip(&mut became) {
                    match became {
                        Became::Queued => {}
                        Became::Refused => pushed.refused.push(item),
                        Became::Leased { token, ahead } => {
                            pushed.leased.push(Leased { item, token, ahead });
                        }
                    }
                }
                // If the caller is gone, leases end by themselves.
                let _ = job.answer.send(Ok(pushed));
            }
        }
        Err(e) => {
            // Redis may be full, or may have taken them: then they are there twice.
            server.missed(number);
            for job in jobs {
                let _ = job.answer.send(Err(e.clone()));
            }
        }
    }
}

/// See `push.lua`.
type Answer = (i64, Vec<usize>, Vec<u8>, Vec<u8>);

#[derive(Clone, Copy)]
enum Became {
    Queued,
    Refused,
    Leased { token: Token, ahead: bool },
}

/// What became of each push, in their order; `order` has their places by the script's.
fn became(answer: &Answer, order: &[usize]) -> Result<Vec<Became>, QueueError> {
    let (_, refused, token, taken) = answer;
    let mut became = vec![Became::Queued; order.len()];
    let nth = |number: usize| order.get(number).copied().ok_or_else(unreadable);
    for number in refused {
        became[nth(*number)?] = Became::Refused;
    }
    if !taken.is_empty() {
        let token = read_token(token)?;
        for taken in taken.chunks_exact(2) {
            let (number, ahead) = read_place([taken[0], taken[1]]);
            became[nth(number)?] = Became::Leased { token, ahead };
        }
    }
    Ok(became)
}

/// The script's arguments, and the place of each of their items among `pushes`.
fn encode(pushes: &[&Push]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let mut lanes: Vec<(&Lane, Vec<usize>)> = Vec::new();
    let mut places = HashMap::new();
    for (nth, push) in pushes.iter().enumerate() {
        let lane = &push.item.lane;
        let place = *places.entry(lane).or_insert_with(|| {
            lanes.push((lane, Vec::new()));
            lanes.len() - 1
        });
        lanes[place].1.push(nth);
    }
    let mut arguments = Vec::with_capacity(lanes.len() * 2);
    let mut order = Vec::with_capacity(pushes.len());
    for (lane, members) in lanes {
        let mut items = Vec::with_capacity(members.len() * 33);
        for push in members.iter().map(|nth| pushes[*nth]) {
            items.extend(push.seq.to_be_bytes());
            items.extend(push.item.event.0.as_bytes());
            let kind = match (push.retry, push.at_once) {
                (true, _) => 1,
                (false, AtOnce::No) => 0,
                (false, AtOnce::Placed) => 2,
                (false, AtOnce::PlacedOrAhead) => 3,
            };
            items.push(kind + if push.fed { FED } else { 0 });
            items.extend(micros(push.after).to_be_bytes());
        }
        arguments.push(LaneName(lane).to_string().into());
        arguments.push(items);
        order.extend(members);
    }
    (arguments, order)
}

/// A duration as scripts take it: microseconds, as Lua counts.
pub(super) fn micros(duration: Duration) -> f64 {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(MICROS_MAX);
    micros.min(MICROS_MAX) as f64
}
