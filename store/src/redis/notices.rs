//! Notices, in a stream that other processes read. It is there only while somebody listens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::{RedisResult, Value, cmd, from_redis_value};
use model::id::EventUid;

use super::keys::LaneName;
use super::server::Server;
use crate::notices::{LISTENING_FOR, Mark, NOTICES_KEPT, Noticed};
use crate::queue::{Item, QueueError};
use crate::world::Stopwatch;

/// Items of one entry.
const ENTRY_ITEMS: usize = 64;
/// Between two looks at whether anybody listens.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the stream outlives what was told last.
const KEPT_FOR_S: u64 = 60;
/// The minor number of a mark at which there was no stream.
const EMPTY: u64 = u64::MAX;

/// Whether anybody listens, as far as is known.
#[derive(Default)]
pub(super) struct Listeners {
    there: AtomicBool,
    asked: Mutex<Option<Stopwatch>>,
}

impl Listeners {
    /// Whether it is time to ask again. Only one who calls is told so.
    fn is_to_ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY);
        if due {
            *asked = Some(Stopwatch::start());
        }
        due
    }
}

pub(super) async fn notice(server: &Arc<Server>, changed: Vec<Item>) -> Result<(), QueueError> {
    if server.listeners.is_to_ask() {
        let key = server.keys.listening();
        let answer = server.links.query_at(&key, cmd("EXISTS").arg(&key)).await;
        let there = answer.and_then(|value| Ok(from_redis_value::<bool>(value)?));
        server.listeners.there.store(there?, Ordering::Relaxed);
    }
    if !server.listeners.there.load(Ordering::Relaxed) {
        return Ok(());
    }
    let key = server.keys.notices();
    for items in changed.chunks(ENTRY_ITEMS) {
        let mut add = cmd("XADD");
        add.arg(&key).arg("MAXLEN").arg("~").arg(NOTICES_KEPT / 16).arg("*");
        add.arg("i").arg(written(items));
        server.links.query_at(&key, &add).await?;
    }
    let expire = cmd("EXPIRE").arg(&key).arg(KEPT_FOR_S).to_owned();
    server.links.query_at(&key, &expire).await?;
    Ok(())
}

pub(super) async fn noticed(
    server: &Server,
    mark: Option<Mark>,
    limit: usize,
) -> Result<Noticed, QueueError> {
    Ok(read(server, mark, limit).await?)
}

async fn read(server: &Server, mark: Option<Mark>, limit: usize) -> RedisResult<Noticed> {
    let (listening, key) = (server.keys.listening(), server.keys.notices());
    let mut set = cmd("SET");
    let ms = u64::try_from(LISTENING_FOR.as_millis()).unwrap_or(u64::MAX);
    set.arg(&listening).arg(1).arg("PX").arg(ms).arg("GET");
    let before = server.links.query_at(&listening, &set).await?;
    // While nobody listened nothing was told; and who tells hears of it only now.
    let nobody_listened = matches!(before, Value::Nil);
    let expire = cmd("EXPIRE").arg(&key).arg(KEPT_FOR_S).to_owned();
    server.links.query_at(&key, &expire).await?;
    let Some(mark) = mark else {
        let (mark, missed) = (end(server, &key).await?, nobody_listened);
        return Ok(Noticed { mark, missed, items: Vec::new() });
    };
    let mut range = cmd("XRANGE");
    let entries = limit.div_ceil(ENTRY_ITEMS).max(1) + 1;
    range.arg(&key).arg(text(mark)).arg("+").arg("COUNT").arg(entries);
    let mut entries =
        entries_of(server.links.query_at(&key, &range).await?)?.into_iter().peekable();
    // The one at the mark was seen, and says by being there that none after it was dropped.
    let nothing_dropped = match mark.minor {
        EMPTY => now_ms(server, &key).await?.saturating_sub(mark.major) < KEPT_FOR_S * 1_000,
        _ => entries.next_if(|(at, _)| *at == mark).is_some(),
    };
    let nothing_dropped = nothing_dropped && !nobody_listened;
    if !nothing_dropped || entries.peek().is_none() && mark.minor == EMPTY {
        let mark = end(server, &key).await?;
        return Ok(Noticed { mark, missed: !nothing_dropped, items: Vec::new() });
    }
    let mut noticed = Noticed { mark, ..Noticed::default() };
    for (at, items) in entries {
        noticed.mark = at;
        noticed.items.extend(read_items(&items));
    }
    Ok(noticed)
}

/// Of a stream that is not there, this moment.
async fn end(server: &Server, key: &str) -> RedisResult<Mark> {
    let last = cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(1).to_owned();
    let last = entries_of(server.links.query_at(key, &last).await?)?;
    match last.first() {
        Some((mark, _)) => Ok(*mark),
        None => Ok(Mark { major: now_ms(server, key).await?, minor: EMPTY }),
    }
}

/// The time of the server that has the stream.
async fn now_ms(server: &Server, key: &str) -> RedisResult<u64> {
    let (secs, micros): (u64, u64) =
        from_redis_value(server.links.query_at(key, &cmd("TIME")).await?)?;
    Ok(secs * 1_000 + micros / 1_000)
}

type Entry = (Mark, Vec<u8>);

fn entries_of(answer: Value) -> RedisResult<Vec<Entry>> {
    let entries: Vec<(String, Vec<Vec<u8>>)> = from_redis_value(answer)?;
    let read = entries.into_iter().filter_map(|(id, mut fields)| {
        let (major, minor) = id.split_once('-')?;
        let mark = Mark { major: major.parse().ok()?, minor: minor.parse().ok()? };
        Some((mark, fields.pop()?))
    });
    Ok(read.collect())
}

fn text(mark: Mark) -> String {
    let minor = if mark.minor == EMPTY { 0 } else { mark.minor };
    format!("{}-{minor}", mark.major)
}

/// A line for each: lane, event.
fn written(items: &[Item]) -> String {
    let mut text = String::with_capacity(items.len() * 64);
    for Item { lane, event } in items {
        text.push_str(&format!("{} {event}\n", LaneName(lane)));
    }
    text
}

/// What somebody else wrote there is passed over.
fn read_items(text: &[u8]) -> Vec<Item> {
    let lines = std::str::from_utf8(text).unwrap_or_default().lines();
    let items = lines.filter_map(|line| {
        let (lane, event) = line.split_once(' ')?;
        let lane = LaneName::parse(lane.as_bytes())?;
        Some(Item { lane, event: EventUid::parse(event)? })
    });
    items.collect()
}
