//! `settle`: settlements of many callers go together, in their order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::gather::{BATCH_MAX, Gatherer, Job};
use super::keys::LaneName;
use super::push::micros;
use super::script::has_failed;
use super::server::Server;
use crate::queue::*;
use crate::world::Stopwatch;

/// Between two tries of settlements that Redis did not take.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

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
    let arguments = encode(jobs.iter().flat_map(|job| &job.items));
    let since = Stopwatch::start();
    let answer: Result<(i64,), _> = loop {
        let script = &server.scripts.settle;
        match server.call(number, script, server.dice(), arguments.clone()).await {
            // Else whatever is on record as on the wire would take its place until its lease ends.
            // What did arrive settles nothing twice.
            Err(e) if since.elapsed() < server.lease && !has_failed(&e) => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            answer => break answer.map_err(QueueError::from),
        }
    };
    if let Ok((sleep,)) = &answer {
        server.wake.heard(number, *sleep);
    }
    for job in jobs {
        // Nobody minds if the caller is gone.
        let _ = job.answer.send(answer.clone().map(drop));
    }
}

/// See `settle.lua`. Items of one lane go together, in their order.
fn encode<'s>(settlements: impl Iterator<Item = &'s Settlement>) -> Vec<Vec<u8>> {
    let mut arguments: Vec<Vec<u8>> = Vec::new();
    let mut places: HashMap<&Lane, usize> = HashMap::new();
    for Settlement { subject, token, how } in settlements {
        match subject {
            Subject::Item(item) => {
                let place = *places.entry(&item.lane).or_insert_with(|| {
                    arguments.push(format!("i{}", LaneName(&item.lane)).into());
                    arguments.push(Vec::new());
                    arguments.len() - 1
                });
                encode_how(&mut arguments[place], *how, *token, item.event.0.as_bytes());
            }
            Subject::Hunger(hunger) => {
                arguments.push(match hunger {
                    Hunger::Lane(lane) => format!("l{}", LaneName(lane)).into(),
                    Hunger::Everything => b"e".to_vec(),
                });
                let mut code = Vec::new();
                encode_how(&mut code, *how, *token, &[]);
                arguments.push(code);
            }
        }
    }
    arguments
}

fn encode_how(code: &mut Vec<u8>, how: How, token: Token, event: &[u8]) {
    code.push(match how {
        How::Answered { failed: false, .. } => b'a',
        How::Answered { failed: true, .. } => b'f',
        How::PassedOn { .. } => b'p',
        How::Done => b'd',
        How::Again { .. } => b'g',
    });
    code.extend(token.0.to_be_bytes());
    code.extend(event);
    match how {
        How::Answered { hold, ahead, .. } => {
            code.extend(hold.map_or(-1.0, micros).to_be_bytes());
            code.push(u8::try_from(ahead.min(AHEAD_MAX)).unwrap_or(u8::MAX));
        }
        How::PassedOn { to, under } => {
            code.extend(to.0.as_bytes());
            code.extend(under.0.to_be_bytes());
        }
        How::Done => {}
        How::Again { after } => code.extend(micros(after).to_be_bytes()),
    }
}
