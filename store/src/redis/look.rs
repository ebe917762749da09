//! `look`: every partition is asked, each for the lanes that live in it.

use model::time::Timestamp;

use super::gather::BATCH_MAX;
use super::keys::LaneName;
use super::server::Server;
use crate::queue::*;

/// Calls of one look that bring a partition up to date; after these it says what it knows.
const ROUNDS_MAX: usize = 16;

pub(super) async fn look(server: &Server, lanes: &[Lane]) -> Result<Look, QueueError> {
    let (lanes_looked_at, evicts) = (vec![LaneLook::default(); lanes.len()], server.evicts());
    let mut look = Look { lanes: lanes_looked_at, evicts, ..Look::default() };
    for number in 0..server.partitions.len() {
        let places: Vec<usize> =
            (0..lanes.len()).filter(|nth| server.partition_of(&lanes[*nth]) == number).collect();
        let (first, rest) = places.split_at(places.len().min(BATCH_MAX));
        let mut parts = vec![first];
        parts.extend(rest.chunks(BATCH_MAX));
        for (nth, part) in parts.into_iter().enumerate() {
            let named: Vec<&Lane> = part.iter().map(|place| &lanes[*place]).collect();
            let (now, total, looks, expired) = look_at(server, number, &named).await?;
            look.now = look.now.max(now);
            if nth == 0 {
                look.total = sum(look.total, total);
                look.expired += expired;
            }
            for (place, lane) in part.iter().zip(looks) {
                look.lanes[*place] = lane;
            }
        }
    }
    Ok(look)
}

/// See `look.lua`.
type Answer = (i64, i64, bool, (usize, usize, usize, usize, i64), Vec<LaneAnswer>, u64);
type LaneAnswer = (usize, usize, usize, i64, i64, String);

pub(super) async fn look_at(
    server: &Server,
    number: usize,
    lanes: &[&Lane],
) -> Result<(Timestamp, Totals, Vec<LaneLook>, u64), QueueError> {
    let names: Vec<Vec<u8>> = lanes.iter().map(|lane| LaneName(lane).to_string().into()).collect();
    let mut round = 1;
    loop {
        let script = &server.scripts.look;
        let answer: Answer = server.call(number, script, server.dice(), names.clone()).await?;
        let (sleep, now, more, total, looks, expired) = answer;
        server.wake.heard(number, sleep);
        if !more || round == ROUNDS_MAX {
            let (lanes, queued, leased, in_flight, oldest) = total;
            let oldest_due = moment(oldest);
            let total = Totals { lanes, queued, leased, in_flight, oldest_due };
            let looks = looks.into_iter().map(lane_look).collect();
            return Ok((Timestamp(now), total, looks, expired));
        }
        round += 1;
    }
}

fn lane_look((queued, leased, in_flight, oldest, next, why): LaneAnswer) -> LaneLook {
    let waiting_for = match why.as_str() {
        "b" => Some(WaitingFor::Backoff),
        "c" => Some(WaitingFor::Concurrency),
        "p" => Some(WaitingFor::Paused),
        _ => None,
    };
    let (oldest_due, next_moment) = (moment(oldest), moment(next));
    LaneLook { queued, leased, in_flight, oldest_due, next_moment, waiting_for }
}

fn moment(us: i64) -> Option<Timestamp> {
    (us >= 0).then_some(Timestamp(us))
}

fn sum(a: Totals, b: Totals) -> Totals {
    Totals {
        lanes: a.lanes + b.lanes,
        queued: a.queued + b.queued,
        leased: a.leased + b.leased,
        in_flight: a.in_flight + b.in_flight,
        oldest_due: a.oldest_due.into_iter().chain(b.oldest_due).min(),
    }
}
