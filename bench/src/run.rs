//! One run: publish, wait for the last receipt, count. The same for whatever is measured.

use std::time::Duration;

use serde::Serialize;

use crate::Result;
use crate::control::Role;
use crate::event::{DATA_BYTES, EVENTS_MAX};
use crate::ledger::{Begin, Report};
use crate::measure::{Percentiles, Watched, cpu_micros, memory, until_quiet};
use crate::naked::{Post, Posted};
use crate::publisher::{Publish, Published};
use crate::receiver::{Command, Listening};
use crate::target::Target;

const ASK_LIMIT: Duration = Duration::from_secs(10);
/// How long publishing may take beyond its time.
const PUBLISH_GRACE: Duration = Duration::from_secs(120);
/// Without a receipt for this long, the rest is lost. Longer than the first retry's wait.
const STALL: Duration = Duration::from_secs(20);
const WAIT_LIMIT: Duration = Duration::from_secs(900);

/// The two roles that all runs share, and what has been counted so far.
pub struct Bench {
    pub receiver: Role,
    pub publisher: Role,
    pub port: u16,
    pub connections: usize,
    runs: u32,
    pub integrity: Integrity,
}

/// Over all runs, yardsticks and warm-ups included.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Integrity {
    pub deliveries: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub unexpected: u64,
}

/// What is asked of a target.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub tenant: Option<&'static str>,
    pub data_bytes: usize,
    pub webhooks: usize,
    pub hang: Option<usize>,
    pub unwatched: Option<usize>,
    pub time: Duration,
    pub events: u64,
    pub pace: Option<f64>,
}

/// What came of it. CPU is microseconds per delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub events: u64,
    pub deliveries: u64,
    pub seconds: f64,
    pub per_second: f64,
    pub cpu_us: f64,
    /// The same by process.
    pub cpu_by: Vec<(&'static str, f64)>,
    pub publisher_cpu_us: f64,
    pub receiver_cpu_us: f64,
    pub peak_mib: f64,
    pub refused: u64,
    pub held: u64,
    pub accept: Percentiles,
    pub latency: Percentiles,
}

impl Load {
    /// As fast as it goes.
    pub fn full(webhooks: usize, time: Duration) -> Self {
        Self {
            tenant: None,
            data_bytes: DATA_BYTES,
            webhooks,
            hang: None,
            unwatched: None,
            time,
            events: EVENTS_MAX,
            pace: None,
        }
    }

    /// At `pace` events a second.
    pub fn paced(webhooks: usize, time: Duration, pace: f64) -> Self {
        Self { pace: Some(pace), ..Self::full(webhooks, time) }
    }
}

/// A run that has begun: its number, and the CPU time of target, publisher and receiver at that moment.
pub struct Begun {
    run: u32,
    watched: Vec<Watched>,
    cpu: Cpu,
}

impl Begun {
    /// What the ids of its events begin with.
    pub fn number(&self) -> u32 {
        self.run
    }
}

/// CPU time of what is measured, in its order, and of publisher and receiver.
struct Cpu {
    target: Vec<u64>,
    publisher: u64,
    receiver: u64,
}

impl Bench {
    pub async fn start(connections: usize) -> Result<Self> {
        let mut receiver = Role::start("receiver")?;
        let Listening { port } = receiver.ask(&Command::Listen, ASK_LIMIT).await?;
        Ok(Self {
            receiver,
            publisher: Role::start("publisher")?,
            port,
            connections,
            runs: 0,
            integrity: Integrity::default(),
        })
    }

    pub fn webhook(&self, n: usize) -> String {
        format!("http://127.0.0.1:{}/h/{n}", self.port)
    }

    /// Publishes the load to a target and counts what it delivered.
    pub async fn run(&mut self, target: &Target, load: Load) -> Result<Run> {
        let begun = self.begin(&target.watched(), load).await?;
        let published = self.publish(&begun, target, load).await?;
        let mut events = vec![published.events; load.webhooks];
        if let Some(hanging) = load.hang {
            events[hanging..].fill(0);
        }
        self.end(begun, &events, published.first_at, &published).await
    }

    /// Runs the naked loop, which publishes to itself.
    pub async fn run_naked(&mut self, naked: &mut Role, load: Load) -> Result<Run> {
        let begun = self.begin(&[Watched { what: "naked", pid: naked.process.pid }], load).await?;
        let post = Post {
            webhooks: (0..load.webhooks).map(|n| self.webhook(n)).collect(),
            run: begun.run,
            time: load.time,
        };
        let posted: Posted = naked.ask(&post, load.time + PUBLISH_GRACE).await?;
        let published = Published {
            events: posted.events.iter().sum(),
            first_at: posted.first_at,
            refused: 0,
            accept: Percentiles::default(),
        };
        self.end(begun, &posted.events, posted.first_at, &published).await
    }

    pub async fn begin(&mut self, watched: &[Watched], load: Load) -> Result<Begun> {
        self.runs += 1;
        let begin = Begin {
            run: self.runs,
            paths: load.webhooks,
            hang: load.hang,
            unwatched: load.unwatched,
        };
        let _: bool = self.receiver.ask(&Command::Begin(begin), ASK_LIMIT).await?;
        Ok(Begun { run: self.runs, watched: watched.to_vec(), cpu: self.cpu(watched)? })
    }

    pub async fn publish(&mut self, begun: &Begun, to: &Target, load: Load) -> Result<Published> {
        let publish = self.asked(begun, to, load);
        self.publisher.ask(&publish, load.time + PUBLISH_GRACE).await
    }

    /// Publishes two loads at the same time.
    pub async fn publish_both(
        &mut self,
        begun: &Begun,
        to: &Target,
        loads: [Load; 2],
    ) -> Result<[Published; 2]> {
        let [first, second] = loads.map(|load| (self.asked(begun, to, load), load.time));
        let mut other = Role::start("publisher")?;
        let (first, second) = tokio::join!(
            self.publisher.ask(&first.0, first.1 + PUBLISH_GRACE),
            other.ask(&second.0, second.1 + PUBLISH_GRACE),
        );
        Ok([first?, second?])
    }

    fn asked(&self, begun: &Begun, to: &Target, load: Load) -> Publish {
        Publish {
            to: to.address,
            key: to.key.to_owned(),
            tenant: load.tenant.map(str::to_owned),
            run: begun.run,
            data_bytes: load.data_bytes,
            connections: self.connections,
            events: load.events,
            time: load.time,
            pace: load.pace,
        }
    }

    /// Waits for all that is expected at each path, and a moment longer for what is not. `from` is the
    /// beginning of the window of the rate.
    pub async fn end(
        &mut self,
        begun: Begun,
        expected: &[u64],
        from: u64,
        published: &Published,
    ) -> Result<Run> {
        let wait =
            Command::Wait { deliveries: expected.iter().sum(), stall: STALL, limit: WAIT_LIMIT };
        let all: bool = self.receiver.ask(&wait, WAIT_LIMIT + ASK_LIMIT).await?;
        if !all {
            eprintln!("run {}: not everything came", begun.run);
        }
        // What the target still writes down belongs to the delivery, too.
        until_quiet(&begun.watched).await?;
        let cpu = self.cpu(&begun.watched)?;
        let report = Command::Report { published: expected.to_vec() };
        let report: Report = self.receiver.ask(&report, ASK_LIMIT).await?;
        self.integrity.add(&report);
        let seconds = report.last_at.saturating_sub(from) as f64 / 1e6;
        let each =
            |now: u64, then: u64| now.saturating_sub(then) as f64 / report.deliveries.max(1) as f64;
        let used = cpu.target.iter().zip(&begun.cpu.target);
        let used = begun.watched.iter().zip(used);
        let cpu_by: Vec<_> = used.map(|(w, (now, then))| (w.what, each(*now, *then))).collect();
        Ok(Run {
            events: published.events,
            deliveries: report.deliveries,
            seconds,
            per_second: report.deliveries as f64 / seconds.max(1e-6),
            cpu_us: cpu_by.iter().map(|(_, cpu)| cpu).sum(),
            cpu_by,
            publisher_cpu_us: each(cpu.publisher, begun.cpu.publisher),
            receiver_cpu_us: each(cpu.receiver, begun.cpu.receiver),
            peak_mib: memory(begun.watched[0].pid)?.peak_mib,
            refused: published.refused,
            held: report.held,
            accept: published.accept,
            latency: report.latency,
        })
    }

    /// Whether anything of this run has come yet.
    pub async fn has_received(&mut self) -> Result<bool> {
        let wait = Command::Wait { deliveries: 1, stall: Duration::ZERO, limit: Duration::ZERO };
        self.receiver.ask(&wait, ASK_LIMIT).await
    }

    /// The same run, its CPU time counted from now, and perhaps of processes that began since.
    pub fn restart(&self, begun: Begun, watched: &[Watched]) -> Result<Begun> {
        Ok(Begun { cpu: self.cpu(watched)?, watched: watched.to_vec(), ..begun })
    }

    fn cpu(&self, watched: &[Watched]) -> Result<Cpu> {
        Ok(Cpu {
            target: watched.iter().map(|w| cpu_micros(w.pid)).collect::<Result<_>>()?,
            publisher: cpu_micros(self.publisher.process.pid)?,
            receiver: cpu_micros(self.receiver.process.pid)?,
        })
    }
}

impl Integrity {
    fn add(&mut self, report: &Report) {
        self.deliveries += report.deliveries;
        self.lost += report.lost;
        self.duplicated += report.duplicated;
        self.unexpected += report.unexpected;
    }

    pub fn is_whole(&self) -> bool {
        self.lost + self.duplicated + self.unexpected == 0
    }
}
