//! `postrider doctor`: looks at a set-up and says what is right and what is wrong, with what to do about
//! it. It changes nothing, takes no lock, and can be run beside a server at any time.

mod embedded;
mod services;
mod settings;
mod surroundings;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use model::secret::MasterKeys;
use model::target::TargetUrl;
use serde_json::json;
use store::SealedSample;

use crate::client::{self, plain};
use crate::failure::{Exit, Failure};
use crate::output::{say, say_json};
use crate::settings::{Flags, Secret};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider doctor                                  what `postrider serve` would find here
  postrider doctor --config postrider.toml --role worker
  postrider doctor --egress https://application.com  whether requests get out

Exit codes: 0 nothing is a problem, 1 something is, 2 an argument is wrong.
See also: postrider config, which shows where each setting comes from.")]
pub struct Doctor {
    /// A file with settings, in the form that `postrider config --defaults` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// For which command [default: any that the settings fit]
    #[arg(long, value_enum)]
    role: Option<Role>,

    /// As for `serve --dev`
    #[arg(long)]
    dev: bool,

    /// Send a GET here, past the same guard as every delivery
    #[arg(long, value_name = "URL", value_parser = target)]
    egress: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Serve,
    Api,
    Worker,
}

fn target(text: &str) -> Result<String, String> {
    TargetUrl::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// What was found, in the order of looking.
#[derive(Default)]
struct Report(Vec<Finding>);

struct Finding {
    subject: &'static str,
    state: State,
    said: String,
    /// What to do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warning,
    Problem,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Problem => "problem",
        }
    }

    fn icon(self) -> &'static str {
        match self {
            State::Ok => "✓",
            State::Warning => "!",
            State::Problem => "✗",
        }
    }
}

impl Report {
    fn ok(&mut self, subject: &'static str, said: impl Into<String>) {
        self.0.push(Finding { subject, state: State::Ok, said: said.into(), remedy: None });
    }

    fn warning(
        &mut self,
        subject: &'static str,
        said: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.0.push(Finding { subject, state: State::Warning, said: said.into(), remedy });
    }

    fn problem(
        &mut self,
        subject: &'static str,
        said: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.0.push(Finding { subject, state: State::Problem, said: said.into(), remedy });
    }

    fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }
}

pub fn run(doctor: &Doctor) -> Result<(), Failure> {
    let mut report = Report::default();
    client::run(async {
        look(doctor, &mut report).await;
        Ok(())
    })?;
    report.print(doctor.json);
    if report.count(State::Problem) == 0 { Ok(()) } else { Err(Failure::said(Exit::Failed)) }
}

async fn look(doctor: &Doctor, report: &mut Report) {
    let Some(settings) = settings::look(doctor, report) else { return };
    let services = &settings.services;
    if services.database_url.is_none() && services.redis_url.is_none() {
        embedded::look(&settings, report);
    } else {
        if let Some(url) = &services.database_url {
            services::look_at_postgres(url, &settings, doctor.role, report).await;
        }
        if let Some(url) = &services.redis_url {
            services::look_at_redis(url, &settings, report).await;
        }
    }
    surroundings::look_at_files(&settings, report);
    surroundings::look_at_egress(doctor, &settings, report).await;
    surroundings::look_at_server(&settings, report).await;
}

/// Whether what was given opens what is stored.
fn look_at_given_key(
    given: &Secret,
    sample: Option<&SealedSample>,
    webhooks: i64,
    report: &mut Report,
) {
    let Ok(keys) = MasterKeys::parse(given.expose()) else { return };
    if sample.is_some_and(|sample| !sample.opens_with(&keys)) {
        report.problem(
            "master key",
            format!(
                "POSTRIDER_MASTER_KEY is not the key that encrypted the secrets of {}",
                counted(webhooks, "webhook")
            ),
            "set it to what it was before, or add that key after a comma",
        );
    }
}

impl Report {
    fn print(&self, json: bool) {
        if json {
            let findings = self.0.iter().map(|finding| {
                json!({
                    "subject": finding.subject,
                    "state": finding.state.word(),
                    "said": finding.said,
                    "remedy": finding.remedy,
                })
            });
            let (problems, warnings) = (self.count(State::Problem), self.count(State::Warning));
            let findings: Vec<_> = findings.collect();
            say_json(json!({ "problems": problems, "warnings": warnings, "findings": findings }));
            return;
        }
        let width = self.0.iter().map(|finding| finding.subject.len()).max().unwrap_or_default();
        for Finding { subject, state, said, remedy } in &self.0 {
            let (icon, word) = (state.icon(), state.word());
            say(format!("{icon} {word:7}  {subject:width$}  {}", plain(said)));
            if let Some(remedy) = remedy {
                say(format!("{:12}{:width$}→ {}", "", "", plain(remedy)));
            }
        }
        let count = |state| i64::try_from(self.count(state)).unwrap_or(i64::MAX);
        say(format!(
            "\n{}, {}.",
            counted(count(State::Problem), "problem"),
            counted(count(State::Warning), "warning")
        ));
    }
}

fn counted(n: i64, what: &str) -> String {
    match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    }
}

/// Bytes for a person.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = bytes;
    while rest >= 10 * 1_024 && unit + 1 < UNITS.len() {
        rest /= 1_024;
        unit += 1;
    }
    format!("{rest} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((size(9_999), size(10_240), size(50 << 30)).2, "50 GiB");
        assert_eq!((size(9_999), size(10_240)), ("9999 bytes".into(), "10 KiB".into()));
        assert_eq!(counted(0, "problem"), "no problems");
        assert_eq!((counted(1, "warning"), counted(2, "warning")).0, "1 warning");
    }
}
