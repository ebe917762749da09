//! `postrider log-level`: what a running process logs, seen and changed.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{self, Client, Connection, plain};
use crate::failure::Failure;
use crate::output::{say, say_json};
use crate::table::text;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider log-level                              what is logged now
  postrider log-level info,worker=debug --for 600  more for ten minutes")]
pub struct LogLevel {
    /// error, warn, info, debug, trace or off, and after a comma exceptions such as worker=debug, of
    /// worker, store, api, model and postrider; if left out, the level is shown and stays
    #[arg(value_name = "LEVEL", value_parser = crate::log::check)]
    level: Option<String>,

    /// Go back to what is configured after so many seconds
    #[arg(
        long = "for",
        value_name = "SECONDS",
        requires = "level",
        value_parser = crate::given::whole(1, 86_400)
    )]
    for_s: Option<u64>,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

pub fn run(log_level: &LogLevel) -> Result<(), Failure> {
    let client = Client::new(&log_level.connection)?;
    let for_ms = log_level.for_s.map(|seconds| seconds * 1_000);
    let answer = client::run(async {
        match &log_level.level {
            Some(level) => {
                let body = json!({ "level": level, "for_ms": for_ms });
                client.put("/v1/log", body.to_string()).await
            }
            None => client.get("/v1/log", &[]).await,
        }
    })?;
    if log_level.json {
        say_json(&answer);
    } else {
        say(sentence(&answer));
    }
    Ok(())
}

fn sentence(answer: &Value) -> String {
    let level = plain(&text(answer, "level"));
    match answer["for_ms"].as_u64() {
        Some(ms) => {
            let configured = plain(&text(answer, "configured"));
            format!("{level}, for {} s more, then {configured}", ms.div_ceil(1_000))
        }
        None => level,
    }
}
