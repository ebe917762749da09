//! What looking costs when there is much to look at: a month of deliveries, written straight into the tables,
//! and then whatever the dashboard asks, by HTTP, of the real binary. On the embedded mode, and, with
//! servers, on a fleet.

mod history;
mod postgres;
mod questions;
mod sqlite;

use std::fmt::Write;
use std::time::Instant;

use model::attempt::Answer;
use serde::Serialize;
use serde_json::json;

use self::history::{Attempt, History, Shape, State, Webhook};
use self::questions::{Asked, Known, ask_all};
use crate::Result;
use crate::event::now_micros;
use crate::measure::{load_average, until_quiet};
use crate::scenarios::Settings;
use crate::services::Services;
use crate::size::TIMEOUT;
use crate::target::Target;

const SEED: u64 = 20_260_101;
/// What webhooks answer.
const HEADERS: &str = r#"[["content-type","application/json"],["server","nginx"]]"#;
const BODY: &str = r#"{"received":true}"#;
/// Of the webhook that all others are copied from: longer than anything of the history is old.
const MAX_AGE_MS: u64 = 30 * 24 * 3_600 * 1_000;

#[derive(Debug, Serialize)]
pub struct Views {
    pub mode: &'static str,
    pub deliveries: u64,
    pub events: u64,
    pub webhooks: usize,
    pub fill_seconds: f64,
    /// Before the questions, and after.
    pub load_average: [String; 2],
    pub asked: Vec<Asked>,
}

/// What a webhook of the history has from one that was registered. That one stays the newest: at a start its
/// secret is opened, and theirs are of another webhook.
struct Template {
    config: String,
    secrets: String,
    url: String,
}

impl Template {
    fn config(&self, webhook: &Webhook) -> String {
        self.config.replace(&self.url, &webhook.url)
    }

    /// With why.
    fn status(&self, webhook: &Webhook) -> (&'static str, Option<&'static str>) {
        match webhook.state {
            State::Active | State::Failing => ("active", None),
            State::Paused => ("paused", None),
            State::Disabled => ("disabled", Some("gone")),
        }
    }
}

/// Names, connection, first byte, body.
fn phases(attempt: &Attempt) -> [Option<i64>; 4] {
    let us = attempt.total_us;
    match attempt.answer {
        Answer::Status { .. } => [None, None, Some(us * 9 / 10), Some(us / 10)],
        Answer::Error(_) => [Some(us / 4), None, None, None],
    }
}

pub async fn views(settings: &Settings) -> Result<Vec<Views>> {
    let mut all = Vec::new();
    if settings.is_wanted("embedded") {
        all.push(of(settings, None).await?);
    }
    if settings.is_wanted("fleet")
        && let Some(services) = Services::given()
    {
        all.push(of(settings, Some(&services)).await?);
    }
    Ok(all)
}

async fn of(settings: &Settings, services: Option<&Services>) -> Result<Views> {
    let mode = if services.is_some() { "fleet" } else { "embedded" };
    let mut target = Target::of(settings, services).await?;
    let retry = json!({ "max_age_ms": MAX_AGE_MS });
    let template = json!({ "retry": retry });
    target.register_for(template, "https://template.example.com/", TIMEOUT).await?;
    until_quiet(&target.watched()).await?;
    target.halt().await?;
    let shape = Shape {
        deliveries: settings.deliveries,
        webhooks: settings.webhooks,
        seed: SEED,
        until: i64::try_from(now_micros())?,
    };
    let begun = Instant::now();
    let (events, deliveries) = fill(&target, shape).await?;
    let fill_seconds = begun.elapsed().as_secs_f64();
    eprintln!("views: {mode}: {deliveries} deliveries of {events} events in {fill_seconds:.0} s");
    target.go_on(&settings.binary).await?;
    until_quiet(&target.watched()).await?;
    let before = load_average();
    let known = Known::new(shape.until, History::new(shape).webhooks);
    let asked = ask_all(&target, &known, &settings.views).await?;
    let views = Views {
        mode,
        deliveries,
        events,
        webhooks: shape.webhooks,
        fill_seconds,
        load_average: [before, load_average()],
        asked,
    };
    target.stop().await?;
    Ok(views)
}

/// On a thread of its own: so a signal is heeded meanwhile.
async fn fill(target: &Target, shape: Shape) -> Result<(u64, u64)> {
    let database = target.database();
    let url = target.place().map(|place| place.url()).transpose()?;
    let (done, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let told = match (database, url) {
            (Some(path), _) => sqlite::fill(&path, shape),
            (None, Some(url)) => postgres::fill(&url, shape),
            (None, None) => Err("nothing to put a history into".into()),
        };
        // Nobody waits for it any more.
        let _ = done.send(told);
    });
    told.await?
}

pub fn write(text: &mut String, all: &[Views]) -> std::fmt::Result {
    for Views { mode, deliveries, webhooks, load_average, asked, .. } in all {
        let [before, after] = load_average;
        writeln!(
            text,
            "\n{mode}: {deliveries} deliveries, {webhooks} webhooks, load {before} to {after}; ms"
        )?;
        let header = ["p50", "p95", "max", "CPU", "limit", "short"];
        write!(text, "{:<56}", "")?;
        header.iter().try_for_each(|name| write!(text, "{name:>9}"))?;
        writeln!(text)?;
        for Asked { name, limit_ms, took, cpu_ms, short } in asked {
            let missed = if took.p95_ms > *limit_ms { "  missed" } else { "" };
            writeln!(
                text,
                "{name:<56}{:>9.1}{:>9.1}{:>9.1}{cpu_ms:>9.1}{limit_ms:>9.0}{short:>9}{missed}",
                took.p50_ms, took.p95_ms, took.max_ms
            )?;
        }
    }
    Ok(())
}
