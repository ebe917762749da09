//! What the benchmark says: each target with what was measured, then the figures behind it.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

use crate::dashboards::Dashboards;
use crate::fairness::{Attack, Fairness};
use crate::growth::Step;
use crate::hostile::Hostile;
use crate::measure::{Memory, Spread, load_average};
use crate::run::{Integrity, Run};
use crate::scenarios::{Fleet, Results};
use crate::size::{Size, Started, Webhooks};
use crate::views;

const RATE_MIN: f64 = 0.50;
const CPU_MAX: f64 = 2.8;
const FAN_OUT_MIN: f64 = 0.55;
const LATENCY_MAX_MS: f64 = 2.0;
const HANGING_MAX: f64 = 1.5;
const HANGING_MAX_MS: f64 = 5.0;
const DRAIN_MIN: f64 = 1.3;
const IDLE_MAX_MIB: f64 = 40.0;
const FLEET_RATE_MIN: f64 = 0.30;
const FLEET_CPU_MAX: f64 = 5.2;
/// Beside twice the p99 of an fsync in the same run.
const FLEET_ACCEPT_MAX_MS: f64 = 5.0;
const REDIS_BYTES_MAX: f64 = 190.0;
const GROWTH_MAX: f64 = 1.25;
const START_MAX_MS: f64 = 10_000.0;
const BACKLOG_MAX_MIB: f64 = 300.0;
const DASHBOARDS_MIN: f64 = 0.90;
const FAIR_MAX: f64 = 2.0;
const FAIR_MAX_MS: f64 = 250.0;
/// One for each slot of a worker.
const HOSTILE_MAX_MIB: f64 = 1_024.0;

#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub targets: Vec<Target>,
    pub integrity: Integrity,
    pub results: Results,
}

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    /// Of the last minute, before the benchmark began: above 0.5 others were using the machine.
    pub load_average: String,
    pub connections: usize,
}

#[derive(Debug, Serialize)]
pub struct Target {
    pub name: Cow<'static, str>,
    pub wanted: String,
    pub measured: String,
    /// `met`, or `missed by …`.
    pub verdict: String,
}

impl Machine {
    pub fn look(connections: usize) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            load_average: load_average(),
            connections,
        }
    }
}

impl Report {
    pub fn new(machine: Machine, integrity: Integrity, results: Results) -> Self {
        Self { targets: targets(&results, &integrity), machine, integrity, results }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Machine { cores, load_average, connections } = &self.machine;
        writeln!(text, "{cores} cores, load {load_average} before, {connections} connections\n")?;
        for target in &self.targets {
            let Target { name, wanted, measured, verdict } = target;
            writeln!(text, "{name:<48} {wanted:<22} {measured:<32} {verdict}")?;
        }
        let header = "per second   CPU-µs   publisher   receiver     accept p50/p99         receipt p50/p95/p99 ms";
        writeln!(text, "\n{:<22} {header}", "")?;
        for (name, runs) in self.results.runs() {
            write_runs(text, name, &runs)?;
        }
        views::write(text, &self.results.views)?;
        let Integrity { deliveries, lost, duplicated, unexpected } = self.integrity;
        writeln!(
            text,
            "\n{deliveries} deliveries in all: {lost} lost, {duplicated} duplicated, {unexpected} unexpected"
        )
    }
}

fn write_runs(text: &mut String, name: &str, runs: &[&Run]) -> std::fmt::Result {
    for run in runs {
        let (accept, latency) = (run.accept, run.latency);
        writeln!(
            text,
            "{name:<22} {:>10.0} {:>8.1} {:>11.1} {:>10.1} {:>9.2} /{:>7.2} {:>9.2} /{:>8.2} /{:>8.2}",
            run.per_second,
            run.cpu_us,
            run.publisher_cpu_us,
            run.receiver_cpu_us,
            accept.p50_ms,
            accept.p99_ms,
            latency.p50_ms,
            latency.p95_ms,
            latency.p99_ms,
        )?;
        if run.cpu_by.len() > 1 {
            let by: Vec<_> = run.cpu_by.iter().map(|(w, cpu)| format!("{w} {cpu:.1}")).collect();
            writeln!(text, "{:<22} CPU-µs by process: {}", "", by.join(", "))?;
        }
    }
    Ok(())
}

impl Results {
    /// All runs, named, in the order of the scenarios.
    fn runs(&self) -> Vec<(&'static str, Vec<&Run>)> {
        let mut runs: Vec<(&'static str, Vec<&Run>)> = Vec::new();
        if let Some(one) = &self.one_to_one {
            runs.push(("1→1 relay", one.yardstick.iter().collect()));
            runs.push(("1→1 postrider", one.postrider.iter().collect()));
        }
        if let Some(ten) = &self.fan_out {
            runs.push(("1→10 naked", ten.yardstick.iter().collect()));
            runs.push(("1→10 postrider", ten.postrider.iter().collect()));
        }
        if let Some(latency) = &self.latency {
            runs.push(("30 % load relay", vec![&latency.relay]));
            runs.push(("30 % load postrider", vec![&latency.postrider]));
        }
        if let Some(hanging) = &self.hanging {
            runs.push(("none of ten hangs", hanging.without.iter().collect()));
            runs.push(("one of ten hangs", hanging.with.iter().collect()));
        }
        if let Some(drain) = &self.drain {
            runs.push(("drain", vec![drain]));
        }
        if let Some(fleet) = &self.fleet {
            runs.push(("fleet: relay", fleet.one_worker.yardstick.iter().collect()));
            runs.push(("fleet: one worker", fleet.one_worker.postrider.iter().collect()));
            runs.push(("fleet: two workers", fleet.two_workers.iter().collect()));
            runs.push(("fleet: 30 % load", fleet.paced.iter().map(|(run, _)| run).collect()));
        }
        if let Some(growth) = &self.growth {
            for (name, steps) in [
                ("more webhooks", &growth.webhooks),
                ("more that waits", &growth.backlog),
                ("1, 16, 64, 256 KiB", &growth.bodies),
            ] {
                runs.push((name, steps.iter().map(|step| &step.run).collect()));
            }
        }
        if let Some(size) = &self.size {
            runs.push(("a backlog drained", vec![&size.backlog.drain]));
            for Webhooks { what, quiet, changing, one_each, .. } in &size.webhooks {
                let all = [quiet].into_iter().chain(changing).chain(one_each);
                runs.push((what, all.collect()));
            }
            runs.push(("idle connections", vec![&size.idle.without, &size.idle.with]));
            runs.push(("beside wide events", vec![&size.wide.alone, &size.wide.attacked]));
            runs.push(("forgetting", vec![&size.retention.without, &size.retention.with]));
        }
        for Fairness { noisy, hanging, .. } in &self.fairness {
            runs.push(("beside 100×", vec![&noisy.alone, &noisy.attacked]));
            runs.push(("beside 1,000 hanging", vec![&hanging.alone, &hanging.attacked]));
        }
        for Hostile { kind, attack, .. } in &self.hostile {
            runs.push((kind.name(), vec![&attack.alone, &attack.attacked]));
        }
        for Dashboards { compared, .. } in &self.dashboards {
            runs.push(("no dashboard", compared.yardstick.iter().collect()));
            runs.push(("five dashboards", compared.postrider.iter().collect()));
        }
        runs
    }

    fn peak_mib(&self) -> Option<f64> {
        let runs = self.one_to_one.iter().chain(&self.fan_out);
        let runs = runs.flat_map(|compared| &compared.postrider).chain(&self.drain);
        Spread::of(runs.map(|run| run.peak_mib)).map(|peaks| peaks.max)
    }
}

fn targets(results: &Results, integrity: &Integrity) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(one) = &results.one_to_one {
        if let Some(ratio) = one.ratio(|run| run.per_second) {
            targets.push(at_least("1→1, of the relay's rate", RATE_MIN, ratio));
        }
        if let Some(ratio) = one.ratio(|run| run.cpu_us) {
            targets.push(at_most("1→1, of the relay's CPU", CPU_MAX, ratio));
        }
    }
    if let Some(ratio) = results.fan_out.as_ref().and_then(|ten| ten.ratio(|run| run.per_second)) {
        targets.push(at_least("1→10, of the naked loop's rate", FAN_OUT_MIN, ratio));
    }
    targets.push(whole(integrity));
    targets.extend(latency(results));
    targets.extend(hanging(results));
    if let (Some(drain), Some(one)) = (&results.drain, &results.one_to_one) {
        let ratio = drain.per_second / one.rate();
        targets.extend(
            Spread::of([ratio]).map(|ratio| at_least("drain, of the 1→1 rate", DRAIN_MIN, ratio)),
        );
    }
    if let Some(idle) = results.idle {
        let peak = results.peak_mib();
        let peak = peak.map_or(String::new(), |peak| format!(" (peak under load {peak:.0})"));
        targets.push(Target {
            name: "idle memory".into(),
            wanted: format!("≤ {IDLE_MAX_MIB} MiB"),
            measured: format!("{:.1} MiB{peak}", idle.now_mib),
            verdict: verdict(idle.now_mib - IDLE_MAX_MIB, IDLE_MAX_MIB, " MiB"),
        });
    }
    if let Some(fleet) = &results.fleet {
        targets.extend(fleet_targets(fleet));
    }
    if let Some(growth) = &results.growth {
        targets.extend(grown("cost with many webhooks", &growth.webhooks));
        targets.extend(grown("cost with a backlog", &growth.backlog));
    }
    if let Some(size) = &results.size {
        targets.extend(size_targets(size));
    }
    for Fairness { mode, noisy, hanging } in &results.fairness {
        let [beside_noisy, beside_hanging] = match *mode {
            "fleet" => ["fleet, beside 100×, p99", "fleet, beside 1,000 hanging, p99"],
            _ => ["embedded, beside 100×, p99", "embedded, beside 1,000 hanging, p99"],
        };
        targets.extend([fair(beside_noisy, noisy), fair(beside_hanging, hanging)]);
    }
    for Hostile { mode, kind, attack, alone_mib, attacked_mib } in &results.hostile {
        let name = format!("{mode}, beside 1,000 that {}", kind.name());
        targets.push(fair(format!("{name}, p99"), attack));
        let more = attacked_mib - alone_mib;
        targets.push(Target {
            name: format!("{name}, memory").into(),
            wanted: format!("≤ +{HOSTILE_MAX_MIB:.0} MiB"),
            measured: format!("{alone_mib:.0} → {attacked_mib:.0} MiB"),
            verdict: verdict(more - HOSTILE_MAX_MIB, HOSTILE_MAX_MIB, " MiB"),
        });
    }
    for Dashboards { mode, compared } in &results.dashboards {
        let name = match *mode {
            "fleet" => "fleet, 1→1 beside dashboards, of the rate alone",
            _ => "embedded, 1→1 beside dashboards, of the rate alone",
        };
        let ratio = compared.ratio(|run| run.per_second);
        targets.extend(ratio.map(|ratio| at_least(name, DASHBOARDS_MIN, ratio)));
    }
    targets
}

/// Of the smallest size's cost, that of the largest.
fn grown(name: &'static str, steps: &[Step]) -> Option<Target> {
    let ratio = steps.last()?.run.cpu_us / steps.first()?.run.cpu_us;
    Spread::of([ratio]).map(|ratio| at_most(name, GROWTH_MAX, ratio))
}

fn fair(name: impl Into<Cow<'static, str>>, attack: &Attack) -> Target {
    let [alone, attacked] = [&attack.alone, &attack.attacked].map(|run| run.latency.p99_ms);
    let limit = (alone * FAIR_MAX).max(alone + FAIR_MAX_MS);
    Target {
        name: name.into(),
        wanted: format!("≤ {FAIR_MAX}× or +{FAIR_MAX_MS} ms"),
        measured: format!("{alone:.2} → {attacked:.2} ms"),
        verdict: verdict(attacked - limit, limit, " ms"),
    }
}

fn size_targets(size: &Size) -> Vec<Target> {
    let start = |name: &'static str, started: &Started| Target {
        name: name.into(),
        wanted: format!("≤ {:.0} s", START_MAX_MS / 1_000.0),
        measured: format!("{:.0} ms, ready {:.0}", started.first_receipt_ms, started.ready_ms),
        verdict: verdict(started.first_receipt_ms - START_MAX_MS, START_MAX_MS, " ms"),
    };
    let mib = |name: &'static str, memory: Memory| Target {
        name: name.into(),
        wanted: format!("≤ {BACKLOG_MAX_MIB} MiB"),
        measured: format!("{:.0} MiB, peak {:.0}", memory.now_mib, memory.peak_mib),
        verdict: verdict(memory.peak_mib - BACKLOG_MAX_MIB, BACKLOG_MAX_MIB, " MiB"),
    };
    let beside = |name: &'static str, [alone, beside]: [&Run; 2]| {
        let [alone, beside] = [alone, beside].map(|run| run.accept.p99_ms);
        let limit = (alone * FAIR_MAX).max(alone + HANGING_MAX_MS);
        Target {
            name: name.into(),
            wanted: format!("≤ {FAIR_MAX}× or +{HANGING_MAX_MS} ms"),
            measured: format!("{alone:.2} → {beside:.2} ms"),
            verdict: verdict(beside - limit, limit, " ms"),
        }
    };
    let Size { backlog, webhooks, idle, wide, retention } = size;
    let mut targets = vec![
        start("a backlog, start to receipt", &backlog.started),
        mib("a backlog, memory", backlog.memory),
    ];
    for webhooks in webhooks {
        targets.push(start(webhooks.what, &webhooks.started));
        targets.push(mib("their memory", webhooks.memory));
        if let Some(changing) = &webhooks.changing {
            targets.push(beside("accept p99 beside changes", [&webhooks.quiet, changing]));
        }
    }
    targets.push(beside("accept p99, idle connections", [&idle.without, &idle.with]));
    targets.push(mib("memory with them", idle.memory_with));
    targets.push(beside("accept p99, wide events", [&wide.alone, &wide.attacked]));
    targets.push(fair("receipt p99, wide events", wide));
    targets.push(beside("accept p99, forgetting", [&retention.without, &retention.with]));
    targets
}

fn fleet_targets(fleet: &Fleet) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(ratio) = fleet.one_worker.ratio(|run| run.per_second) {
        targets.push(at_least("fleet 1→1, of the relay's rate", FLEET_RATE_MIN, ratio));
    }
    if let Some(ratio) = fleet.one_worker.ratio(|run| run.cpu_us) {
        targets.push(at_most("fleet 1→1, of the relay's CPU", FLEET_CPU_MAX, ratio));
    }
    let part_of = |run: &Run, fsync: f64| run.accept.p99_ms / (FLEET_ACCEPT_MAX_MS + 2.0 * fsync);
    let beside = fleet.paced.iter().map(|(run, fsync)| part_of(run, fsync.p99_ms));
    let quiet = fleet.paced.iter().map(|(run, _)| part_of(run, fleet.fsync.p99_ms));
    for (name, parts) in [
        ("fleet 30 % load, accept p99 of 5 ms + 2 fsyncs p99", Spread::of(beside)),
        ("the same, with fsyncs of a quiet disk", Spread::of(quiet)),
    ] {
        targets.extend(parts.map(|parts| at_most(name, 1.0, parts)));
    }
    let bytes = fleet.redis_bytes_each;
    targets.push(Target {
        name: "fleet, Redis bytes a waiting one".into(),
        wanted: format!("≤ {REDIS_BYTES_MAX}"),
        measured: format!("{bytes:.0}"),
        verdict: verdict(bytes - REDIS_BYTES_MAX, REDIS_BYTES_MAX, ""),
    });
    targets
}

fn at_least(name: &'static str, limit: f64, ratio: Spread) -> Target {
    Target {
        name: name.into(),
        wanted: format!("≥ {limit:.2}"),
        measured: spread(ratio),
        verdict: verdict(limit - ratio.median, limit, ""),
    }
}

fn at_most(name: &'static str, limit: f64, ratio: Spread) -> Target {
    Target {
        name: name.into(),
        wanted: format!("≤ {limit:.2}"),
        measured: spread(ratio),
        verdict: verdict(ratio.median - limit, limit, ""),
    }
}

fn whole(integrity: &Integrity) -> Target {
    let Integrity { lost, duplicated, unexpected, .. } = integrity;
    let wrong = lost + duplicated + unexpected;
    Target {
        name: "lost, duplicated, unexpected".into(),
        wanted: "0, 0, 0".to_owned(),
        measured: format!("{lost}, {duplicated}, {unexpected}"),
        verdict: match wrong {
            0 => "met".to_owned(),
            _ => format!("missed by {wrong}"),
        },
    }
}

fn latency(results: &Results) -> Option<Target> {
    let latency = results.latency.as_ref()?;
    let fsync = latency.fsync.p50_ms;
    let limit = LATENCY_MAX_MS + fsync;
    let p50 = latency.postrider.latency.p50_ms;
    Some(Target {
        name: "30 % load, publish→receipt p50".into(),
        wanted: format!("≤ {LATENCY_MAX_MS} + {fsync:.2} ms fsync"),
        measured: format!("{p50:.2} ms at {:.0}/s", latency.events_per_second),
        verdict: verdict(p50 - limit, limit, " ms"),
    })
}

fn hanging(results: &Results) -> Option<Target> {
    let hanging = results.hanging.as_ref()?;
    let p99 = |runs: &[Run]| Spread::of(runs.iter().map(|run| run.latency.p99_ms));
    let (without, with) = (p99(&hanging.without)?.median, p99(&hanging.with)?.median);
    let limit = (without * HANGING_MAX).max(without + HANGING_MAX_MS);
    Some(Target {
        name: "one of ten hangs, the others' p99".into(),
        wanted: format!("≤ {HANGING_MAX}× or +{HANGING_MAX_MS} ms"),
        measured: format!("{without:.2} → {with:.2} ms"),
        verdict: verdict(with - limit, limit, " ms"),
    })
}

fn verdict(beyond: f64, limit: f64, unit: &str) -> String {
    match beyond > 0.0 {
        true => format!("missed by {beyond:.2}{unit} ({:.0} %)", 100.0 * beyond / limit),
        false => "met".to_owned(),
    }
}

fn spread(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    match min == max {
        true => format!("{median:.2}"),
        false => format!("{median:.2} ({min:.2}–{max:.2})"),
    }
}
