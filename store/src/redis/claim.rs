//! `claim`: partitions are asked in turn until there is as much as was asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::id::{EventUid, Uid};
use model::tenant::Tenant;
use model::time::Timestamp;

use super::gather::BATCH_MAX;
use super::keys::LaneName;
use super::server::Server;
use crate::queue::*;

/// Hungry lanes handed out by one claim.
const HUNGRY_PER_CLAIM: usize = 16;
/// Calls in a row that find nothing although there is more that is due: lanes that became due but
/// cannot be served.
const VAIN_MAX: usize = 1_000;
/// Until a partition that could not be asked is asked again.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Claiming {
    turn: AtomicUsize,
}

impl Claiming {
    pub(super) async fn claim(
        &self,
        server: &Server,
        max: usize,
        skip: &[Tenant],
    ) -> Result<Claimed, QueueError> {
        let mut claim = Claim {
            server,
            max,
            skip: skip.iter().map(|tenant| tenant.as_str().into()).collect(),
            dice: server.dice(),
            claimed: Claimed::default(),
        };
        let count = server.partitions.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failed = None;
        let mut asked = 0;
        for number in (0..count).map(|nth| (first + nth) % count) {
            // All partitions tell at once that they are hungry for everything.
            if asked > 0 && claim.is_full() && !claim.is_for_everything() {
                break;
            }
            match claim.ask(number).await {
                Ok(()) => asked += 1,
                Err(e) => {
                    server.wake.not_before(number, FAILURE_PAUSE);
                    failed = Some(e);
                }
            }
        }
        // What was leased must be worked on, whatever the other partitions are at.
        match failed {
            Some(e) if asked == 0 => Err(e),
            Some(_) | None => Ok(claim.claimed),
        }
    }
}

struct Claim<'a> {
    server: &'a Server,
    max: usize,
    skip: Vec<Vec<u8>>,
    dice: [u8; 8],
    claimed: Claimed,
}

/// See `claim.lua`.
type Answer = (i64, i64, bool, Vec<u8>, Vec<Vec<u8>>, Vec<u8>, Vec<u8>, Vec<Vec<u8>>);

impl Claim<'_> {
    /// Who wants no items wants what is hungry, of all partitions.
    fn is_full(&self) -> bool {
        self.max > 0 && self.claimed.leased.len() >= self.max
    }

    fn is_for_everything(&self) -> bool {
        self.claimed.hungry.iter().any(|hungry| hungry.hunger == Hunger::Everything)
    }

    /// Claims what one partition has, in batches.
    async fn ask(&mut self, number: usize) -> Result<(), QueueError> {
        for _ in 0..VAIN_MAX {
            let items = (self.max - self.claimed.leased.len()).min(BATCH_MAX);
            let (got, more) = self.call(number, items).await?;
            let as_much_as_asked = items > 0 && got == items && !self.is_full();
            let in_vain = more && self.claimed.leased.is_empty() && self.claimed.hungry.is_empty();
            if !as_much_as_asked && !in_vain {
                break;
            }
        }
        Ok(())
    }

    async fn call(&mut self, number: usize, items: usize) -> Result<(usize, bool), QueueError> {
        let hungry = HUNGRY_PER_CLAIM.saturating_sub(self.claimed.hungry.len());
        let mut arguments = vec![items.to_string().into(), hungry.to_string().into()];
        arguments.extend(self.skip.iter().cloned());
        let server = self.server;
        let asking = server.wake.asking(number);
        let script = &server.scripts.claim;
        let answer: Answer = server.call(number, script, self.dice, arguments).await?;
        let (now, sleep, more, token, lanes, items, everything, hungry) = answer;
        asking.told(sleep);
        self.claimed.now = self.claimed.now.max(Timestamp(now));
        let token = read_token(&token)?;
        self.claimed.forgot |= server.partitions[number].is_another(epoch_of(token));
        let lanes: Vec<_> = lanes.iter().map(|name| read_lane(name)).collect();
        let got = items.len() / ITEM_BYTES;
        for item in items.chunks_exact(ITEM_BYTES) {
            let (place, event) = item.split_at(2);
            let (place, ahead) = read_place([place[0], place[1]]);
            let Some(lane) = lanes.get(place).ok_or_else(unreadable)?.clone() else { continue };
            let event = EventUid(Uid::from_slice(event).ok_or_else(unreadable)?);
            self.claimed.leased.push(Leased { item: Item { lane, event }, token, ahead });
        }
        if !everything.is_empty() {
            let hungry = Hungry { hunger: Hunger::Everything, token: read_token(&everything)? };
            if !self.claimed.hungry.contains(&hungry) {
                self.claimed.hungry.push(hungry);
            }
        }
        for name in &hungry {
            if let Some(lane) = read_lane(name) {
                self.claimed.hungry.push(Hungry { hunger: Hunger::Lane(lane), token });
            }
        }
        Ok((got, more))
    }
}

/// The place of its lane, and the event.
const ITEM_BYTES: usize = 2 + 16;
/// Added to the place if the item is ahead.
const AHEAD: u16 = 1 << 15;

/// A place among what the script was told or tells, and whether the item there is ahead.
pub(super) fn read_place(bytes: [u8; 2]) -> (usize, bool) {
    let place = u16::from_be_bytes(bytes);
    (usize::from(place & !AHEAD), place & AHEAD != 0)
}

pub(super) fn read_token(bytes: &[u8]) -> Result<Token, QueueError> {
    bytes.try_into().map(|bytes| Token(u64::from_be_bytes(bytes))).map_err(|_| unreadable())
}

/// See `prelude.lua`: another one begins whenever the partition may have lost its memory.
fn epoch_of(token: Token) -> u32 {
    (token.0 >> 48) as u32
}

/// None of what no version wrote: it must not keep the others.
fn read_lane(name: &[u8]) -> Option<Lane> {
    let lane = LaneName::parse(name);
    if lane.is_none() {
        let name = String::from_utf8_lossy(name);
        tracing::warn!(redis.lane = %name, "Redis holds a lane that none is called");
    }
    lane
}

pub(super) fn unreadable() -> QueueError {
    QueueError("a script's answer cannot be read".into())
}
