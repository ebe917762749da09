//! The settings a process is started with. The doc comment of a field is its documentation:
//! `--help`, `postrider config` and `config.default.toml` all show it, so it is written for the
//! operator.
//!
//! An argument's id is its key in the file, and its names elsewhere follow from it:
//! `engine.slots` is `--engine-slots` and `POSTRIDER_ENGINE_SLOTS`. Those marked
//! `hide_env_values` are secrets: never shown, and also read from the file that `…_FILE` names.

mod check;
mod layers;
mod secret;
mod show;
mod toml_file;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

pub use layers::{Effective, Flags, Source, is_env, is_set, read};
pub use secret::Secret;
pub use show::{as_json, as_toml, defaults, shown};

/// Where a server keeps its data, and where the client commands look for its key.
pub const DATA_DIR_DEFAULT: &str = "./postrider-data";

const DNS_PORT: u16 = 53;

/// Everything, by concern.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub egress: Egress,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub engine: Engine,
    #[command(flatten)]
    pub log: Log,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Place")]
pub struct Server {
    /// Address and port on which the API answers.
    #[arg(
        id = "listen",
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    pub listen: SocketAddr,

    /// Directory that holds the database and the master key; made if it does not exist. One
    /// process at a time.
    #[arg(id = "data_dir", long = "data-dir", value_name = "DIR", default_value = DATA_DIR_DEFAULT)]
    pub data_dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Keys")]
pub struct Keys {
    /// The first admin key, 32 characters or more, for automation. If none is given and none
    /// exists, one is generated and printed once.
    #[arg(
        id = "admin_key",
        long = "admin-key",
        value_name = "KEY",
        hide = true,
        hide_env_values = true
    )]
    pub admin_key: Option<Secret>,

    /// The keys that encrypt signing secrets: 32 bytes each in hex or base64, separated by commas;
    /// the first encrypts, all decrypt. If none is given, one is generated into the data
    /// directory as master.key.
    #[arg(
        id = "master_key",
        long = "master-key",
        value_name = "KEYS",
        hide = true,
        hide_env_values = true
    )]
    pub master_key: Option<Secret>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Services")]
pub struct Services {
    /// PostgreSQL instead of the embedded database, such as
    /// postgres://user:password@host:5432/postrider?sslmode=require. Together with redis_url:
    /// then any number of processes share the work.
    #[arg(
        id = "database_url",
        long = "database-url",
        value_name = "URL",
        hide = true,
        hide_env_values = true
    )]
    pub database_url: Option<Secret>,

    /// Redis instead of the queue in the process, such as rediss://user:password@host:6379/0;
    /// redis+sentinel:// and ?cluster=true for Sentinel and Cluster. Together with database_url.
    #[arg(
        id = "redis_url",
        long = "redis-url",
        value_name = "URL",
        hide = true,
        hide_env_values = true
    )]
    pub redis_url: Option<Secret>,

    /// Connections that one process keeps to PostgreSQL. All processes together must stay below
    /// its max_connections.
    #[arg(
        id = "services.database_connections",
        long = "services-database-connections",
        value_name = "N",
        default_value = "16",
        value_parser = between(2, 512)
    )]
    pub database_connections: usize,

    /// What the names of all keys in Redis begin with, for who shares it with others.
    #[arg(
        id = "services.redis_prefix",
        long = "services-redis-prefix",
        value_name = "TEXT",
        default_value = "postrider"
    )]
    pub redis_prefix: String,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Egress")]
pub struct Egress {
    /// Networks that webhooks may point into although they are private or reserved, such as
    /// 10.1.0.0/16. All others of that kind are refused.
    #[arg(id = "egress.allow", long = "egress-allow", value_name = "CIDR", value_delimiter = ',')]
    pub allow: Vec<IpNet>,

    /// Plain http to every permitted address; otherwise https only, and http only into the
    /// networks of egress.allow.
    #[arg(
        id = "egress.http",
        long = "egress-http",
        value_name = "BOOL",
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    pub http: bool,

    /// Servers that are asked for the addresses of webhooks' hosts, such as 10.0.0.2 or
    /// 10.0.0.2:5353, each over UDP and TCP. If none is given, those of the system. The hosts file is
    /// read in either case, and what it says is judged like every answer.
    #[arg(
        id = "egress.dns_servers",
        long = "egress-dns-servers",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = dns_server
    )]
    pub dns_servers: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// The largest event that is accepted, in bytes of its request body.
    #[arg(
        id = "limits.event_bytes",
        long = "limits-event-bytes",
        value_name = "N",
        default_value = "262144",
        value_parser = between(1_024, 16 * 1_024 * 1_024)
    )]
    pub event_bytes: usize,

    /// How long events, deliveries and attempts are kept, in days from acceptance; what is
    /// unfinished stays. A webhook may be retried for 30 days, so at least one more.
    #[arg(
        id = "limits.retention_days",
        long = "limits-retention-days",
        value_name = "DAYS",
        default_value = "90",
        value_parser = clap::value_parser!(u32).range(31..=36_500)
    )]
    pub retention_days: u32,

    /// The most events in one batch.
    #[arg(
        id = "limits.batch_events",
        long = "limits-batch-events",
        value_name = "N",
        default_value = "1000",
        value_parser = between(1, 10_000)
    )]
    pub batch_events: usize,

    /// The largest batch that is accepted, in bytes of its request body.
    #[arg(
        id = "limits.batch_bytes",
        long = "limits-batch-bytes",
        value_name = "N",
        default_value = "5242880",
        value_parser = between(1_024, 64 * 1_024 * 1_024)
    )]
    pub batch_bytes: usize,

    /// Live streams (GET /v1/stream, `postrider listen`) that one process serves at once: a fifth is kept
    /// for keys that are bound to no tenant, and those of one tenant have a tenth together.
    #[arg(
        id = "limits.streams",
        long = "limits-streams",
        value_name = "N",
        default_value = "100",
        value_parser = between(1, 10_000)
    )]
    pub streams: usize,
}

impl Limits {
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_days) * 24 * 60 * 60)
    }
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct Engine {
    /// Deliveries under way at once, from claim to record. A crash can repeat at most so many.
    #[arg(
        id = "engine.slots",
        long = "engine-slots",
        value_name = "N",
        default_value = "1024",
        value_parser = between(1, 65_536)
    )]
    pub slots: usize,

    /// Threads that deliver, apart from those that answer the API. If not given, as many as the
    /// machine has cores in `worker`, and half as many in `serve`.
    #[arg(id = "engine.threads", long = "engine-threads", value_name = "N", value_parser = between(1, 1_024))]
    pub threads: Option<usize>,

    /// Deliveries of one webhook held in memory; what is over it waits in the database.
    #[arg(
        id = "engine.lane_cap",
        long = "engine-lane-cap",
        value_name = "N",
        default_value = "10000",
        value_parser = between(100, 1_000_000)
    )]
    pub lane_cap: usize,

    /// How long a worker may hold a delivery before another one takes it, in milliseconds: longer
    /// than the longest attempt (30 s) and its record, or slow ones are sent twice. What a killed
    /// process held is sent again after so long; a restart of the embedded mode does not wait.
    #[arg(
        id = "engine.lease_ms",
        long = "engine-lease-ms",
        value_name = "MS",
        default_value = "45000",
        value_parser = clap::value_parser!(u64).range(1_000..=3_600_000)
    )]
    pub lease_ms: u64,

    /// How long a stop waits for deliveries under way, in milliseconds. The longest attempt takes
    /// 30 s; what is interrupted is sent again at the next start.
    #[arg(
        id = "engine.shutdown_grace_ms",
        long = "engine-shutdown-grace-ms",
        value_name = "MS",
        default_value = "31000",
        value_parser = clap::value_parser!(u64).range(0..=600_000)
    )]
    pub shutdown_grace_ms: u64,
}

impl Engine {
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// What is logged to stderr: error, warn, info, debug or trace, and after a comma exceptions
    /// such as worker=debug.
    #[arg(id = "log.level", long = "log", value_name = "LEVEL", default_value = "info", value_parser = crate::log::check)]
    pub level: String,

    /// Lines for people or one JSON object a line for programs.
    #[arg(id = "log.format", long = "log-format", value_name = "FORMAT", default_value = "text")]
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// This process's environment. A variable that is not Unicode counts as its nearest text, which
/// its parser then refuses.
pub fn env(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn between(min: u64, max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..=max)
}

/// Reads an address with its port. `localhost` is taken as 127.0.0.1, for those who type it.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "not an address and port such as 127.0.0.1:8080 or [::]:8080".into())
}

/// Reads an address with or without a port.
fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    address
        .or_else(|_| text.parse())
        .map_err(|_| "not an address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:53".into())
}

#[cfg(test)]
mod tests;
