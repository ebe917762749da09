//! Postrider, the sender side of webhooks: the command line and the wiring.
//!
//! `serve` puts the parts together, `api` and `worker` each a half of them; `send`, `listen`, `events`,
//! `keys`, `webhooks`, `deliveries`, `dashboard` and `log-level` speak to a running server over its API;
//! `verify`, `sign` and `receive` are for who builds a receiver; `config` explains the settings, and
//! `doctor` tries them.

mod settings;

mod process;

mod healthcheck;
mod migrate;

mod client;

mod send;

mod listen;
mod stream;

mod dashboard;
mod deliveries;
mod events;
mod keys;
mod log_level;
mod webhooks;

mod given;
mod receive;
mod sign;
mod verify;

mod config;
mod openapi;
mod doctor;

mod completions;
mod help;

mod colour;
mod failure;
mod log;
mod output;
mod shell;
mod listing;
mod table;

use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::failure::Failure;
use crate::process::Role;

/// A tenth of the work of an event is getting memory: this takes half of the time that the system's
/// allocator takes for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends webhooks: takes in events, signs them, delivers them to every webhook that wants them,
/// tries again until they arrive, and shows what happened.
#[derive(Debug, Parser)]
#[command(
    name = "postrider",
    version,
    max_term_width = 100,
    after_help = help::AFTER
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: the API and the engine that delivers
    Serve(process::Serve),
    /// Run the API alone, beside others, over PostgreSQL and Redis
    Api(process::Member),
    /// Run the engine that delivers alone, beside others, over PostgreSQL and Redis
    Worker(process::Member),
    /// Bring the tables of PostgreSQL up to date
    Migrate(migrate::Migrate),
    /// Ask a server whether it lives; for containers
    Healthcheck(healthcheck::Healthcheck),
    /// Publish an event and see where it goes
    Send(send::Send),
    /// Bring events to a server on this machine as they are accepted, signed like webhooks
    Listen(listen::Listen),
    /// See what happened, and what happens
    #[command(subcommand)]
    Events(events::Events),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// See who is subscribed to what; register, try, pause, rotate
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// See what went where; try again or cancel
    #[command(subcommand)]
    Deliveries(deliveries::Deliveries),
    /// Print a link that opens the dashboard in a browser, once
    Dashboard(dashboard::Dashboard),
    /// Show or change what a running process logs
    LogLevel(log_level::LogLevel),
    /// Show every setting, what it means, its value and what set it
    Config(config::Config),
    /// Print the description of the API, OpenAPI 3.1, as a server without --dev answers it
    #[command(after_help = "Example:\n  postrider openapi > openapi.json")]
    Openapi,
    /// Check a set-up and say what is wrong, without changing anything
    Doctor(doctor::Doctor),
    /// Check a request that was received, and say why it does not verify
    Verify(verify::Verify),
    /// Make the headers that sign a body, to try a receiver with
    Sign(sign::Sign),
    /// Receive on this machine: show what comes, verify it, answer as told
    Receive(receive::Receive),
    /// Print what a shell needs to complete commands
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    // Err: one is installed already, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _flushed = log::Flushed;
    // Each way to read it ends the process if the command line is wrong.
    let matches = help::command().try_get_matches();
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = cli.unwrap_or_else(|e| help::exit(&e));
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => process::serve(serve),
        Command::Api(api) => process::member(Role::Api, api),
        Command::Worker(worker) => process::member(Role::Worker, worker),
        Command::Migrate(migrate) => migrate::run(migrate),
        Command::Healthcheck(healthcheck) => healthcheck::run(healthcheck),
        Command::Send(send) => send::run(send),
        Command::Listen(listen) => listen::run(listen),
        Command::Events(events) => events::run(events),
        Command::Keys(keys) => keys::run(keys),
        Command::Webhooks(webhooks) => webhooks::run(webhooks),
        Command::Deliveries(deliveries) => deliveries::run(deliveries),
        Command::Dashboard(dashboard) => dashboard::run(dashboard),
        Command::LogLevel(log_level) => log_level::run(log_level),
        Command::Config(config) => config::run(config),
        Command::Openapi => openapi::run(),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::Verify(verify) => verify::run(verify),
        Command::Sign(sign) => sign::run(sign),
        Command::Receive(receive) => receive::run(receive),
        Command::Completions(completions) => completions::run(completions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let help = arg.get_help().or(arg.get_long_help());
                assert!(help.is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
