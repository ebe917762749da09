//! `postrider healthcheck`: whether a server lives, by its exit code; an image without a shell has
//! nothing else to ask with.

use std::time::Duration;

use clap::Args;

use crate::client;
use crate::failure::Failure;

/// The longest a container's check should take.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
#[command(after_help = "Example:
  postrider healthcheck --ready --url http://127.0.0.1:8080

Exit codes: 0 it does, 1 it does not or says that it cannot. For why: postrider doctor.")]
pub struct Healthcheck {
    /// The server to ask
    #[arg(
        long,
        value_name = "URL",
        env = "POSTRIDER_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,

    /// Ask whether it can do its work, not only whether it lives
    #[arg(long)]
    ready: bool,
}

pub fn run(healthcheck: &Healthcheck) -> Result<(), Failure> {
    client::server_url(&healthcheck.url)?;
    let path = if healthcheck.ready { "readyz" } else { "healthz" };
    let url = format!("{}/{path}", healthcheck.url.trim_end_matches('/'));
    client::run(async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let client = client.map_err(|e| Failure::failed(format!("no HTTP client: {e}.")))?;
        let answer = client.get(&url).send().await;
        let status = answer.map_err(|e| unanswered(&url, &e))?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::failed(format!("{url} answers {status}.")))
        }
    })
}

fn unanswered(url: &str, error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        Failure::usage(format!("{url:?} is not a URL such as http://127.0.0.1:8080."))
    } else {
        Failure::failed(format!("{url} does not answer."))
    }
}
