//! The real binary on a free port with a data directory of its own. Nothing of it outlives a test.

use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use store::world::Stopwatch;
use tempfile::TempDir;

use super::client::Client;
use super::ports::free_port;
use super::wait::wait_until;

pub const ADMIN_KEY: &str = "prk_test-admin-key-0123456789abcdefghijklmnop";
/// How long a server may take to stop when a test is over.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    dev: bool,
    demo: bool,
    own_key: bool,
    env: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { dev: true, demo: false, own_key: false, env: Vec::new() }
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
    data: TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
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
        let (port, log) = (free_port(), Arc::default());
        let child = spawn(&options, port, data.path(), &log);
        let client = Client::new(format!("http://127.0.0.1:{port}"), Some(ADMIN_KEY));
        let mut server = Self { client, options, port, data, child, log };
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

    /// Everything the server printed so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no test thread panics with it").clone()
    }

    /// Puts the clock of the whole server forward.
    pub async fn step(&self, by: Duration) {
        let advance_ms = u64::try_from(by.as_millis()).expect("a step of a test");
        self.post("/dev/clock", json!({ "advance_ms": advance_ms })).await.is(200);
    }

    /// Kills it without warning.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("our child");
    }

    /// Asks it to stop and waits until it did.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        wait_until("the server stops", async || self.child.try_wait().expect("our child")).await
    }

    /// Starts it again on its data and its port, after [`Postrider::kill_9`] or
    /// [`Postrider::stop`].
    pub async fn start_again(&mut self) {
        self.child = spawn(&self.options, self.port, self.data.path(), &self.log);
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

    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("a kill command");
        assert!(sent.success(), "process {pid} is gone");
    }

    async fn ready(&mut self) {
        let client = self.client.clone();
        wait_until("the server is ready", async || {
            if let Some(status) = self.child.try_wait().expect("our child") {
                panic!("the server stopped at start, {status}:\n{}", self.log());
            }
            let answer = client.try_send(reqwest::Method::GET, "/readyz", &[], None).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Lines that must not be there after a test that went well.
    fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let is_complaint = |line: &&str| {
            line.contains("panicked at")
                || line.contains(" ERROR ")
                || line.contains("\"level\":\"ERROR\"")
        };
        log.lines().filter(is_complaint).map(str::to_owned).collect()
    }
}

impl Drop for Postrider {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running && !std::thread::panicking() {
            self.terminate();
            let watch = Stopwatch::start();
            while matches!(self.child.try_wait(), Ok(None)) && watch.elapsed() < STOP_LIMIT {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Err: it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the server said ---\n{}", self.log());
        } else {
            let complaints = self.complaints();
            assert!(complaints.is_empty(), "the server logged errors: {complaints:#?}");
        }
    }
}

/// The binary with nothing of this process's settings.
fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTRIDER_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_postrider"))
}

fn spawn(options: &Options, port: u16, data_dir: &Path, log: &Arc<Mutex<String>>) -> Child {
    let mut command = command();
    command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}"));
    command.arg("--data-dir").arg(data_dir);
    if options.dev {
        command.arg("--dev");
    }
    if !options.own_key {
        command.env("POSTRIDER_ADMIN_KEY", ADMIN_KEY);
    }
    command.envs(options.env.iter().cloned());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    collect(child.stdout.take().expect("piped"), log);
    collect(child.stderr.take().expect("piped"), log);
    child
}

/// Gathers what the server prints, so that its pipe never fills up.
fn collect(from: impl std::io::Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("nobody panics with it");
            log.push_str(&line);
            log.push('\n');
        }
    });
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
