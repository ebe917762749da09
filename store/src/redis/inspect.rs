//! What an operator should know about the server, found without changing anything.

use ::redis::{RedisError, from_redis_value};
use model::time::Timestamp;

use super::connect::Links;
use super::keys::Keys;
use super::server::{OpenError, evicting, field, is_too_old, read_count};
use super::url::{self, Address};

/// A server that was reached.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// How it is spoken to: `standalone`, `cluster` or `sentinel`.
    pub spoken_to_as: &'static str,
    /// What it says it is.
    pub mode: String,
    /// `master`, or what it is instead.
    pub role: String,
    pub version: String,
    /// Older than what Postrider runs on.
    pub is_too_old: bool,
    /// The policy of a server that forgets keys when it is full.
    pub evicts: Option<String>,
    /// Bytes it may use; none: as many as there are.
    pub memory_max: Option<u64>,
    pub memory_used: u64,
    /// Whether it writes down each command.
    pub has_aof: bool,
    /// Partitions of the queue with this prefix; none: there is no queue yet.
    pub partitions: Option<u16>,
    /// Its clock; none if it is a Sentinel, which tells no time.
    pub now: Option<Timestamp>,
}

pub(super) async fn inspect(url: &str, prefix: &str) -> Result<Inspection, OpenError> {
    let address = url::parse(url)?;
    let spoken_to_as = match &address {
        Address::One(_) => "standalone",
        Address::Cluster(_) => "cluster",
        Address::Sentinel { .. } => "sentinel",
    };
    let links = Links::new(address, 1)?;
    let keys = Keys::new(prefix);
    // A server of a Cluster that is spoken to as if it were one alone would send us elsewhere.
    let info = info(&links, &keys.partitions()).await?;
    // A Sentinel has no keys.
    let mode = field(&info, "redis_mode");
    let is_foreign = spoken_to_as == "standalone" && ["cluster", "sentinel"].contains(&mode);
    let partitions = if is_foreign { None } else { read_count(&links, &keys.partitions()).await? };
    let mut evicts = evicting(&info);
    if links.is_cluster() {
        for number in 0..partitions.unwrap_or_default() {
            let at = self::info(&links, &keys.partition(number)).await?;
            evicts = evicts.or(evicting(&at));
        }
    }
    let now = match mode {
        "sentinel" => None,
        _ => Some(now(&links, &keys.partitions()).await?),
    };
    let number = |name: &str| field(&info, name).parse::<u64>().unwrap_or_default();
    let version = field(&info, "redis_version").to_owned();
    Ok(Inspection {
        spoken_to_as,
        mode: mode.to_owned(),
        role: field(&info, "role").to_owned(),
        is_too_old: is_too_old(&version),
        version,
        evicts,
        memory_max: Some(number("maxmemory")).filter(|max| *max > 0),
        memory_used: number("used_memory"),
        has_aof: number("aof_enabled") == 1,
        partitions,
        now,
    })
}

async fn info(links: &Links, key: &str) -> Result<String, RedisError> {
    let mut info = ::redis::cmd("INFO");
    for section in ["server", "replication", "memory", "persistence"] {
        info.arg(section);
    }
    Ok(from_redis_value(links.query_at(key, &info).await?)?)
}

async fn now(links: &Links, key: &str) -> Result<Timestamp, RedisError> {
    let answer = links.query_at(key, &::redis::cmd("TIME")).await?;
    let (s, us): (i64, i64) = from_redis_value(answer)?;
    Ok(Timestamp(s.saturating_mul(1_000_000).saturating_add(us)))
}
