//! Addresses of names, from the servers that the operator named or the system's. Bounded in time,
//! in addresses of a name, and in names that are kept: what a stranger's server answers is data.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use store::world::Stopwatch;
use tokio::time::timeout;

use crate::engine::StartError;
use crate::wire::is_out_of_files;

/// Time for a name, all its servers and repeats included.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for one question to one server, and how often it is asked: a lost packet costs a delivery
/// two seconds, not an attempt.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
const QUESTIONS: usize = 2;
/// Addresses of one name that are considered.
const ADDRESSES_MAX: usize = 8;
/// Names whose addresses are kept, and for how long at most, whatever their servers say. The
/// resolver's own cache would keep whole answers, each as large as a stranger likes.
const NAMES_KEPT_MAX: usize = 4_096;
const KEPT_MAX: Duration = Duration::from_secs(60);

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    #[error("the name does not exist")]
    NoSuchName,
    #[error("the name has no address")]
    NoAddress,
    #[error("the name's servers refused to answer")]
    ServersRefused,
    #[error("the name's servers failed")]
    ServersFailed,
    #[error("the name was not resolved in time")]
    TimedOut,
    /// Nobody was asked.
    #[error("no file is left to ask for the name")]
    NoFile,
}

pub(crate) struct Names {
    resolver: TokioResolver,
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    addresses: Vec<IpAddr>,
    since: Stopwatch,
    valid_for: Duration,
}

impl Kept {
    fn is_valid(&self) -> bool {
        self.since.elapsed() < self.valid_for
    }
}

impl Names {
    /// Asks these servers or, without any, the system's.
    pub(crate) fn new(servers: &[SocketAddr]) -> Result<Self, StartError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().unwrap_or_else(|e| {
                tracing::warn!(error = %e, "the system's DNS settings cannot be read; using a default");
                let provider = TokioRuntimeProvider::default();
                TokioResolver::builder_with_config(ResolverConfig::default(), provider)
            })
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = QUESTION_TIMEOUT;
        options.attempts = QUESTIONS;
        options.cache_size = 0;
        let resolver = builder.build().map_err(|e| StartError(e.to_string()))?;
        Ok(Self { resolver, kept: Mutex::default() })
    }

    /// At least one, and not more than are considered.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NotFound> {
        if let Some(kept) = self.lock().get(name).filter(|kept| kept.is_valid()) {
            return Ok(kept.addresses.clone());
        }
        // A dot at the end: the name as it stands, never with a search domain of this machine.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        let found = timeout(DNS_TIMEOUT, self.resolver.lookup_ip(absolute)).await;
        let found = found.map_err(|_| NotFound::TimedOut)?.map_err(|e| {
            tracing::debug!(dns.name = name, error = %e, "a name was not resolved");
            why(&e)
        })?;
        let addresses: Vec<_> = found.iter().take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(NotFound::NoAddress);
        }
        self.keep(name, &addresses, valid_for(&found));
        Ok(addresses)
    }

    /// How long whoever is asked takes to answer anything at all.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn answer(&self) -> Result<Duration, String> {
        let watch = Stopwatch::start();
        // Who serves the root is known to every resolver, and "nobody" is an answer too.
        let asked = self.resolver.lookup(".", RecordType::NS);
        match timeout(DNS_TIMEOUT, asked).await {
            Ok(Ok(_)) => Ok(watch.elapsed()),
            Ok(Err(e)) if e.is_no_records_found() || e.is_nx_domain() => Ok(watch.elapsed()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("it did not answer in time".into()),
        }
    }

    fn keep(&self, name: &str, addresses: &[IpAddr], valid_for: Duration) {
        if valid_for.is_zero() {
            return;
        }
        let mut kept = self.lock();
        if kept.len() >= NAMES_KEPT_MAX {
            kept.retain(|_, kept| kept.is_valid());
        }
        if kept.len() >= NAMES_KEPT_MAX {
            kept.clear();
        }
        let addresses = addresses.to_vec();
        kept.insert(name.to_owned(), Kept { addresses, since: Stopwatch::start(), valid_for });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        let ConnectionConfig { port, .. } = connection;
        *port = address.port();
    }
    server
}

/// As long as the shortest-lived record of the answer, those on the way to the addresses included.
fn valid_for(found: &LookupIp) -> Duration {
    let records = found.as_lookup().answers().iter();
    let shortest = records.map(|record| record.ttl).min().unwrap_or_default();
    Duration::from_secs(shortest.into()).min(KEPT_MAX)
}

fn why(error: &NetError) -> NotFound {
    let code = match error {
        NetError::Timeout => return NotFound::TimedOut,
        NetError::Io(e) if is_out_of_files(e) => return NotFound::NoFile,
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        _ => return NotFound::ServersFailed,
    };
    match code {
        ResponseCode::NXDomain => NotFound::NoSuchName,
        ResponseCode::NoError => NotFound::NoAddress,
        ResponseCode::Refused => NotFound::ServersRefused,
        _ => NotFound::ServersFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_kept_up_to_a_bound_and_not_longer_than_they_say() {
        let names = Names::new(&[([127, 0, 0, 1], 1).into()]).expect("a resolver");
        let address: Vec<IpAddr> = vec!["192.0.2.1".parse().expect("an address")];
        names.keep("now.test", &address, Duration::ZERO);
        assert!(names.lock().is_empty());
        for n in 0..3 * NAMES_KEPT_MAX {
            names.keep(&format!("{n}.test"), &address, Duration::from_secs(60));
            assert!(names.lock().len() <= NAMES_KEPT_MAX);
        }
        let last = format!("{}.test", 3 * NAMES_KEPT_MAX - 1);
        assert_eq!(names.addresses(&last).await, Ok(address));
    }
}
