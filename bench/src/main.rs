//! The load benchmark: Postrider beside two yardsticks on the same machine in the same run, so that the
//! ratios hold where the figures do not.
//!
//! - the *relay* accepts, signs and POSTs, and stores nothing: the limit for any sender;
//! - the *naked* loop signs and POSTs only: the limit for the sending part.
//!
//! All share one publisher and one receiver, each in a process of its own (this binary, started again
//! with the name of its role). Exits with 1 if an event was lost or duplicated or a run broke; a missed
//! target is printed, not an error.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads real clocks; nothing here is simulated"
)]

mod control;
mod dashboards;
mod event;
mod fairness;
mod growth;
mod hostile;
mod ledger;
mod measure;
mod naked;
mod process;
mod publisher;
mod receiver;
mod relay;
mod report;
mod run;
mod scenarios;
mod sender;
mod services;
mod size;
mod target;
mod views;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::report::{Machine, Report};
use crate::run::Bench;
use crate::scenarios::{Results, Scenario, Settings};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(
    about = "Measures Postrider beside a relay that stores nothing and a loop that only sends."
)]
struct Options {
    #[command(subcommand)]
    role: Option<RoleName>,
    /// How long each run publishes, in seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// How often each comparison is repeated.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=20))]
    rounds: u64,
    /// Connections of the publisher, the same for all that is measured.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    connections: u64,
    /// Events of the backlog that is drained.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    backlog: u64,
    /// Webhooks of a fleet that has many.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    growth_webhooks: u64,
    /// Deliveries that wait in a fleet with a backlog.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    growth_backlog: u64,
    /// Deliveries that wait when Postrider is started.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=4_000_000))]
    size_backlog: u64,
    /// Webhooks of one tenant, and of as many tenants.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    size_webhooks: u64,
    /// Connections that nobody uses.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=25_000))]
    size_connections: u64,
    /// Webhooks that one event goes to.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    size_fan_out: u64,
    /// Old events to forget.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=4_000_000))]
    size_old: u64,
    /// Deliveries that are looked at, of a month.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    deliveries: u64,
    /// Webhooks that they go to.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    webhooks: u64,
    /// The views and the dashboards only embedded, or only of a fleet.
    #[arg(long, value_parser = ["embedded", "fleet"])]
    mode: Option<String>,
    /// Of the views, only those with this in their name.
    #[arg(long, default_value = "")]
    views: String,
    /// Only this scenario, and what it needs; may be repeated.
    #[arg(long)]
    only: Vec<Scenario>,
    /// Postrider's binary; without it, the one beside this one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where data directories are made: a disk, not a tmpfs. Without it, beside this binary.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Also writes all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The roles that this binary plays when it starts itself.
#[derive(Clone, Copy, Subcommand)]
enum RoleName {
    #[command(hide = true)]
    Publisher,
    #[command(hide = true)]
    Receiver,
    #[command(hide = true)]
    Relay,
    #[command(hide = true)]
    Naked,
    #[command(hide = true)]
    Hostile,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.role {
        Some(role) => play(role).map(|()| true),
        None => one_thread().and_then(|runtime| runtime.block_on(until_stopped(options))),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Publisher and receiver have one thread, which is cheapest; what they measure has all.
fn play(role: RoleName) -> Result<()> {
    match role {
        RoleName::Publisher => one_thread()?.block_on(publisher::run()),
        RoleName::Receiver => one_thread()?.block_on(receiver::run()),
        RoleName::Relay => all_threads()?.block_on(relay::run()),
        RoleName::Naked => all_threads()?.block_on(naked::run()),
        RoleName::Hostile => one_thread()?.block_on(hostile::run()),
    }
}

fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn all_threads() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// A signal drops the benchmark where it stands, and with it every process it started.
async fn until_stopped(options: Options) -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = benchmark(options) => done,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
    }
}

/// `true` if nothing was lost, duplicated or unexpected.
async fn benchmark(options: Options) -> Result<bool> {
    // Idle connections are held by this process. The roles get it with it.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let beside = std::env::current_exe()?;
    let beside = beside.parent().ok_or("this binary is in no folder")?;
    let settings = Settings {
        binary: options.binary.unwrap_or_else(|| beside.join("postrider")),
        folder: options.folder.unwrap_or_else(|| beside.to_owned()),
        time: Duration::from_secs(options.seconds),
        warm_up: Duration::from_secs(1),
        rounds: usize::try_from(options.rounds)?,
        backlog: options.backlog,
        growth_webhooks: usize::try_from(options.growth_webhooks)?,
        growth_backlog: usize::try_from(options.growth_backlog)?,
        size_backlog: options.size_backlog,
        size_webhooks: usize::try_from(options.size_webhooks)?,
        size_connections: usize::try_from(options.size_connections)?,
        size_fan_out: usize::try_from(options.size_fan_out)?,
        size_old: options.size_old,
        deliveries: options.deliveries,
        webhooks: usize::try_from(options.webhooks)?,
        views: options.views,
        mode: options.mode,
    };
    let connections = usize::try_from(options.connections)?;
    let machine = Machine::look(connections);
    let mut bench = Bench::start(connections).await?;
    let mut results = Results::default();
    for scenario in Scenario::value_variants() {
        if options.only.is_empty() || options.only.contains(scenario) {
            scenarios::run(*scenario, &mut bench, &settings, &mut results).await?;
        }
    }
    let report = Report::new(machine, bench.integrity, results);
    print!("{}", report.text());
    if let Some(path) = options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(report.integrity.is_whole())
}
