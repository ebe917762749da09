//! The real binary on a free port with a data directory of its own. Nothing of it outlives a test.

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use super::disk::Disk;
use super::ports::free_port;
use super::process::{FILES, Process, command};
use super::services::Services;
use super::wait::wait_until;

pub const ADMIN_KEY: &str = "prk_test-admin-key-0123456789abcdefghijklmnop";

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    dev: bool,
    demo: bool,
    own_key: bool,
    embedded: bool,
    unread: bool,
    password: Option<String>,
    disk: Option<Arc<Disk>>,
    env: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        let (demo, own_key, embedded, unread) = (false, false, false, false);
        let (password, disk, env) = (None, None, Vec::new());
        Self { dev: true, demo, own_key, embedded, unread, password, disk, env }
    }
}

impl Options {
    /// As in production: no clock to step, and loopback closed unless it is opened.
    pub fn without_dev(self) -> Self {
        Self { dev: false, ..self }
    }

    /// Keeps the demo webhook, which would get a copy of every `order.*`.
    pub fn with_demo(self) -> Self {
        Self { demo: true, ..self }
    }

    /// Lets the server make its own first key, as it does for who just tries it.
    pub fn with_its_own_key(self) -> Self {
        Self { own_key: true, ..self }
    }

    /// On a data directory in either mode, for what is about that.
    pub fn on_a_data_directory(self) -> Self {
        Self { embedded: true, ..self }
    }

    /// Nobody reads the log, until [`Postrider::read_log`].
    pub fn unread(self) -> Self {
        Self { unread: true, ..self }
    }

    /// PostgreSQL and Redis, if there are any, are used by somebody who has this password.
    pub fn with_password(self, password: &str) -> Self {
        Self { password: Some(password.to_owned()), ..self }
    }

    /// The same, on a disk that can lose power.
    pub fn on_disk(self, disk: &Arc<Disk>) -> Self {
        Self { disk: Some(disk.clone()), ..self.on_a_data_directory() }
    }

    /// With so many files that it may open.
    pub fn within_files(self, files: usize) -> Self {
        self.env(FILES, &files.to_string())
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running server; also a [`Client`] of it with the admin key.
pub struct Postrider {
    client: Client,
    options: Options,
    port: u16,
    process: Process,
    data: TempDir,
    services: Option<Services>,
    may_complain: bool,
}

impl Deref for Postrider {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Postrider {
    /// With `--dev`, ready, and without webhooks.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let services = if options.embedded { None } else { Services::of_the_mode() };
        let services = match &options.password {
            Some(password) => services.map(|services| services.with_password(password)),
            None => services,
        };
        let port = free_port();
        let (args, env) = how(&options, services.as_ref(), port, data.path());
        let start = if options.unread { Process::start_unread } else { Process::start };
        let process = start(args, env);
        let client = Client::new(format!("http://127.0.0.1:{port}"), Some(ADMIN_KEY));
        let mut server =
            Self { client, options, port, process, data, services, may_complain: false };
        server.ready().await;
        if server.options.own_key {
            let key = std::fs::read_to_string(server.data_dir().join("dev.key"));
            server.client = server.with_key(key.expect("a dev.key").trim());
        }
        if server.options.dev && !server.options.demo {
            for webhook in server.walk("/v1/webhooks").await {
                let id = super::text(&webhook, "id");
                server.delete(&format!("/v1/webhooks/{id}")).await.is(204);
            }
        }
        server
    }

    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Lets it log errors, because the test brings some about; never that it panics.
    pub fn may_complain(&mut self) {
        self.may_complain = true;
    }

    /// Changes what it has stored, behind its back.
    pub fn change_store(&self, statement: &str) {
        match &self.services {
            Some(services) => services.own_sql(statement),
            None => {
                let file = rusqlite::Connection::open(self.data_dir().join("postrider.db"));
                let file = file.expect("a database");
                file.busy_timeout(Duration::from_secs(20)).expect("a time");
                file.execute_batch(statement).expect("a statement");
            }
        }
    }

    /// PostgreSQL and Redis, in the distributed mode.
    pub fn services(&self) -> Option<&Services> {
        self.services.as_ref()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything the server printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Every line the server printed so far, each of which has to be a JSON object.
    #[track_caller]
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let log = self.log();
        let read = |line| match serde_json::from_str(line) {
            Ok(line @ serde_json::Value::Object(_)) => line,
            other => panic!("a line is no JSON object: {line:?} {other:?}"),
        };
        log.lines().map(read).collect()
    }

    pub fn read_log(&mut self) {
        self.process.read();
    }

    /// The most memory it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// Puts the clock of the whole server forward.
    pub async fn step(&self, by: Duration) {
        let advance_ms = u64::try_from(by.as_millis()).expect("a step of a test");
        self.post("/dev/clock", json!({ "advance_ms": advance_ms })).await.is(200);
    }

    /// Kills it without warning.
    pub fn kill_9(&mut self) {
        self.process.kill_9();
    }

    /// Asks it to stop and waits until it did.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.stop().await
    }

    /// Starts it again on its data and its port, after [`Postrider::kill_9`] or
    /// [`Postrider::stop`].
    pub async fn start_again(&mut self) {
        let (args, env) = how(&self.options, self.services.as_ref(), self.port, self.data.path());
        self.process.start_again_with(args, env);
        self.ready().await;
    }

    /// Like [`Postrider::start_again`], but in another way.
    pub async fn start_again_with(&mut self, options: Options) {
        self.options = options;
        self.start_again().await;
    }

    /// Stops it gracefully and starts it again.
    pub async fn restart(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "{status} after SIGTERM:\n{}", self.log());
        self.start_again().await;
    }

    /// Runs the command line as the operator of this server.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[("POSTRIDER_KEY", ADMIN_KEY)])
    }

    /// Runs the command line against this server with these settings and no others.
    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = command();
        command.args(args).env("POSTRIDER_URL", self.url("")).envs(env.iter().copied());
        Output::of(&mut command)
    }

    async fn ready(&mut self) {
        let client = self.client.clone();
        wait_until("the server is ready", async || {
            if let Some(status) = self.process.ended() {
                panic!("the server stopped at start, {status}:\n{}", self.log());
            }
            let answer = client.try_send(reqwest::Method::GET, "/readyz", &[], None).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

impl Drop for Postrider {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.process.end();
            let mut complaints = self.process.complaints();
            complaints.retain(|line| !self.may_complain || line.contains("panicked at"));
            assert!(complaints.is_empty(), "the server logged errors: {complaints:#?}");
        }
    }
}

/// How a server is started.
fn how(
    options: &Options,
    services: Option<&Services>,
    port: u16,
    data_dir: &Path,
) -> (Vec<String>, Vec<(String, String)>) {
    let disk = options.disk.iter().flat_map(|disk| disk.env(data_dir));
    let data_dir = data_dir.to_str().expect("a path in UTF-8").to_owned();
    let mut args: Vec<String> =
        vec!["serve".into(), "--listen".into(), format!("127.0.0.1:{port}"), "--data-dir".into()];
    args.push(data_dir);
    if options.dev {
        args.push("--dev".into());
    }
    let mut env = Vec::new();
    if !options.own_key {
        env.push(("POSTRIDER_ADMIN_KEY".to_owned(), ADMIN_KEY.to_owned()));
    }
    let services = services.iter().flat_map(|services| services.env()).chain(disk);
    env.extend(services.map(|(name, value)| (name.to_owned(), value)));
    env.extend(options.env.iter().cloned());
    (args, env)
}

/// What a command line said and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Runs the binary alone with these arguments and settings.
    pub fn alone(args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::of(command().args(args).envs(env.iter().copied()))
    }

    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the binary starts");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts success and returns what was printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}
