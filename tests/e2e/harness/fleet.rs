//! Several processes over one PostgreSQL and one Redis.

use std::path::Path;
use std::time::Duration;

use super::client::Client;
use super::ports::free_port;
use super::postrider::ADMIN_KEY;
use super::process::{Process, preloaded};
use super::servers::Server;
use super::services::MASTER_KEY;
use super::wait::{wait_or_tell, wait_until};

/// Short, so that a test can wait for what a killed process held; longer than any attempt of one.
pub const LEASE: Duration = Duration::from_secs(4);
/// Few, so that what a kill may repeat is a bound that says something.
pub const SLOTS: usize = 64;

pub struct Fleet {
    pub apis: Vec<Api>,
    pub workers: Vec<Process>,
    pub postgres: Server,
    pub redis: Server,
}

/// A process that accepts.
pub struct Api {
    pub process: Process,
    pub client: Client,
}

impl Fleet {
    /// Ready, and without webhooks.
    pub async fn start(apis: usize, workers: usize) -> Self {
        Self::over(Server::postgres().await, Server::redis().await, apis, workers).await
    }

    pub async fn over(postgres: Server, redis: Server, apis: usize, workers: usize) -> Self {
        let mut fleet = Self { apis: Vec::new(), workers: Vec::new(), postgres, redis };
        let mut migrate = Process::start(vec!["migrate".into()], fleet.env());
        let migrated = wait_until("the tables are made", async || migrate.ended()).await;
        assert!(migrated.success(), "{}", migrate.log());
        for _ in 0..apis {
            fleet.apis.push(Api::start(fleet.env()));
        }
        for _ in 0..workers {
            fleet.workers.push(Process::start(vec!["worker".into()], fleet.env()));
        }
        for api in &fleet.apis {
            api.ready().await;
        }
        fleet
    }

    /// A worker that listens, too.
    pub fn start_worker_with_a_door(&mut self) -> Client {
        let port = free_port();
        let args = vec!["worker".into(), "--listen".into(), format!("127.0.0.1:{port}")];
        self.workers.push(Process::start(args, self.env()));
        Client::new(format!("http://127.0.0.1:{port}"), Some(ADMIN_KEY))
    }

    /// A worker whose machine is an hour ahead; `folder` is for what makes it so.
    pub fn start_worker_with_its_clock_off(&mut self, folder: &Path) {
        let env = self.env_with_the_clock_off(folder);
        self.workers.push(Process::start(vec!["worker".into()], env));
    }

    /// The same of an API, ready.
    pub async fn start_api_with_its_clock_off(&mut self, folder: &Path) -> Client {
        let api = Api::start(self.env_with_the_clock_off(folder));
        api.ready().await;
        let client = api.client.clone();
        self.apis.push(api);
        client
    }

    fn env_with_the_clock_off(&self, folder: &Path) -> Vec<(String, String)> {
        let mut env = self.env();
        env.push(("LD_PRELOAD".to_owned(), preloaded("clock_an_hour_off.c", folder)));
        env
    }

    pub fn env(&self) -> Vec<(String, String)> {
        let authority = self.postgres.authority();
        let authority = authority.map(|path| ("SSL_CERT_FILE", path.display().to_string()));
        let own = [
            ("POSTRIDER_DATABASE_URL", self.postgres.url()),
            ("POSTRIDER_REDIS_URL", self.redis.url()),
            ("POSTRIDER_MASTER_KEY", MASTER_KEY.to_owned()),
            ("POSTRIDER_ADMIN_KEY", ADMIN_KEY.to_owned()),
            ("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8".to_owned()),
            ("POSTRIDER_ENGINE_SLOTS", SLOTS.to_string()),
            ("POSTRIDER_ENGINE_LEASE_MS", LEASE.as_millis().to_string()),
        ];
        let all = own.into_iter().chain(authority);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The first API's client.
    pub fn client(&self) -> &Client {
        &self.apis[0].client
    }

    /// Those who accept, to be asked one after another as a load balancer would.
    pub fn doors(&self) -> Vec<Client> {
        self.apis.iter().map(|api| api.client.clone()).collect()
    }
}

impl Api {
    fn start(env: Vec<(String, String)>) -> Self {
        let port = free_port();
        let args = vec!["api".into(), "--listen".into(), format!("127.0.0.1:{port}")];
        let process = Process::start(args, env);
        Self { process, client: Client::new(format!("http://127.0.0.1:{port}"), Some(ADMIN_KEY)) }
    }

    pub async fn ready(&self) {
        wait_or_tell("the API is ready", async || {
            let asked = self.client.try_send(reqwest::Method::GET, "/readyz", &[], None).await;
            let is_ready = asked.is_ok_and(|answer| answer.status == 200);
            is_ready.then_some(()).ok_or_else(|| self.process.log())
        })
        .await;
    }
}
