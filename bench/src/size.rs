//! What much of something costs: deliveries that wait at a start, webhooks, connections that nobody
//! uses, an event for thousands of webhooks, old events to forget. On the embedded mode, and, where it
//! is another question there, on a fleet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::event::{self, now_micros};
use crate::fairness::{Attack, OTHER, WATCHED, attack, register};
use crate::measure::{Memory, Percentiles, until_quiet};
use crate::publisher::Published;
use crate::run::{Bench, Load, Run};
use crate::scenarios::{Settings, tell};
use crate::services::Services;
use crate::target::Target;
use crate::wire::Connection;

pub const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a backlog may take to publish.
const BACKLOG_LIMIT: Duration = Duration::from_secs(900);
const BACKLOG_BYTES: usize = 256;
/// How long the first receipt after a start may take.
const FIRST_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);
/// Events a second beside what is measured.
const PACE: f64 = 200.0;
/// Connections that register, and how many events go in a batch.
const REGISTRARS: usize = 64;
const BATCH: usize = 500;
/// Between two changes of a tenant's webhooks.
const CHANGE_PAUSE: Duration = Duration::from_millis(50);
/// Events a second for thousands of webhooks each.
const WIDE_PACE: f64 = 0.5;
/// Longer than what is kept by default.
const OLD: Duration = Duration::from_secs(100 * 24 * 3_600);
/// Forgetting begins within a minute.
const FORGET_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug, Serialize)]
pub struct Size {
    pub backlog: Backlog,
    pub webhooks: Vec<Webhooks>,
    pub idle: Idle,
    /// Beside another tenant's events that each go to thousands of webhooks.
    pub wide: Attack,
    pub retention: Retention,
}

/// From the moment it was started again.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Started {
    pub ready_ms: f64,
    pub first_receipt_ms: f64,
    /// At the first receipt.
    pub memory: Memory,
}

#[derive(Debug, Serialize)]
pub struct Backlog {
    pub started: Started,
    pub drain: Run,
    /// At the end, and the most until then.
    pub memory: Memory,
}

#[derive(Debug, Serialize)]
pub struct Webhooks {
    pub what: &'static str,
    pub registered_per_second: f64,
    pub started: Started,
    /// One event of each tenant, if there are as many tenants.
    pub one_each: Option<Run>,
    pub quiet: Run,
    /// While webhooks are changed.
    pub changing: Option<Run>,
    pub changes: usize,
    pub memory: Memory,
}

#[derive(Debug, Serialize)]
pub struct Idle {
    pub connections: usize,
    pub without: Run,
    pub with: Run,
    pub memory_without: Memory,
    pub memory_with: Memory,
}

#[derive(Debug, Serialize)]
pub struct Retention {
    pub without: Run,
    pub with: Run,
    pub forgotten_per_second: f64,
}

pub async fn size(bench: &mut Bench, settings: &Settings) -> Result<Size> {
    let backlog = backlog(bench, settings).await?;
    let mut of_webhooks = Vec::new();
    for kind in [Kind::OneTenant, Kind::Narrow, Kind::Tenants] {
        of_webhooks.push(webhooks(bench, settings, None, kind).await?);
    }
    if let Some(services) = Services::given() {
        of_webhooks.push(webhooks(bench, settings, Some(&services), Kind::Narrow).await?);
    }
    let idle = idle(bench, settings).await?;
    let wide = wide(bench, settings).await?;
    let retention = retention(bench, settings).await?;
    Ok(Size { backlog, webhooks: of_webhooks, idle, wide, retention })
}

/// A paused webhook's deliveries, through the front door; the process is killed, started and told to
/// go on.
async fn backlog(bench: &mut Bench, settings: &Settings) -> Result<Backlog> {
    let mut target = Target::postrider(&settings.binary, &settings.folder).await?;
    let id = target.register(&bench.webhook(0), TIMEOUT).await?;
    target.order(&id, "pause").await?;
    let load = Load {
        events: settings.size_backlog,
        data_bytes: BACKLOG_BYTES,
        ..Load::full(1, BACKLOG_LIMIT)
    };
    let begun = bench.begin(&target.watched(), load).await?;
    let published = bench.publish(&begun, &target, load).await?;
    until_quiet(&target.watched()).await?;
    let since = target.start_again(&settings.binary).await?;
    let ready_ms = millis(since);
    let (begun, from) = (bench.restart(begun, &target.watched())?, now_micros());
    target.order(&id, "resume").await?;
    let started = started(bench, &target, since, ready_ms).await?;
    let drain = bench.end(begun, &[published.events], from, &published).await?;
    tell("size: backlog drained", &drain);
    let memory = target.memory()?;
    eprintln!("size: {} waiting: {started:?}, then {memory:?}", published.events);
    target.stop().await?;
    Ok(Backlog { started, drain, memory })
}

async fn started(
    bench: &mut Bench,
    target: &Target,
    since: Instant,
    ready_ms: f64,
) -> Result<Started> {
    while !bench.has_received().await? {
        if since.elapsed() > FIRST_LIMIT {
            return Err(format!("nothing was received within {FIRST_LIMIT:?}").into());
        }
        sleep(POLL).await;
    }
    Ok(Started { ready_ms, first_receipt_ms: millis(since), memory: target.memory()? })
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    OneTenant,
    /// Of one tenant too, and with other than the usual limits.
    Narrow,
    /// Each of a tenant of its own.
    Tenants,
}

async fn webhooks(
    bench: &mut Bench,
    settings: &Settings,
    services: Option<&Services>,
    kind: Kind,
) -> Result<Webhooks> {
    let what = match (kind, services.is_some()) {
        (Kind::OneTenant, _) => "of one tenant",
        (Kind::Narrow, false) => "of one tenant, with own limits",
        (Kind::Narrow, true) => "of one tenant, with own limits, fleet",
        (Kind::Tenants, _) => "of as many tenants",
    };
    let count = settings.size_webhooks;
    let mut target = Target::of(settings, services).await?;
    let begun = Instant::now();
    let ids = register_many(bench, &target, count, kind).await?;
    let registered_per_second = count as f64 / begun.elapsed().as_secs_f64();
    until_quiet(&target.watched()).await?;

    let tenant = (kind == Kind::Tenants).then_some("t0");
    let mut load = Load { tenant, ..Load::paced(1, settings.time, PACE) };
    let since = target.start_again(&settings.binary).await?;
    let ready_ms = millis(since);
    let one = Load { events: 1, ..load };
    let begun = bench.begin(&target.watched(), one).await?;
    let published = bench.publish(&begun, &target, one).await?;
    let started = started(bench, &target, since, ready_ms).await?;
    bench.end(begun, &[1], published.first_at, &published).await?;
    eprintln!(
        "size: {count} webhooks {what}: {registered_per_second:.0}/s registered, {started:?}"
    );

    let quiet = bench.run(&target, load).await?;
    tell(&format!("size: webhooks {what}"), &quiet);
    let (mut each, mut changing, mut changes) = (None, None, 0);
    if kind == Kind::Tenants {
        let run = one_each(bench, &target, count).await?;
        tell("size: one event of each tenant", &run);
        each = Some(run);
    } else {
        load.tenant = None;
        let changer = Changer::start(&target, ids);
        let run = bench.run(&target, load).await;
        changes = changer.stop();
        let run = run?;
        tell(&format!("size: {changes} changes beside"), &run);
        changing = Some(run);
    }
    let memory = target.memory()?;
    eprintln!("size: webhooks {what}: {memory:?}");
    target.stop().await?;
    Ok(Webhooks {
        what,
        registered_per_second,
        started,
        one_each: each,
        quiet,
        changing,
        changes,
        memory,
    })
}

/// Of one tenant the first gets the events that are published, and the others want another type.
async fn register_many(
    bench: &Bench,
    target: &Target,
    count: usize,
    kind: Kind,
) -> Result<Vec<String>> {
    let first = bench.webhook(0);
    let body = move |n: usize| {
        let mut webhook = json!({ "webhook_url": first, "event_types": [event::TYPE] });
        match kind {
            Kind::Tenants => webhook["tenant"] = format!("t{n}").into(),
            Kind::OneTenant | Kind::Narrow if n > 0 => {
                webhook["webhook_url"] = format!("{first}/{n}").into();
                webhook["event_types"] = json!(["bench.other"]);
            }
            Kind::OneTenant | Kind::Narrow => {}
        }
        if kind == Kind::Narrow {
            webhook["max_in_flight"] = 8.into();
        }
        webhook
    };
    let mut registrars = JoinSet::new();
    for k in 0..REGISTRARS {
        let bodies: Vec<_> = (k..count).step_by(REGISTRARS).map(&body).collect();
        let (address, key) = (target.address, target.key);
        registrars.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut ids = Vec::new();
            for body in bodies {
                let path = "/v1/webhooks/register";
                let (status, answer) = connection.ask("POST", path, key, &body.to_string()).await?;
                let Some(id) = answer["id"].as_str().filter(|_| status == 201) else {
                    return Err(format!("{body} was answered {status}: {answer}").into());
                };
                ids.push(id.to_owned());
            }
            Result::<_>::Ok(ids)
        });
    }
    let mut ids = Vec::new();
    while let Some(done) = registrars.join_next().await {
        ids.extend(done??);
    }
    Ok(ids)
}

async fn one_each(bench: &mut Bench, target: &Target, count: usize) -> Result<Run> {
    let load = Load::full(1, BACKLOG_LIMIT);
    let begun = bench.begin(&target.watched(), load).await?;
    let (run, first_at) = (begun.number(), now_micros());
    let mut connection = Connection::open(target.address).await?;
    for from in (0..count).step_by(BATCH) {
        let event = |n: usize| {
            let data = json!({ "at": now_micros() });
            let id = event::id(run, n as u64);
            json!({ "type": event::TYPE, "tenant": format!("t{n}"), "id": id, "data": data })
        };
        let events: Vec<Value> = (from..count.min(from + BATCH)).map(event).collect();
        let batch = json!({ "events": events }).to_string();
        let (status, answer) =
            connection.ask("POST", "/v1/events/batch", target.key, &batch).await?;
        if status != 202 {
            return Err(format!("a batch was answered {status}: {answer}").into());
        }
    }
    let events = count as u64;
    let published = Published { events, first_at, refused: 0, accept: Percentiles::default() };
    bench.end(begun, &[events], first_at, &published).await
}

/// Changes one webhook after another.
struct Changer {
    changes: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Changer {
    fn start(target: &Target, ids: Vec<String>) -> Self {
        let changes = Arc::<AtomicUsize>::default();
        let (address, key, counted) = (target.address, target.key, changes.clone());
        let task = tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            for (n, id) in ids.iter().cycle().enumerate() {
                let path = format!("/v1/webhooks/{id}");
                let body = json!({ "description": n.to_string() }).to_string();
                let (status, answer) = connection.ask("PATCH", &path, key, &body).await?;
                if status != 200 {
                    return Err(format!("a change was answered {status}: {answer}").into());
                }
                counted.fetch_add(1, Ordering::Relaxed);
                sleep(CHANGE_PAUSE).await;
            }
            Ok(())
        });
        Self { changes, task }
    }

    /// How many it made.
    fn stop(self) -> usize {
        self.task.abort();
        self.changes.load(Ordering::Relaxed)
    }
}

/// Connections that have asked once, and do nothing while others publish.
async fn idle(bench: &mut Bench, settings: &Settings) -> Result<Idle> {
    let target = Target::postrider(&settings.binary, &settings.folder).await?;
    target.register(&bench.webhook(0), TIMEOUT).await?;
    let load = Load::paced(1, settings.time, PACE);
    bench.run(&target, Load { time: settings.warm_up, ..load }).await?;
    let without = bench.run(&target, load).await?;
    tell("size: no idle connections", &without);
    let memory_without = target.memory()?;
    let mut open = Vec::new();
    for _ in 0..settings.size_connections {
        let mut connection = Connection::open(target.address).await?;
        connection.ask("GET", "/healthz", target.key, "").await?;
        open.push(connection);
    }
    let with = bench.run(&target, load).await?;
    tell(&format!("size: {} idle connections", open.len()), &with);
    let memory_with = target.memory()?;
    eprintln!("size: without {memory_without:?}, with {memory_with:?}");
    let connections = open.len();
    drop(open);
    target.stop().await?;
    Ok(Idle { connections, without, with, memory_without, memory_with })
}

async fn wide(bench: &mut Bench, settings: &Settings) -> Result<Attack> {
    let target = Target::postrider(&settings.binary, &settings.folder).await?;
    let count = settings.size_fan_out;
    register(bench, &target, WATCHED, 0..1).await?;
    register(bench, &target, OTHER, 1..1 + count).await?;
    let other = Load { unwatched: Some(1), ..Load::paced(1 + count, settings.time, WIDE_PACE) };
    let wide = attack(bench, settings, &target, other, || Ok(())).await?;
    tell("size: alone", &wide.alone);
    tell(&format!("size: beside events of {count}"), &wide.attacked);
    eprintln!("size: an event of {count}: {:?}", target.memory()?);
    target.stop().await?;
    Ok(wide)
}

/// Old events are forgotten while others are published.
async fn retention(bench: &mut Bench, settings: &Settings) -> Result<Retention> {
    let target = Target::postrider_dev(&settings.binary, &settings.folder).await?;
    target.register(&bench.webhook(0), TIMEOUT).await?;
    let load = Load::paced(1, settings.time, PACE);
    let old = Load { events: settings.size_old, ..Load::full(1, BACKLOG_LIMIT) };
    let begun = bench.begin(&target.watched(), old).await?;
    let run = begun.number();
    let published = bench.publish(&begun, &target, old).await?;
    bench.end(begun, &[published.events], published.first_at, &published).await?;
    let without = bench.run(&target, load).await?;
    tell("size: nothing to forget", &without);

    let advance = json!({ "advance_ms": OLD.as_millis() as u64 }).to_string();
    let mut connection = Connection::open(target.address).await?;
    connection.ask("POST", "/dev/clock", target.key, &advance).await?;
    let stepped = Instant::now();
    while forgotten(&target, run, published.events).await? == 0 {
        if stepped.elapsed() > FORGET_LIMIT {
            return Err(format!("nothing was forgotten within {FORGET_LIMIT:?}").into());
        }
        sleep(POLL * 20).await;
    }
    let (begun, before) = (Instant::now(), forgotten(&target, run, published.events).await?);
    let with = bench.run(&target, load).await?;
    let after = forgotten(&target, run, published.events).await?;
    let forgotten_per_second = (after - before) as f64 / begun.elapsed().as_secs_f64();
    tell(&format!("size: {forgotten_per_second:.0}/s forgotten beside"), &with);
    if after == published.events {
        eprintln!(
            "size: everything old was forgotten before the end: more are needed (--size-old)"
        );
    }
    target.stop().await?;
    Ok(Retention { without, with, forgotten_per_second })
}

/// How many of a run's events are gone: the oldest go first.
async fn forgotten(target: &Target, run: u32, events: u64) -> Result<u64> {
    let mut connection = Connection::open(target.address).await?;
    let (mut gone, mut there) = (0, events);
    while gone < there {
        let middle = gone + (there - gone) / 2;
        let path = format!("/v1/events/{}?tenant=default", event::id(run, middle));
        match connection.ask("GET", &path, target.key, "").await? {
            (404, _) => gone = middle + 1,
            (200, _) => there = middle,
            (status, answer) => {
                return Err(format!("{path} was answered {status}: {answer}").into());
            }
        }
    }
    Ok(gone)
}
