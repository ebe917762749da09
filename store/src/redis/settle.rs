//! `settle`: settlements of many callers go together, in their order.

use std::sync::Arc;

use super::gather::{BATCH_MAX, Gatherer, Job};
use super::keys::LaneName;
use super::push::micros;
use super::server::Server;
use crate::queue::*;

pub(super) struct Settling(Vec<Gatherer<Settlement, ()>>);

impl Settling {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        let gatherer = |number| {
            let server = server.clone();
            Gatherer::new(move |jobs| call(server.clone(), number, jobs))
        };
        Self((0..server.partitions.len()).map(gatherer).collect())
    }

    pub(super) async fn settle(
        &self,
        server: &Server,
        settlements: Vec<Settlement>,
    ) -> Result<(), QueueError> {
        let mut parts: Vec<Vec<Settlement>> = self.0.iter().map(|_| Vec::new()).collect();
        for settlement in settlements {
            match &settlement.subject {
                Subject::Item(Item { lane, .. }) | Subject::Hunger(Hunger::Lane(lane)) => {
                    parts[server.partition_of(lane)].push(settlement);
                }
                // Every partition was hungry under the same token.
                Subject::Hunger(Hunger::Everything) => {
                    parts.iter_mut().for_each(|part| part.push(settlement.clone()));
                }
            }
        }
        let mut sent = Vec::new();
        for (gatherer, part) in self.0.iter().zip(parts) {
            for some in part.chunks(BATCH_MAX) {
                sent.push(gatherer.send(some.to_vec()).await?);
            }
        }
        let mut settled = Ok(());
        for answer in sent {
            settled = settled.and(answer.await);
        }
        settled
    }
}

async fn call(server: Arc<Server>, number: usize, jobs: Vec<Job<Settlement, ()>>) {
    let settlements = jobs.iter().flat_map(|job| &job.items);
    let arguments = settlements.flat_map(encode).collect();
    let answer: Result<(i64,), _> =
        server.call(number, &server.scripts.settle, server.dice(), arguments).await;
    if let Ok((sleep,)) = &answer {
        server.wake.heard(number, *sleep);
    }
    for job in jobs {
        // Nobody minds if the caller is gone.
        let _ = job.answer.send(answer.clone().map(drop));
    }
}

fn encode(settlement: &Settlement) -> [Vec<u8>; 2] {
    let subject = match &settlement.subject {
        Subject::Item(item) => {
            let mut subject = format!("i{}", LaneName(&item.lane)).into_bytes();
            subject.extend(item.event.0.as_bytes());
            subject
        }
        Subject::Hunger(Hunger::Lane(lane)) => format!("l{}", LaneName(lane)).into(),
        Subject::Hunger(Hunger::Everything) => b"e".to_vec(),
    };
    let how = match settlement.how {
        How::Answered { failed, hold, ahead } => {
            let letter = if failed { b'f' } else { b'a' };
            let hold = hold.map_or(-1.0, micros).to_be_bytes();
            let ahead = u8::try_from(ahead.min(AHEAD_MAX)).unwrap_or(u8::MAX);
            coded(letter, settlement.token, &[&hold, &[ahead]])
        }
        How::PassedOn { to, under } => {
            coded(b'p', settlement.token, &[to.0.as_bytes(), &under.0.to_be_bytes()])
        }
        How::Done => coded(b'd', settlement.token, &[]),
        How::Again { after } => coded(b'g', settlement.token, &[&micros(after).to_be_bytes()]),
    };
    [subject, how]
}

fn coded(letter: u8, token: Token, more: &[&[u8]]) -> Vec<u8> {
    let mut code = vec![letter];
    code.extend(token.0.to_be_bytes());
    more.iter().for_each(|bytes| code.extend_from_slice(bytes));
    code
}
