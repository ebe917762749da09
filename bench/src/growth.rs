//! What a delivery of a fleet costs when there is more: webhooks, deliveries that wait, larger bodies.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Result;
use crate::measure::until_quiet;
use crate::run::{Bench, Load, Run};
use crate::scenarios::{Settings, measured, tell};
use crate::services::Services;
use crate::target::Target;

/// Webhooks of one tenant; those beyond are of other tenants.
const OF_ONE_TENANT: usize = 1_000;
const BODIES_KIB: [usize; 4] = [1, 16, 64, 256];
const TIMEOUT: Duration = Duration::from_secs(2);
/// What a waiting delivery is of, and how its events are published.
const WAITING_TYPE: &str = "bench.waiting";
const BATCH: usize = 500;
const BATCHES_AT_ONCE: usize = 4;

#[derive(Debug, Serialize)]
pub struct Growth {
    pub webhooks: Vec<Step>,
    pub backlog: Vec<Step>,
    pub bodies: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub struct Step {
    pub size: usize,
    pub run: Run,
}

pub async fn growth(bench: &mut Bench, settings: &Settings, services: &Services) -> Result<Growth> {
    let mut growth = Growth { webhooks: Vec::new(), backlog: Vec::new(), bodies: Vec::new() };
    let load = Load::full(1, settings.time);
    for size in [1, settings.growth_webhooks / 100, settings.growth_webhooks] {
        let target = fleet(bench, settings, services).await?;
        others(&target, size.saturating_sub(1))?;
        let run = measured(bench, settings, target, load).await?;
        tell(&format!("growth: {size} webhooks"), &run);
        growth.webhooks.push(Step { size, run });
    }
    for size in [0, settings.growth_backlog / 10, settings.growth_backlog] {
        let target = fleet(bench, settings, services).await?;
        wait_for(bench, &target, size).await?;
        let run = measured(bench, settings, target, load).await?;
        tell(&format!("growth: {size} waiting"), &run);
        growth.backlog.push(Step { size, run });
    }
    for size in BODIES_KIB {
        let target = fleet(bench, settings, services).await?;
        let load = Load { data_bytes: size * 1_024, ..load };
        let run = measured(bench, settings, target, load).await?;
        tell(&format!("growth: {size} KiB"), &run);
        growth.bodies.push(Step { size, run });
    }
    Ok(growth)
}

/// With the one webhook that is measured.
async fn fleet(bench: &Bench, settings: &Settings, services: &Services) -> Result<Target> {
    let target = Target::fleet(&settings.binary, &settings.folder, services, 1).await?;
    target.register(&bench.webhook(0), TIMEOUT).await?;
    Ok(target)
}

/// Webhooks that nothing goes to, written into the table: some of the same tenant that want another
/// type, the rest of other tenants.
fn others(target: &Target, count: usize) -> Result<()> {
    let place = target.place().ok_or("a fleet has a place")?;
    place.sql(&format!(
        "INSERT INTO webhooks (id, tenant, url, status, registered_version, version, config, secrets,
                               created_at, updated_at)
         SELECT gen_random_uuid(),
                CASE WHEN n < {OF_ONE_TENANT} THEN tenant ELSE 't' || n / {OF_ONE_TENANT} END,
                url || '/' || n, status, registered_version, version,
                replace(config, 'bench.event', 'other.' || n), secrets, created_at, updated_at
         FROM webhooks CROSS JOIN generate_series(1, {count}) AS n;
         ANALYZE webhooks"
    ))
}

/// Deliveries of a paused webhook.
async fn wait_for(bench: &Bench, target: &Target, count: usize) -> Result<()> {
    let more = json!({ "event_types": [WAITING_TYPE] });
    let id = target.register_for(more, &bench.webhook(1), TIMEOUT).await?;
    target.order(&id, "pause").await?;
    let event = json!({ "type": WAITING_TYPE, "data": 1 });
    let mut left = count;
    while left > 0 {
        let mut batches = JoinSet::new();
        for _ in 0..BATCHES_AT_ONCE {
            let size = left.min(BATCH);
            left -= size;
            if size > 0 {
                batches.spawn(target.publish_batch(&event, size));
            }
        }
        while let Some(done) = batches.join_next().await {
            done??;
        }
    }
    until_quiet(&target.watched()).await
}
