//! The way out, tried as a delivery would go it: for whoever wonders why nothing arrives.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use model::egress::Policy;
use model::target::TargetUrl;
use prometheus_client::registry::Registry;
use store::world::Stopwatch;
use tokio::time::timeout;

use crate::names::Names;
use crate::send::causes;
use crate::wire::wire;
use crate::{Metrics, Settings};

/// A try takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long these servers or, without any, the system's take to answer anything at all.
///
/// # Errors
/// What went wrong, for a person.
pub async fn resolver(dns_servers: &[SocketAddr]) -> Result<Duration, String> {
    Names::new(dns_servers).map_err(|e| e.to_string())?.answer().await
}

/// A GET to `url`, past the same guard as every delivery: the status, and how long it took.
///
/// # Errors
/// What went wrong, for a person.
pub async fn reach(
    url: &TargetUrl,
    policy: Policy,
    dns_servers: Vec<SocketAddr>,
) -> Result<(u16, Duration), String> {
    policy.check_literal(url).map_err(|e| e.message.into_owned())?;
    let settings = Settings { dns_servers, ..Settings::default() };
    // Nobody looks at them.
    let metrics = Metrics::register(&mut Registry::default());
    let wire = wire(&Arc::new(policy), &settings, &metrics).map_err(|e| e.to_string())?;
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = url.as_str().parse().map_err(|e| format!("not to be requested: {e}"))?;
    let watch = Stopwatch::start();
    match timeout(TIMEOUT, wire.request(request)).await {
        Ok(Ok(response)) => Ok((response.status().as_u16(), watch.elapsed())),
        Ok(Err(e)) => Err(causes(e.source())),
        Err(_) => Err("no answer in time".into()),
    }
}
