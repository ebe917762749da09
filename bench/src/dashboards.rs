//! Whether deliveries are slower while dashboards are open: one webhook as fast as it goes, in turns without
//! and with clients that ask what a browser asks and as often, each with a stream of what changes.

use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::Result;
use crate::run::{Bench, Load};
use crate::scenarios::{Compared, Settings, tell};
use crate::services::Services;
use crate::target::Target;
use crate::wire::Connection;

/// Dashboards that are open.
pub const OPEN: usize = 5;
/// Between two looks of each.
const POLL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
/// What the overview asks for, and a list.
const POLLED: [&str; 3] = ["/v1/stats", "/v1/overview", "/v1/deliveries?limit=50"];
const STREAM: &str = "/v1/stream?of=deliveries";

#[derive(Debug, Serialize)]
pub struct Dashboards {
    pub mode: &'static str,
    /// The yardstick is the same without them.
    pub compared: Compared,
}

/// The embedded mode, and a fleet if there are servers for it.
pub async fn dashboards(bench: &mut Bench, settings: &Settings) -> Result<Vec<Dashboards>> {
    let mut all = Vec::new();
    if settings.is_wanted("embedded") {
        all.push(of(bench, settings, None).await?);
    }
    if settings.is_wanted("fleet")
        && let Some(services) = Services::given()
    {
        all.push(of(bench, settings, Some(&services)).await?);
    }
    Ok(all)
}

async fn of(
    bench: &mut Bench,
    settings: &Settings,
    services: Option<&Services>,
) -> Result<Dashboards> {
    let mode = if services.is_some() { "fleet" } else { "embedded" };
    let target = Target::of(settings, services).await?;
    target.register(&bench.webhook(0), TIMEOUT).await?;
    let load = Load::full(1, settings.time);
    bench.run(&target, Load { time: settings.warm_up, ..load }).await?;
    let mut compared = Compared::new();
    for round in 1..=settings.rounds {
        let without = bench.run(&target, load).await?;
        tell(&format!("{mode}: no dashboard, round {round}"), &without);
        compared.yardstick.push(without);
        let open = open(&target);
        let with = bench.run(&target, load).await;
        drop(open);
        let with = with?;
        tell(&format!("{mode}: {OPEN} dashboards, round {round}"), &with);
        compared.postrider.push(with);
    }
    target.stop().await?;
    Ok(Dashboards { mode, compared })
}

/// Until they are dropped.
fn open(target: &Target) -> JoinSet<()> {
    let mut open = JoinSet::new();
    for n in 0..OPEN {
        let (address, key) = (target.address, target.key);
        open.spawn(async move {
            let Ok(mut stream) = Connection::open(address).await else { return };
            let request = format!(
                "GET {STREAM} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n"
            );
            if stream.write(request.as_bytes()).await.is_ok() {
                stream.closed().await;
            }
            eprintln!("a dashboard's stream ended");
        });
        open.spawn(async move {
            sleep(POLL / OPEN as u32 * n as u32).await;
            let mut again = interval(POLL);
            let Ok(mut connection) = Connection::open(address).await else { return };
            loop {
                again.tick().await;
                for path in POLLED {
                    match connection.ask("GET", path, key, "").await {
                        Ok((200, _)) => {}
                        answer => eprintln!("a dashboard was answered {answer:?}"),
                    }
                }
            }
        });
    }
    open
}
