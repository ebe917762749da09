//! The scenarios. Each starts what it measures afresh, warms it up, and measures in rounds that take
//! turns with their yardstick, so that a machine that slows down slows both.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tokio::time::sleep;

use crate::Result;
use crate::control::Role;
use crate::dashboards::{Dashboards, dashboards};
use crate::event::now_micros;
use crate::fairness::{Fairness, fairness};
use crate::growth::{Growth, growth};
use crate::hostile::{Hostile, hostile};
use crate::measure::{FsyncProbe, Memory, Percentiles, Spread, fsync, memory, until_quiet};
use crate::run::{Bench, Load, Run};
use crate::services::Services;
use crate::size::{Size, size};
use crate::target::Target;
use crate::views::{Views, views};

/// Webhooks of the scenarios with many.
const MANY: usize = 10;
/// The one of them that hangs.
const HANGING: usize = MANY - 1;
/// The share of the full rate at which latencies are taken.
const SHARE: f64 = 0.30;
/// Also the beat of the hanging webhook: several time-outs fit into a run.
const TIMEOUT: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(2);
/// Deliveries that wait in Redis while its memory is measured: as many as one lane holds.
const WAITING: u64 = 10_000;
/// How long the backlog of the drain may take to publish.
const BACKLOG_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Memory after start.
    Idle,
    /// One webhook, beside the relay.
    OneToOne,
    /// Ten webhooks, beside the naked loop.
    FanOut,
    /// Publish to receipt at 30 % of the 1→1 rate.
    Latency,
    /// One of ten webhooks takes requests and never answers.
    Hanging,
    /// A backlog that a paused webhook left, delivered.
    Drain,
    /// One API, one worker and two, PostgreSQL and Redis, beside the relay; only with
    /// scripts/with-servers.
    Fleet,
    /// The same with more webhooks, more that waits, larger bodies; only with servers too.
    Growth,
    /// A million waiting deliveries at the start, 100,000 webhooks, 10,000 idle connections, an event for
    /// 10,000 webhooks, and forgetting.
    Size,
    /// One tenant beside one that publishes 100 times as much, and one whose 1,000 webhooks hang.
    Fairness,
    /// One tenant beside one whose 1,000 webhooks mean harm, in each of seven ways.
    Hostile,
    /// The lists, the overview and the statistics over a month of ten million deliveries.
    Views,
    /// One webhook, while dashboards are open and while none is.
    Dashboards,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub binary: PathBuf,
    pub folder: PathBuf,
    pub time: Duration,
    pub warm_up: Duration,
    pub rounds: usize,
    pub backlog: u64,
    pub growth_webhooks: usize,
    pub growth_backlog: usize,
    pub size_backlog: u64,
    pub size_webhooks: usize,
    pub size_connections: usize,
    pub size_fan_out: usize,
    pub size_old: u64,
    pub deliveries: u64,
    pub webhooks: usize,
    pub views: String,
    pub mode: Option<String>,
}

impl Settings {
    /// Whether a mode, `embedded` or `fleet`, is measured where both could be.
    pub fn is_wanted(&self, mode: &str) -> bool {
        self.mode.as_deref().is_none_or(|wanted| wanted == mode)
    }
}

#[derive(Debug, Default, Serialize)]
pub struct Results {
    pub idle: Option<Memory>,
    pub one_to_one: Option<Compared>,
    pub fan_out: Option<Compared>,
    pub latency: Option<Latency>,
    pub hanging: Option<Hanging>,
    pub drain: Option<Run>,
    pub fleet: Option<Fleet>,
    pub growth: Option<Growth>,
    pub size: Option<Size>,
    pub fairness: Vec<Fairness>,
    pub hostile: Vec<Hostile>,
    pub views: Vec<Views>,
    pub dashboards: Vec<Dashboards>,
}

/// Many processes on this one machine.
#[derive(Debug, Serialize)]
pub struct Fleet {
    pub one_worker: Compared,
    pub two_workers: Vec<Run>,
    /// At 30 % of the rate with one worker, each with what an fsync took meanwhile.
    pub paced: Vec<(Run, Percentiles)>,
    /// What it takes when nothing runs.
    pub fsync: Percentiles,
    /// What Redis holds for each delivery that waits in it.
    pub redis_bytes_each: f64,
}

/// Rounds with the yardstick, and as many with Postrider.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub yardstick: Vec<Run>,
    pub postrider: Vec<Run>,
}

#[derive(Debug, Serialize)]
pub struct Latency {
    pub events_per_second: f64,
    pub fsync: Percentiles,
    pub relay: Run,
    pub postrider: Run,
}

#[derive(Debug, Serialize)]
pub struct Hanging {
    pub events_per_second: f64,
    pub without: Vec<Run>,
    pub with: Vec<Run>,
}

pub async fn run(
    scenario: Scenario,
    bench: &mut Bench,
    settings: &Settings,
    results: &mut Results,
) -> Result<()> {
    match scenario {
        Scenario::Idle => results.idle = Some(idle(settings).await?),
        Scenario::OneToOne => {
            results.one_to_one = Some(one_to_one(bench, settings, settings.rounds).await?);
        }
        Scenario::FanOut => {
            results.fan_out = Some(fan_out(bench, settings, settings.rounds).await?);
        }
        Scenario::Latency => {
            let pace = SHARE * one_to_one_rate(bench, settings, results).await?;
            results.latency = Some(latency(bench, settings, pace).await?);
        }
        Scenario::Hanging => {
            let pace = SHARE * fan_out_rate(bench, settings, results).await? / MANY as f64;
            results.hanging = Some(hanging(bench, settings, pace).await?);
        }
        Scenario::Drain => {
            one_to_one_rate(bench, settings, results).await?;
            results.drain = Some(drain(bench, settings).await?);
        }
        Scenario::Fleet => {
            if let Some(services) = Services::given() {
                results.fleet = Some(fleet(bench, settings, &services).await?);
            }
        }
        Scenario::Growth => {
            if let Some(services) = Services::given() {
                results.growth = Some(growth(bench, settings, &services).await?);
            }
        }
        Scenario::Size => results.size = Some(size(bench, settings).await?),
        Scenario::Fairness => results.fairness = fairness(bench, settings).await?,
        Scenario::Hostile => results.hostile = hostile(bench, settings).await?,
        Scenario::Views => results.views = views(settings).await?,
        Scenario::Dashboards => results.dashboards = dashboards(bench, settings).await?,
    }
    Ok(())
}

async fn idle(settings: &Settings) -> Result<Memory> {
    let target = Target::postrider(&settings.binary, &settings.folder).await?;
    sleep(IDLE).await;
    let memory = memory(target.pid)?;
    target.stop().await?;
    Ok(memory)
}

async fn one_to_one(bench: &mut Bench, settings: &Settings, rounds: usize) -> Result<Compared> {
    let load = Load::full(1, settings.time);
    let mut compared = Compared::new();
    for round in 1..=rounds {
        let relay = on_relay(bench, settings, load).await?;
        tell(&format!("1→1 relay, round {round}"), &relay);
        compared.yardstick.push(relay);
        let postrider = on_postrider(bench, settings, load).await?;
        tell(&format!("1→1 postrider, round {round}"), &postrider);
        compared.postrider.push(postrider);
    }
    Ok(compared)
}

async fn fan_out(bench: &mut Bench, settings: &Settings, rounds: usize) -> Result<Compared> {
    let load = Load::full(MANY, settings.time);
    let mut compared = Compared::new();
    for round in 1..=rounds {
        let mut naked = Role::start("naked")?;
        bench.run_naked(&mut naked, warm_up(settings, load)).await?;
        let run = bench.run_naked(&mut naked, load).await?;
        drop(naked);
        tell(&format!("1→{MANY} naked, round {round}"), &run);
        compared.yardstick.push(run);
        let postrider = on_postrider(bench, settings, load).await?;
        tell(&format!("1→{MANY} postrider, round {round}"), &postrider);
        compared.postrider.push(postrider);
    }
    Ok(compared)
}

async fn latency(bench: &mut Bench, settings: &Settings, pace: f64) -> Result<Latency> {
    let load = Load::paced(1, settings.time, pace);
    let fsync = fsync(&settings.folder)?;
    let relay = on_relay(bench, settings, load).await?;
    tell("latency relay", &relay);
    let postrider = on_postrider(bench, settings, load).await?;
    tell("latency postrider", &postrider);
    Ok(Latency { events_per_second: pace, fsync, relay, postrider })
}

async fn hanging(bench: &mut Bench, settings: &Settings, pace: f64) -> Result<Hanging> {
    let mut hanging = Hanging { events_per_second: pace, without: Vec::new(), with: Vec::new() };
    let mut load = Load::paced(MANY, settings.time, pace);
    load.unwatched = Some(HANGING);
    for round in 1..=settings.rounds {
        load.hang = None;
        let without = on_postrider(bench, settings, load).await?;
        tell(&format!("none of {MANY} hangs, round {round}"), &without);
        hanging.without.push(without);
        load.hang = Some(HANGING);
        let with = on_postrider(bench, settings, load).await?;
        tell(&format!("one of {MANY} hangs, round {round}"), &with);
        hanging.with.push(with);
    }
    Ok(hanging)
}

async fn drain(bench: &mut Bench, settings: &Settings) -> Result<Run> {
    let mut load = Load::full(1, settings.warm_up);
    let (target, ids) = postrider(bench, settings, load).await?;
    bench.run(&target, load).await?;
    load.time = BACKLOG_LIMIT;
    load.events = settings.backlog;
    target.order(&ids[0], "pause").await?;
    let begun = bench.begin(&target.watched(), load).await?;
    let published = bench.publish(&begun, &target, load).await?;
    until_quiet(&target.watched()).await?;
    if bench.has_received().await? {
        return Err("a paused webhook received something".into());
    }
    let begun = bench.restart(begun, &target.watched())?;
    let from = now_micros();
    target.order(&ids[0], "resume").await?;
    let run = bench.end(begun, &[published.events], from, &published).await?;
    tell("drain", &run);
    target.stop().await?;
    Ok(run)
}

async fn fleet(bench: &mut Bench, settings: &Settings, services: &Services) -> Result<Fleet> {
    let load = Load::full(1, settings.time);
    let (mut one_worker, mut two_workers) = (Compared::new(), Vec::new());
    for round in 1..=settings.rounds {
        let relay = on_relay(bench, settings, load).await?;
        tell(&format!("fleet: relay, round {round}"), &relay);
        one_worker.yardstick.push(relay);
        let one = on_fleet(bench, settings, services, 1, load).await?;
        tell(&format!("fleet: one worker, round {round}"), &one);
        one_worker.postrider.push(one);
        let two = on_fleet(bench, settings, services, 2, load).await?;
        tell(&format!("fleet: two workers, round {round}"), &two);
        two_workers.push(two);
    }
    let fsync = fsync(&settings.folder)?;
    let load = Load::paced(1, settings.time, SHARE * one_worker.rate());
    let mut paced = Vec::new();
    for round in 1..=settings.rounds {
        let target = registered(bench, settings, services, 1, load).await?;
        bench.run(&target, warm_up(settings, load)).await?;
        let probe = FsyncProbe::start(&settings.folder);
        let run = bench.run(&target, load).await;
        let (beside, run) = (probe.stop()?, run?);
        tell(&format!("fleet: 30 %, fsync p99 {:.2} ms, {round}", beside.p99_ms), &run);
        paced.push((run, beside));
        target.stop().await?;
    }
    let redis_bytes_each = redis_bytes_each(bench, settings, services).await?;
    Ok(Fleet { one_worker, two_workers, paced, fsync, redis_bytes_each })
}

async fn on_fleet(
    bench: &mut Bench,
    settings: &Settings,
    services: &Services,
    workers: usize,
    load: Load,
) -> Result<Run> {
    let target = registered(bench, settings, services, workers, load).await?;
    measured(bench, settings, target, load).await
}

/// A fleet with the webhooks of a load.
async fn registered(
    bench: &Bench,
    settings: &Settings,
    services: &Services,
    workers: usize,
    load: Load,
) -> Result<Target> {
    let target = Target::fleet(&settings.binary, &settings.folder, services, workers).await?;
    for n in 0..load.webhooks {
        target.register(&bench.webhook(n), TIMEOUT).await?;
    }
    Ok(target)
}

/// A paused webhook's lane, filled to its cap.
async fn redis_bytes_each(
    bench: &mut Bench,
    settings: &Settings,
    services: &Services,
) -> Result<f64> {
    let target = Target::fleet(&settings.binary, &settings.folder, services, 1).await?;
    let id = target.register(&bench.webhook(0), TIMEOUT).await?;
    target.order(&id, "pause").await?;
    until_quiet(&target.watched()).await?;
    let before = services.redis_bytes()?;
    let mut load = Load::full(1, BACKLOG_LIMIT);
    load.events = WAITING;
    let begun = bench.begin(&target.watched(), load).await?;
    bench.publish(&begun, &target, load).await?;
    until_quiet(&target.watched()).await?;
    let each = services.redis_bytes()?.saturating_sub(before) as f64 / WAITING as f64;
    target.stop().await?;
    Ok(each)
}

async fn on_relay(bench: &mut Bench, settings: &Settings, load: Load) -> Result<Run> {
    let target = Target::relay(&bench.webhook(0)).await?;
    measured(bench, settings, target, load).await
}

async fn on_postrider(bench: &mut Bench, settings: &Settings, load: Load) -> Result<Run> {
    let (target, _) = postrider(bench, settings, load).await?;
    measured(bench, settings, target, load).await
}

async fn postrider(
    bench: &Bench,
    settings: &Settings,
    load: Load,
) -> Result<(Target, Vec<String>)> {
    let target = Target::postrider(&settings.binary, &settings.folder).await?;
    let mut ids = Vec::new();
    for n in 0..load.webhooks {
        ids.push(target.register(&bench.webhook(n), TIMEOUT).await?);
    }
    Ok((target, ids))
}

pub async fn measured(
    bench: &mut Bench,
    settings: &Settings,
    target: Target,
    load: Load,
) -> Result<Run> {
    bench.run(&target, warm_up(settings, load)).await?;
    let run = bench.run(&target, load).await?;
    target.stop().await?;
    Ok(run)
}

/// The load, shorter, and with nothing hanging: what hangs would count as this run's.
fn warm_up(settings: &Settings, load: Load) -> Load {
    Load { time: settings.warm_up, hang: None, ..load }
}

/// Measured in this run, by one round if need be.
async fn one_to_one_rate(
    bench: &mut Bench,
    settings: &Settings,
    results: &mut Results,
) -> Result<f64> {
    if results.one_to_one.is_none() {
        results.one_to_one = Some(one_to_one(bench, settings, 1).await?);
    }
    Ok(results.one_to_one.as_ref().map_or(0.0, Compared::rate))
}

async fn fan_out_rate(
    bench: &mut Bench,
    settings: &Settings,
    results: &mut Results,
) -> Result<f64> {
    if results.fan_out.is_none() {
        results.fan_out = Some(fan_out(bench, settings, 1).await?);
    }
    Ok(results.fan_out.as_ref().map_or(0.0, Compared::rate))
}

impl Compared {
    pub fn new() -> Self {
        Self { yardstick: Vec::new(), postrider: Vec::new() }
    }

    /// Postrider's deliveries a second.
    pub fn rate(&self) -> f64 {
        let rates = self.postrider.iter().map(|run| run.per_second);
        Spread::of(rates).map_or(0.0, |rates| rates.median)
    }

    /// Postrider's figure as a multiple of the yardstick's in the same round.
    pub fn ratio(&self, figure: fn(&Run) -> f64) -> Option<Spread> {
        let rounds = self.postrider.iter().zip(&self.yardstick);
        Spread::of(rounds.map(|(postrider, yardstick)| figure(postrider) / figure(yardstick)))
    }
}

pub fn tell(what: &str, run: &Run) {
    eprintln!(
        "{what:<32} {:>8.0}/s  {:>6.1} CPU-µs  p50 {:>8.2} ms  p99 {:>8.2} ms",
        run.per_second, run.cpu_us, run.latency.p50_ms, run.latency.p99_ms
    );
}
