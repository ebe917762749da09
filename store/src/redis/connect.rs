//! Connections: a few, made through deadpool, multiplexed and cloned for every call. A checkout of
//! one from the pool for every call would cost a PING each.
//!
//! One that breaks is left behind, and the call is made once more over another: every verb may be
//! repeated. While none can be made, calls fail at once until a pause that doubles is over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use ::redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, ProtocolVersion, RedisError, RedisResult,
    ServerErrorKind, TlsMode, Value,
};
use deadpool_redis::{cluster, sentinel};
use tokio::sync::Mutex;

use super::url::Address;
use crate::world::Stopwatch;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Scripts answer within milliseconds; a server that saves or swaps may take longer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Links {
    address: Address,
    pool: Pool,
    links: Vec<Mutex<Link>>,
    turn: AtomicUsize,
    /// The last try to connect failed: when, and for how long there is no other one.
    failed: std::sync::Mutex<Option<(Stopwatch, Duration)>>,
}

enum Pool {
    One(deadpool_redis::Pool),
    Sentinel(sentinel::Pool),
    Cluster(cluster::Pool),
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Said instead of trying again at once.
const JUST_TRIED: &str = "not connected, and the last try was a moment ago";

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    /// Counts connections, so that one that broke is left behind once.
    number: u64,
}

impl Links {
    pub(super) fn new(address: Address, connections: usize) -> RedisResult<Self> {
        // Whoever runs the process may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connections = connections.max(1);
        let pool = pool(&address, connections)?;
        let links = (0..connections).map(|_| Mutex::default()).collect();
        Ok(Self {
            address,
            pool,
            links,
            turn: AtomicUsize::new(0),
            failed: std::sync::Mutex::default(),
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.pool, Pool::Cluster(_))
    }

    pub(super) async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        self.send(command, None).await
    }

    /// Asks the server that has `key`, which the command does not name.
    pub(super) async fn query_at(&self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.send(command, Some(key)).await
    }

    async fn send(&self, command: &Cmd, key: Option<&str>) -> RedisResult<Value> {
        let link = &self.links[self.turn.fetch_add(1, Ordering::Relaxed) % self.links.len()];
        match self.send_over(link, command, key).await {
            Err(first) if first.is_connection_dropped() => {
                let again = self.send_over(link, command, key).await;
                // If there was no other try, it is the first one that knows the cause.
                again.map_err(|e| if e.to_string().contains(JUST_TRIED) { first } else { e })
            }
            answer => answer,
        }
    }

    async fn send_over(
        &self,
        link: &Mutex<Link>,
        command: &Cmd,
        key: Option<&str>,
    ) -> RedisResult<Value> {
        let (connection, number) = self.connection(link).await?;
        let sent = connection.send(command, key);
        let answer = match tokio::time::timeout(RESPONSE_TIMEOUT, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(timed_out("Redis did not answer in time")),
        };
        if answer.as_ref().is_err_and(is_broken) {
            link.lock().await.leave(number);
        }
        answer
    }

    async fn connection(&self, link: &Mutex<Link>) -> RedisResult<(Connection, u64)> {
        let mut link = link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.number));
        }
        let last = *self.failed();
        if last.is_some_and(|(since, pause)| since.elapsed() < pause) {
            return Err(timed_out(JUST_TRIED));
        }
        match connect(&self.pool).await {
            Ok(connection) => {
                *self.failed() = None;
                link.number += 1;
                link.connection = Some(connection.clone());
                Ok((connection, link.number))
            }
            Err(e) => {
                let pause = last.map_or(PAUSE_MIN, |(_, pause)| (pause * 2).min(PAUSE_MAX));
                *self.failed() = Some((Stopwatch::start(), pause));
                Err(e)
            }
        }
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Stopwatch, Duration)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of one server, for a connection of another kind; `turn` chooses it in a Cluster.
    pub(super) async fn client(&self, turn: usize) -> RedisResult<Client> {
        match &self.address {
            Address::One(info) => {
                let login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
                Client::open(info.clone().set_redis_settings(login))
            }
            Address::Cluster(nodes) => {
                let info = nodes[turn % nodes.len()].clone();
                let login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
                Client::open(info.set_redis_settings(login))
            }
            Address::Sentinel { sentinels, master, node, tls } => {
                let login = node.clone().set_protocol(ProtocolVersion::RESP3);
                let mut info =
                    SentinelNodeConnectionInfo::default().set_redis_connection_info(login);
                if *tls {
                    info = info.set_tls_mode(TlsMode::Secure);
                }
                let kind = SentinelServerType::Master;
                SentinelClient::build(sentinels.clone(), master.clone(), Some(info), kind)?
                    .async_get_client()
                    .await
            }
        }
    }
}

pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
}

fn pool(address: &Address, connections: usize) -> RedisResult<Pool> {
    let not_built =
        |_| RedisError::from((ErrorKind::InvalidClientConfig, "the pool was not built"));
    Ok(match address {
        Address::One(info) => {
            let manager = deadpool_redis::Manager::new_with_config(info.clone(), config())?;
            Pool::One(
                deadpool_redis::Pool::builder(manager)
                    .max_size(connections)
                    .build()
                    .map_err(not_built)?,
            )
        }
        Address::Cluster(nodes) => {
            let manager = cluster::Manager::new(nodes.clone(), false)?;
            Pool::Cluster(
                cluster::Pool::builder(manager).max_size(connections).build().map_err(not_built)?,
            )
        }
        Address::Sentinel { sentinels, master, node, tls } => {
            let info = sentinel::SentinelNodeConnectionInfo {
                tls_mode: tls.then_some(sentinel::TlsMode::Secure),
                redis_connection_info: Some(node.clone().into()),
            };
            let kind = sentinel::SentinelServerType::Master;
            let manager =
                sentinel::Manager::new(sentinels.clone(), master.clone(), Some(info), kind)?;
            Pool::Sentinel(
                sentinel::Pool::builder(manager)
                    .max_size(connections)
                    .build()
                    .map_err(not_built)?,
            )
        }
    })
}

impl Connection {
    async fn send(self, command: &Cmd, key: Option<&str>) -> RedisResult<Value> {
        match (self, key) {
            (Connection::One(mut one), _) => command.query_async(&mut one).await,
            (Connection::Cluster(mut cluster), None) => command.query_async(&mut cluster).await,
            (Connection::Cluster(mut cluster), Some(key)) => {
                let route = Route::with_key(key, SlotAddr::Master);
                let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                cluster.route_command(command.clone(), to).await
            }
        }
    }
}

impl Link {
    fn leave(&mut self, number: u64) {
        if self.number == number {
            self.connection = None;
        }
    }
}

/// Takes a new connection out of the pool for good: it is shared from then on.
async fn connect(pool: &Pool) -> RedisResult<Connection> {
    let taken = async {
        match pool {
            Pool::One(pool) => {
                let taken = pool.get().await.map(deadpool_redis::Connection::take);
                taken.map(Connection::One)
            }
            Pool::Sentinel(pool) => {
                pool.get().await.map(sentinel::Connection::take).map(Connection::One)
            }
            Pool::Cluster(pool) => {
                pool.get().await.map(cluster::Connection::take).map(Connection::Cluster)
            }
        }
    };
    let mut connection = match tokio::time::timeout(CONNECT_TIMEOUT, taken).await {
        Ok(taken) => taken.map_err(of_pool)?,
        Err(_) => return Err(timed_out("Redis took no connection in time")),
    };
    if let Connection::One(one) = &mut connection {
        one.set_response_timeout(RESPONSE_TIMEOUT);
    }
    Ok(connection)
}

fn of_pool(error: deadpool_redis::PoolError) -> RedisError {
    match error {
        deadpool_redis::PoolError::Backend(e) => e,
        _ => timed_out("no connection could be made"),
    }
}

fn timed_out(what: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, what).into()
}

/// Whether a connection is of no use any more: broken, silent, or to a server that is no master.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
}
