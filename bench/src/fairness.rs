//! Whether one tenant delays another: one that publishes a hundred times as much, and one whose
//! thousand webhooks take requests and never answer. Each attack is compared with the same tenant
//! alone, on the same processes a moment before.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::Result;
use crate::run::{Bench, Load, Run};
use crate::scenarios::{Settings, tell};
use crate::services::Services;
use crate::target::Target;

/// Events a second of the tenant that is watched, and of the one that publishes more.
const PACE: f64 = 50.0;
const NOISY_PACE: f64 = 100.0 * PACE;
/// Webhooks of the tenant whose webhooks all hang, and its events a second: each goes to all of them.
pub const HANGING: usize = 1_000;
pub const HANGING_PACE: f64 = 2.0;
/// As long as a webhook may be given.
pub const TIMEOUT: Duration = Duration::from_secs(30);
pub const WATCHED: &str = "watched";
pub const OTHER: &str = "other";

#[derive(Debug, Serialize)]
pub struct Fairness {
    pub mode: &'static str,
    pub noisy: Attack,
    pub hanging: Attack,
}

#[derive(Debug, Serialize)]
pub struct Attack {
    pub alone: Run,
    pub attacked: Run,
}

/// The embedded mode, and a fleet if there are servers for it.
pub async fn fairness(bench: &mut Bench, settings: &Settings) -> Result<Vec<Fairness>> {
    let mut modes = vec![attacks(bench, settings, None).await?];
    if let Some(services) = Services::given() {
        modes.push(attacks(bench, settings, Some(&services)).await?);
    }
    Ok(modes)
}

async fn attacks(
    bench: &mut Bench,
    settings: &Settings,
    services: Option<&Services>,
) -> Result<Fairness> {
    let mode = if services.is_some() { "fleet" } else { "embedded" };
    let target = Target::of(settings, services).await?;
    register(bench, &target, WATCHED, 0..1).await?;
    register(bench, &target, OTHER, 1..2).await?;
    let noisy = Load { unwatched: Some(1), ..Load::paced(2, settings.time, NOISY_PACE) };
    let noisy = attack(bench, settings, &target, noisy, || Ok(())).await?;
    tell(&format!("{mode}: alone"), &noisy.alone);
    tell(&format!("{mode}: another publishes 100×"), &noisy.attacked);
    target.stop().await?;

    let target = Target::of(settings, services).await?;
    register(bench, &target, WATCHED, 0..1).await?;
    register(bench, &target, OTHER, 1..1 + HANGING).await?;
    let hanging = Load { hang: Some(1), ..Load::paced(1 + HANGING, settings.time, HANGING_PACE) };
    let hanging = attack(bench, settings, &target, hanging, || Ok(())).await?;
    tell(&format!("{mode}: alone"), &hanging.alone);
    tell(&format!("{mode}: another's webhooks hang"), &hanging.attacked);
    // Nobody waits for what hangs.
    drop(target);
    Ok(Fairness { mode, noisy, hanging })
}

pub async fn target(settings: &Settings, services: Option<&Services>) -> Result<Target> {
    match services {
        Some(services) => Target::fleet(&settings.binary, &settings.folder, services, 1).await,
        None => Target::postrider(&settings.binary, &settings.folder).await,
    }
}

/// Webhooks of a tenant.
pub async fn register(
    bench: &Bench,
    target: &Target,
    tenant: &str,
    paths: std::ops::Range<usize>,
) -> Result<()> {
    for n in paths {
        target.register_for(json!({ "tenant": tenant }), &bench.webhook(n), TIMEOUT).await?;
    }
    Ok(())
}

/// The watched tenant alone, then beside the other one; between the two somebody may have a look.
pub async fn attack(
    bench: &mut Bench,
    settings: &Settings,
    target: &Target,
    other: Load,
    between: impl FnOnce() -> Result<()>,
) -> Result<Attack> {
    let watched = |time| Load { tenant: Some(WATCHED), ..Load::paced(1, time, PACE) };
    bench.run(target, watched(settings.warm_up)).await?;
    let alone = bench.run(target, watched(settings.time)).await?;
    between()?;

    let begun = bench.begin(&target.watched(), other).await?;
    let loads = [watched(settings.time), Load { tenant: Some(OTHER), ..other }];
    let [published, of_other] = bench.publish_both(&begun, target, loads).await?;
    let mut expected = vec![0; other.webhooks];
    expected[0] = published.events;
    if other.hang.is_none() {
        expected[1..].fill(of_other.events);
    }
    let attacked = bench.end(begun, &expected, published.first_at, &published).await?;
    Ok(Attack { alone, attacked })
}
