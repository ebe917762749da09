//! Connections, each used by one job at a time. One that broke is replaced when it is asked for
//! next, so a server that comes back is used again without anybody's help.

use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime,
};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio_postgres::{Client, Config, Error};

use super::connect::Server;
use super::failure::{Failure, Remedy, text};

/// How long a job waits for a connection that is free.
const FREE_WAIT: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Beyond the server's own limit on a statement, until it counts as gone.
const ANSWER_SLACK: Duration = Duration::from_secs(5);
/// Times a job is done when others are in its way.
const TRIES_MAX: u32 = 5;

/// Connections to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    pub used: usize,
    pub idle: usize,
    pub most: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
}

pub(super) struct Pool {
    connections: deadpool_postgres::Pool,
    /// How long a job may take.
    patience: Duration,
}

impl Pool {
    /// The connections live on the runtime that this is called on, whoever asks for one: that of
    /// who asks may end sooner.
    pub(super) fn new(server: Server, size: usize, statement_timeout: Duration) -> Self {
        let config = server.config().clone();
        let connector = Connector { server, home: Handle::current() };
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(config, connector, recycling);
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(FREE_WAIT))
            .create_timeout(Some(CONNECT_WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime is given, and nothing else can be missing");
        Self { connections, patience: statement_timeout + ANSWER_SLACK }
    }

    pub(super) fn tries(&self) -> Tries<'_> {
        Tries { pool: self, made: 0, reconnected: false }
    }

    /// Those it has now; looked at without waiting for anybody.
    pub(super) fn connections(&self) -> Connections {
        let deadpool_postgres::Status { max_size, size, available, waiting } =
            self.connections.status();
        let idle = available.min(size);
        Connections { used: size - idle, idle, most: max_size, waiting }
    }

    pub(super) fn close(&self) {
        self.connections.close();
    }
}

/// Does a job on a connection: `run!(pool, |db| job(db, …))`. One that changed nothing is repeated:
/// when others were in its way, and once on another connection when its own broke.
///
/// A macro, since no type says "whatever future this closure makes of a borrowed connection may go
/// to another thread".
macro_rules! run {
    ($pool:expr, |$db:ident| $job:expr) => {{
        let mut tries = $pool.tries();
        loop {
            let mut connection = match tries.connection().await {
                Ok(connection) => connection,
                Err(e) => break Err(e),
            };
            let done = {
                let $db = &mut connection;
                tries.in_time($job).await
            };
            if let Some(over) = tries.over(connection, done) {
                break over;
            }
        }
    }};
}
pub(super) use run;

/// How often one job was tried.
pub(super) struct Tries<'p> {
    pool: &'p Pool,
    made: u32,
    reconnected: bool,
}

impl Tries<'_> {
    pub(super) async fn connection(&mut self) -> Result<Object, Failure> {
        self.made += 1;
        self.pool.connections.get().await.map_err(|e| unavailable(&e))
    }

    pub(super) async fn in_time<T>(
        &self,
        job: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let silent = |_| Failure::Unknown("the server does not answer".into());
        tokio::time::timeout(self.pool.patience, job).await.unwrap_or_else(|e| Err(silent(e)))
    }

    /// What came of the job, unless it is to be done again.
    pub(super) fn over<T>(
        &mut self,
        connection: Object,
        done: Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        let Err(failure) = &done else { return Some(done) };
        let again = match failure.remedy() {
            Remedy::Repeat => self.made < TRIES_MAX,
            Remedy::Reconnect => {
                drop(Object::take(connection));
                !std::mem::replace(&mut self.reconnected, true)
            }
            Remedy::None => false,
        };
        (!again || !failure.may_be_repeated()).then_some(done)
    }
}

fn unavailable(error: &PoolError) -> Failure {
    Failure::Unavailable(match error {
        PoolError::Backend(error) => text(error),
        PoolError::Timeout(_) => "no connection is free, or none is made in time".into(),
        PoolError::Closed => "it is closed".into(),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => error.to_string(),
    })
}

struct Connector {
    server: Server,
    home: Handle,
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connect for Connector {
    fn connect(&self, _: &Config) -> Connecting<'_> {
        let server = self.server.clone();
        let connecting = self.home.spawn(async move { server.connect().await });
        Box::pin(async move {
            match connecting.await.map_err(JoinError::try_into_panic) {
                Ok(connected) => connected,
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // The runtime is shutting down; who waits gives up by himself.
                Err(Err(_)) => std::future::pending().await,
            }
        })
    }
}
