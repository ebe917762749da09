//! The server as the verbs see it: partitions, what every script is told, and whether it still is
//! the server it was.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::{FromRedisValue, RedisError, RedisResult, from_redis_value};
use tokio::sync::Notify;

use super::Settings;
use super::connect::Links;
use super::keys::{Keys, partition_of};
use super::notices::Listeners;
use super::script::{Script, Scripts};
use super::url::{self, UrlError};
use super::wait::Wake;
use crate::queue::{Lane, QueueError};
use crate::world::{Clock, random_bytes};

/// The first version whose scripts may say that they run at the memory limit.
const VERSION_MIN: u32 = 7;
const PARTITIONS_OF_A_CLUSTER: u16 = 16;
/// Between two looks at whether it still is the same server.
const WATCH_PAUSE: Duration = Duration::from_secs(3);
/// The same after a call failed.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The same may work later.
    #[error("Redis cannot be reached: {0}")]
    Unavailable(String),
    #[error("Redis is of version {0}, and has to be of version {VERSION_MIN} or newer")]
    TooOld(String),
    #[error(
        "the queue in Redis has {stored} partitions and {wanted} are set; \
         change the setting, or empty the queue and its key {key}"
    )]
    Partitions { stored: u16, wanted: u16, key: String },
}

impl OpenError {
    /// Whether the same may work later.
    pub fn may_pass(&self) -> bool {
        matches!(self, OpenError::Unavailable(_))
    }
}

impl From<RedisError> for QueueError {
    fn from(e: RedisError) -> Self {
        QueueError(e.to_string())
    }
}

impl From<RedisError> for OpenError {
    fn from(e: RedisError) -> Self {
        OpenError::Unavailable(e.to_string())
    }
}

pub(super) struct Server {
    pub(super) links: Links,
    pub(super) scripts: Scripts,
    pub(super) wake: Wake,
    /// How far it was put forward counts, not what it says: that is Redis' own.
    pub(super) clock: Clock,
    pub(super) partitions: Vec<Partition>,
    pub(super) keys: Keys,
    pub(super) listeners: Listeners,
    lane_cap: usize,
    pub(super) lease: Duration,
    /// A call failed: another server may answer from now on.
    doubt: Notify,
    /// The policy of a server that would evict keys.
    evicts: Mutex<Option<String>>,
}

pub(super) struct Partition {
    pub(super) key: String,
    /// Of the server that has it. Changes with a failover and a restart.
    replid: Mutex<String>,
    /// A push failed, and nobody knows of its items but the store.
    missed: AtomicBool,
    /// The epoch of the last claim; beyond two bytes before the first.
    epoch: AtomicU32,
}

impl Server {
    pub(super) async fn open(
        url: &str,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let links = Links::new(url::parse(url)?, settings.connections)?;
        let keys = Keys::new(&settings.prefix);
        check_version(&links, &keys).await?;
        let count = count_partitions(&links, &keys, settings.partitions).await?;
        let partitions = (0..count)
            .map(|number| Partition {
                key: keys.partition(number),
                replid: Mutex::default(),
                missed: AtomicBool::new(false),
                epoch: AtomicU32::new(u32::MAX),
            })
            .collect::<Vec<_>>();
        let server = Self {
            links,
            scripts: Scripts::new(),
            wake: Wake::new(&partitions),
            clock,
            partitions,
            keys,
            listeners: Listeners::default(),
            lane_cap: settings.lane_cap,
            lease: settings.lease,
            doubt: Notify::new(),
            evicts: Mutex::default(),
        };
        server.read_servers().await?;
        Ok(server)
    }

    pub(super) fn partition_of(&self, lane: &Lane) -> usize {
        partition_of(lane, self.partitions.len())
    }

    pub(super) fn channel(&self) -> String {
        self.keys.wake()
    }

    /// What a script makes an epoch and the token of a hunger of. Never zero.
    pub(super) fn dice(&self) -> [u8; 8] {
        let mut dice: [u8; 8] = random_bytes();
        dice[0] |= 1;
        dice
    }

    /// Runs a script in a partition.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        number: usize,
        script: &Script,
        dice: [u8; 8],
        own: Vec<Vec<u8>>,
    ) -> RedisResult<T> {
        let partition = &self.partitions[number];
        let missed = partition.missed.swap(false, Ordering::AcqRel);
        let mut arguments = vec![
            self.lane_cap.to_string().into(),
            self.lease.as_micros().to_string().into(),
            dice.into(),
            partition.replid().into(),
            u8::from(missed).to_string().into(),
            self.wake.process.clone().into(),
            self.channel().into(),
            self.clock.stepped_by().as_micros().to_string().into(),
        ];
        arguments.extend(own);
        let answer = script.run(&self.links, &partition.key, &arguments).await;
        let read = answer.and_then(|value| Ok(from_redis_value(value)?));
        read.inspect_err(|_| {
            if missed {
                partition.missed.store(true, Ordering::Release);
            }
            self.doubt.notify_one();
        })
    }

    /// Items that were to be pushed are in nobody's memory: the next call says so.
    pub(super) fn missed(&self, number: usize) {
        self.partitions[number].missed.store(true, Ordering::Release);
    }

    /// Reads which servers there are, and what they do at their memory limit. In a Cluster each
    /// partition may have another one.
    async fn read_servers(&self) -> RedisResult<()> {
        let mut info = ::redis::cmd("INFO");
        info.arg("replication").arg("memory");
        let (mut replid, mut evicts) = (String::new(), None);
        for (number, partition) in self.partitions.iter().enumerate() {
            if number == 0 || self.links.is_cluster() {
                let text = self.links.query_at(&partition.key, &info).await?;
                let text = from_redis_value::<String>(text)?;
                replid = field(&text, "master_replid").to_owned();
                evicts = evicts.or(evicting(&text));
            }
            *partition.replid.lock().unwrap_or_else(PoisonError::into_inner) = replid.clone();
        }
        let mut known = self.evicts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = evicts.as_ref().filter(|_| *known != evicts) {
            tracing::warn!(
                redis.policy = policy,
                "Redis forgets keys when it is full; set its maxmemory-policy to noeviction"
            );
        }
        *known = evicts;
        Ok(())
    }

    pub(super) fn evicts(&self) -> Option<String> {
        self.evicts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on once it is known that pushes were missed, and by whom Redis is served now.
    async fn check(&self) -> Result<(), QueueError> {
        self.read_servers().await?;
        // A flushed Redis forgot this too.
        keep_count(&self.links, &self.keys, self.partitions.len()).await?;
        for (number, partition) in self.partitions.iter().enumerate() {
            if partition.missed.load(Ordering::Acquire) {
                super::look::look_at(self, number, &[]).await?;
            }
        }
        Ok(())
    }
}

impl Partition {
    /// Whether a claim found another epoch than the one before.
    pub(super) fn is_another(&self, epoch: u32) -> bool {
        let before = self.epoch.swap(epoch, Ordering::AcqRel);
        before != epoch && before != u32::MAX
    }

    fn replid(&self) -> String {
        self.replid.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks now and then, and after every failure, whether Redis still is the server it was.
pub(super) async fn watch(server: std::sync::Arc<Server>) {
    let mut pause = WATCH_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = server.doubt.notified() => tokio::time::sleep(DOUBT_PAUSE).await,
        }
        pause = match server.check().await {
            Ok(()) => WATCH_PAUSE,
            Err(_) => DOUBT_PAUSE,
        };
    }
}

async fn check_version(links: &Links, keys: &Keys) -> Result<(), OpenError> {
    let mut info = ::redis::cmd("INFO");
    info.arg("server");
    let text: String = from_redis_value(links.query_at(&keys.partitions(), &info).await?)
        .map_err(RedisError::from)?;
    let version = field(&text, "redis_version");
    if is_too_old(version) { Err(OpenError::TooOld(version.to_owned())) } else { Ok(()) }
}

pub(super) fn is_too_old(version: &str) -> bool {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major < VERSION_MIN)
}

async fn count_partitions(
    links: &Links,
    keys: &Keys,
    wanted: Option<u16>,
) -> Result<u16, OpenError> {
    let key = keys.partitions();
    let default = if links.is_cluster() { PARTITIONS_OF_A_CLUSTER } else { 1 };
    let new = wanted.unwrap_or(default).max(1);
    let stored = match read_count(links, &key).await? {
        Some(stored) => stored,
        None => {
            keep_count(links, keys, new.into()).await?;
            read_count(links, &key).await?.unwrap_or(new)
        }
    };
    match wanted {
        Some(wanted) if wanted != stored => Err(OpenError::Partitions { stored, wanted, key }),
        Some(_) | None => Ok(stored.max(1)),
    }
}

pub(super) async fn read_count(links: &Links, key: &str) -> RedisResult<Option<u16>> {
    let mut get = ::redis::cmd("GET");
    get.arg(key);
    Ok(from_redis_value(links.query(&get).await?)?)
}

async fn keep_count(links: &Links, keys: &Keys, count: usize) -> RedisResult<()> {
    let mut set = ::redis::cmd("SET");
    set.arg(keys.partitions()).arg(count).arg("NX");
    links.query(&set).await.map(drop)
}

/// The policy by which a server forgets keys when it is full, from what `INFO` says. A managed one may
/// not say.
pub(super) fn evicting(info: &str) -> Option<String> {
    let policy = field(info, "maxmemory_policy");
    (!["", "noeviction"].contains(&policy)).then(|| policy.to_owned())
}

/// A field of what `INFO` says.
pub(super) fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.into_iter().find(|(field, _)| *field == name).map_or("", |(_, value)| value)
}
