//! The egress guard's second place: names. Only addresses that the policy allows leave this
//! resolver, so that what was checked is what is dialled, at every new connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use model::egress::Policy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use store::world::Stopwatch;
use tokio::time::timeout;

use crate::engine::StartError;
use crate::phases;

/// Time for a name, all its servers and repeats included.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are considered.
const ADDRESSES_MAX: usize = 8;
/// Names whose answers are kept, for as long as these say.
const NAMES_CACHED_MAX: u64 = 4_096;

/// Why a name was not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the name does not exist or its servers refused to answer")]
    NoAnswer,
    #[error("the name was not resolved in time")]
    TimedOut,
    /// Says nothing about which address: that is for who runs this, not for who registered it.
    #[error("the name resolves to an address that is not allowed")]
    Forbidden,
}

/// Resolves names for one scheme: plain http has a policy of its own.
#[derive(Clone)]
pub(crate) struct Guard {
    resolver: TokioResolver,
    policy: Arc<Policy>,
    https: bool,
}

/// The system's resolver configuration, or a public default where the system has none.
pub(crate) fn resolver() -> Result<TokioResolver, StartError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|e| {
        tracing::warn!(error = %e, "the system's DNS settings cannot be read; using a default");
        let provider = TokioRuntimeProvider::default();
        TokioResolver::builder_with_config(ResolverConfig::default(), provider)
    });
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    options.cache_size = NAMES_CACHED_MAX;
    builder.build().map_err(|e| StartError(e.to_string()))
}

impl Guard {
    pub(crate) fn new(resolver: TokioResolver, policy: Arc<Policy>, https: bool) -> Self {
        Self { resolver, policy, https }
    }

    /// The addresses to dial. A name with any forbidden address is refused whole: which of a mixed
    /// answer is dialled must not be the sender's luck.
    async fn vetted(&self, name: &str) -> Result<Vec<SocketAddr>, Refused> {
        // A dot at the end: the name as it stands, never with a search domain of this machine.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        let found = timeout(DNS_TIMEOUT, self.resolver.lookup_ip(absolute)).await;
        let found = found.map_err(|_| Refused::TimedOut)?.map_err(|e| {
            tracing::debug!(dns.name = name, error = %e, "a name was not resolved");
            if e.to_string().contains("timed out") { Refused::TimedOut } else { Refused::NoAnswer }
        })?;
        let addresses: Vec<_> =
            found.iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, 0)).collect();
        if addresses.is_empty() {
            return Err(Refused::NoAnswer);
        }
        if addresses.iter().all(|a| self.policy.allows(a.ip(), self.https)) {
            Ok(addresses)
        } else {
            Err(Refused::Forbidden)
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let watch = Stopwatch::start();
            let vetted = guard.vetted(name.as_str()).await;
            phases::resolved(watch.elapsed());
            let addresses: Addrs = Box::new(vetted?.into_iter());
            Ok(addresses)
        })
    }
}
