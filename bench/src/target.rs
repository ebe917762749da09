//! What is measured: the real Postrider binary, or the relay in its place. Both take the same publish
//! requests; Postrider starts on a fresh data directory each time and never with `--dev`.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::control::Role;
use crate::measure::{Memory, Watched, memory};
use crate::process::Process;
use crate::receiver::Listening;
use crate::relay::Serve;
use crate::scenarios::Settings;
use crate::sender::IN_FLIGHT;
use crate::services::{Place, Services};
use crate::{event, wire};

const KEY: &str = "the-admin-key-of-the-benchmark-0123456789";
/// A body of 256 KiB and what is around it.
const EVENT_BYTES_MAX: &str = "300000";
const START_LIMIT: Duration = Duration::from_secs(30);
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// A graceful stop waits for what is on the wire.
const STOP_LIMIT: Duration = Duration::from_secs(45);
const LOG_TAIL_LINES: usize = 15;

pub struct Target {
    pub address: SocketAddr,
    pub key: &'static str,
    pub pid: u32,
    running: Running,
}

enum Running {
    Relay(Role),
    Postrider { process: Process, folder: Folder },
    Fleet { api: Process, workers: Vec<Process>, folder: Folder, place: Place },
}

impl Target {
    /// The relay, sending all it gets to one webhook.
    pub async fn relay(webhook: &str) -> Result<Self> {
        let mut role = Role::start("relay")?;
        let serve = Serve { key: KEY.to_owned(), webhook: webhook.to_owned() };
        let Listening { port } = role.ask(&serve, START_LIMIT).await?;
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            key: KEY,
            pid: role.process.pid,
            running: Running::Relay(role),
        })
    }

    /// The embedded mode, or a fleet of one API and one worker if there are servers for it.
    pub async fn of(settings: &Settings, services: Option<&Services>) -> Result<Self> {
        match services {
            Some(services) => Self::fleet(&settings.binary, &settings.folder, services, 1).await,
            None => Self::postrider(&settings.binary, &settings.folder).await,
        }
    }

    /// Postrider, ready, with no webhooks yet.
    pub async fn postrider(binary: &Path, folder: &Path) -> Result<Self> {
        Self::serving(binary, folder, &[]).await
    }

    /// With `--dev`, for its clock.
    pub async fn postrider_dev(binary: &Path, folder: &Path) -> Result<Self> {
        Self::serving(binary, folder, &["--dev"]).await
    }

    async fn serving(binary: &Path, folder: &Path, more: &[&str]) -> Result<Self> {
        let folder = Folder::new(folder)?;
        let address = free_address()?;
        let process = start(serve(binary, &folder, address)?.args(more))?;
        let mut target = Self {
            address,
            key: KEY,
            pid: process.pid,
            running: Running::Postrider { process, folder },
        };
        target.ready().await?;
        Ok(target)
    }

    /// Kills it and starts it again on what it kept, ready; returns when it was started.
    pub async fn start_again(&mut self, binary: &Path) -> Result<Instant> {
        self.halt().await?;
        self.go_on(binary).await
    }

    /// Kills it. What it kept is there.
    pub async fn halt(&mut self) -> Result<()> {
        match &mut self.running {
            Running::Relay(_) => return Err("a relay keeps nothing".into()),
            Running::Postrider { process, .. } => process.kill().await?,
            Running::Fleet { api, workers, .. } => {
                for process in workers.iter_mut().chain([api]) {
                    process.kill().await?;
                }
            }
        }
        Ok(())
    }

    /// Starts what was halted on what it kept, ready; returns when it was started.
    pub async fn go_on(&mut self, binary: &Path) -> Result<Instant> {
        let (address, since) = (self.address, Instant::now());
        match &mut self.running {
            Running::Relay(_) => return Err("a relay keeps nothing".into()),
            Running::Postrider { process, folder } => {
                *process = start(&mut serve(binary, folder, address)?)?;
                self.pid = process.pid;
            }
            Running::Fleet { api, workers, folder, place } => {
                let part = |args: &[&str]| -> Result<Process> {
                    start(command(binary, folder)?.args(args).envs(place.env()?))
                };
                *api = part(&["api", "--listen", &address.to_string()])?;
                for worker in workers {
                    *worker = part(&["worker"])?;
                }
                self.pid = api.pid;
            }
        }
        self.ready().await?;
        Ok(since)
    }

    /// The database of the embedded mode.
    pub fn database(&self) -> Option<PathBuf> {
        match &self.running {
            Running::Postrider { folder, .. } => Some(folder.0.join("data/postrider.db")),
            Running::Relay(_) | Running::Fleet { .. } => None,
        }
    }

    /// Of its largest process.
    pub fn memory(&self) -> Result<Memory> {
        let ours = |w: &Watched| !matches!(w.what, "redis" | "postgres");
        let mut all = Vec::new();
        for watched in self.watched().into_iter().filter(ours) {
            all.push(memory(watched.pid)?);
        }
        all.sort_by(|a, b| a.peak_mib.total_cmp(&b.peak_mib));
        all.pop().ok_or_else(|| "no process".into())
    }

    /// One API and so many workers over PostgreSQL and Redis, ready.
    pub async fn fleet(
        binary: &Path,
        folder: &Path,
        services: &Services,
        workers: usize,
    ) -> Result<Self> {
        let (folder, place) = (Folder::new(folder)?, services.place()?);
        let address = free_address()?;
        let part = |args: &[&str]| -> Result<Process> {
            start(command(binary, &folder)?.args(args).envs(place.env()?))
        };
        let mut migrate = part(&["migrate"])?;
        let begun = Instant::now();
        while migrate.ended()?.is_none() && begun.elapsed() < START_LIMIT {
            sleep(Duration::from_millis(20)).await;
        }
        let api = part(&["api", "--listen", &address.to_string()])?;
        let workers = (0..workers).map(|_| part(&["worker"])).collect::<Result<_>>()?;
        let pid = api.pid;
        let running = Running::Fleet { api, workers, folder, place };
        let mut target = Self { address, key: KEY, pid, running };
        target.ready().await?;
        Ok(target)
    }

    /// Every process whose CPU time is the target's.
    pub fn watched(&self) -> Vec<Watched> {
        match &self.running {
            Running::Relay(_) => vec![Watched { what: "relay", pid: self.pid }],
            Running::Postrider { .. } => vec![Watched { what: "postrider", pid: self.pid }],
            Running::Fleet { api, workers, place, .. } => {
                let mut watched = vec![Watched { what: "api", pid: api.pid }];
                watched.extend(workers.iter().map(|w| Watched { what: "worker", pid: w.pid }));
                let Services { redis_pid, postgres_pid, .. } = *place.services();
                watched.push(Watched { what: "redis", pid: redis_pid });
                watched.push(Watched { what: "postgres", pid: postgres_pid });
                watched
            }
        }
    }

    async fn ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            if let Ok((200, _)) = self.call("GET", "/readyz", "").await {
                return Ok(());
            }
            if let Running::Postrider { process, folder }
            | Running::Fleet { api: process, folder, .. } = &mut self.running
                && let Some(status) = process.ended()?
            {
                return Err(
                    format!("Postrider ended at start, {status}:\n{}", folder.tail()).into()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!("Postrider was not ready within {START_LIMIT:?}").into())
    }

    /// Registers a webhook and returns its id.
    pub async fn register(&self, url: &str, timeout: Duration) -> Result<String> {
        self.register_for(json!({}), url, timeout).await
    }

    /// The same with more, such as whose it is.
    pub async fn register_for(
        &self,
        more: serde_json::Value,
        url: &str,
        timeout: Duration,
    ) -> Result<String> {
        let mut webhook = json!({
            "webhook_url": url,
            "event_types": [event::TYPE],
            "max_in_flight": IN_FLIGHT,
            "timeout_ms": timeout.as_millis() as u64,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            webhook[name] = value.clone();
        }
        let path = "/v1/webhooks/register";
        let (status, answer) = self.call("POST", path, &webhook.to_string()).await?;
        match (status, answer["id"].as_str()) {
            (201, Some(id)) => Ok(id.to_owned()),
            _ => Err(format!("registering {url} was answered {status}: {answer}").into()),
        }
    }

    /// `pause` or `resume`.
    pub async fn order(&self, webhook: &str, verb: &str) -> Result<()> {
        let path = format!("/v1/webhooks/{webhook}/{verb}");
        match self.call("POST", &path, "").await? {
            (200..300, _) => Ok(()),
            (status, answer) => Err(format!("{verb} was answered {status}: {answer}").into()),
        }
    }

    /// Publishes events that are all alike, once that is awaited.
    pub fn publish_batch(
        &self,
        event: &serde_json::Value,
        count: usize,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let batch = json!({ "events": vec![event; count] }).to_string();
        let (address, key) = (self.address, self.key);
        async move {
            match wire::call(address, "POST", "/v1/events/batch", key, &batch).await? {
                (202, _) => Ok(()),
                (status, answer) => Err(format!("a batch was answered {status}: {answer}").into()),
            }
        }
    }

    /// Where a fleet keeps its data.
    pub fn place(&self) -> Option<&Place> {
        match &self.running {
            Running::Fleet { place, .. } => Some(place),
            Running::Relay(_) | Running::Postrider { .. } => None,
        }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Result<(u16, serde_json::Value)> {
        let call = wire::call(self.address, method, path, self.key, body);
        Ok(timeout(CALL_LIMIT, call).await??)
    }

    /// The end, as an operator would end it. The data directory goes with it.
    pub async fn stop(self) -> Result<()> {
        match self.running {
            Running::Relay(role) => drop(role),
            Running::Postrider { process, folder } => {
                if !process.stop(STOP_LIMIT).await? {
                    eprintln!("Postrider did not stop within {STOP_LIMIT:?} and was killed");
                }
                drop(folder);
            }
            Running::Fleet { api, workers, folder, place } => {
                for process in workers.into_iter().chain([api]) {
                    if !process.stop(STOP_LIMIT).await? {
                        eprintln!("a process did not stop within {STOP_LIMIT:?} and was killed");
                    }
                }
                drop((folder, place));
            }
        }
        Ok(())
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The binary, with nothing of the caller's settings.
fn command(binary: &Path, folder: &Folder) -> Result<Command> {
    let log = File::options().create(true).append(true).open(folder.log())?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("POSTRIDER_ADMIN_KEY", KEY)
        .env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8")
        .env("POSTRIDER_LIMITS_EVENT_BYTES", EVENT_BYTES_MAX)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

fn serve(binary: &Path, folder: &Folder, address: SocketAddr) -> Result<Command> {
    let mut command = command(binary, folder)?;
    command.args(["serve", "--listen", &address.to_string(), "--data-dir"]);
    command.arg(folder.0.join("data"));
    Ok(command)
}

fn start(command: &mut Command) -> Result<Process> {
    let child = command.spawn();
    Process::new(child.map_err(|error| format!("Postrider cannot be started: {error}"))?)
}

/// A fresh folder, removed with all in it when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (pid, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(format!("bench-{pid}-{n}"));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn log(&self) -> PathBuf {
        self.0.join("server.log")
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
