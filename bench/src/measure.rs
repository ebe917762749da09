//! Measuring: latencies, the CPU time and memory of a process (from `/proc`, so Linux only), and what
//! an fsync costs on this disk.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::Result;

const FSYNCS: usize = 300;
const FSYNC_LIMIT: Duration = Duration::from_secs(5);
/// Between two of them beside a run: few beside the hundreds that it does itself.
const FSYNC_PAUSE: Duration = Duration::from_millis(20);
/// A process is quiet when it used less than this in one look.
const QUIET_MICROS: u64 = 20_000;
const QUIET_LOOK: Duration = Duration::from_millis(250);
const QUIET_LIMIT: Duration = Duration::from_secs(300);

/// Latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Percentiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Percentiles {
    /// Of microseconds, which it sorts.
    pub fn of(micros: &mut [u32]) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let rank = (micros.len() as f64 * share).ceil() as usize;
            let value = micros.get(rank.max(1) - 1).copied().unwrap_or(0);
            f64::from(value) / 1_000.0
        };
        Self {
            count: micros.len(),
            p50_ms: at(0.50),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }
}

/// What several rounds said.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` without a round.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let (min, max) = (*values.first()?, *values.last()?);
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Some(Self { median, min, max })
    }
}

/// Of the last minute.
pub fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// A process whose CPU time counts, and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    pub what: &'static str,
    pub pid: u32,
}

/// CPU time that a process has used since it began, with the children that it has or had, user and
/// system, in microseconds.
pub fn cpu_micros(pid: u32) -> Result<u64> {
    let Some(own) = times(pid) else { return Err(format!("process {pid} is gone").into()) };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| times(child.parse().ok()?));
    Ok((own + children.sum::<u64>()) * tick_micros())
}

/// Of a process and of the children that it waited for.
fn times(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; utime, stime, cutime and cstime are the 12th to
    // 15th field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    times.sum::<std::result::Result<u64, _>>().ok()
}

fn tick_micros() -> u64 {
    static TICK: OnceLock<u64> = OnceLock::new();
    *TICK.get_or_init(|| {
        let asked = Command::new("getconf").arg("CLK_TCK").output().ok();
        let hertz = asked.and_then(|output| String::from_utf8(output.stdout).ok());
        let hertz = hertz.and_then(|text| text.trim().parse::<u64>().ok());
        // 100 on every Linux that does not say otherwise.
        1_000_000 / hertz.unwrap_or(100).max(1)
    })
}

/// Resident memory of a process, in MiB.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    pub now_mib: f64,
    pub peak_mib: f64,
}

pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1_024.0)
    };
    let (Some(now_mib), Some(peak_mib)) = (mib("VmRSS:"), mib("VmHWM:")) else {
        return Err("a /proc status without memory".into());
    };
    Ok(Memory { now_mib, peak_mib })
}

/// Waits until these processes have nothing left to do.
pub async fn until_quiet(watched: &[Watched]) -> Result<()> {
    let used = || watched.iter().map(|watched| cpu_micros(watched.pid)).sum::<Result<u64>>();
    let begun = Instant::now();
    let mut last = used()?;
    while begun.elapsed() < QUIET_LIMIT {
        sleep(QUIET_LOOK).await;
        let now = used()?;
        if now - last <= QUIET_MICROS * watched.len() as u64 {
            return Ok(());
        }
        last = now;
    }
    Ok(())
}

/// What it costs to append 4 KiB and have them on the disk of this folder.
pub fn fsync(folder: &Path) -> Result<Percentiles> {
    let begun = Instant::now();
    fsyncs(folder, Duration::ZERO, |done| done < FSYNCS && begun.elapsed() < FSYNC_LIMIT)
}

/// The same, a few times a second while something else is measured.
pub struct FsyncProbe {
    over: Arc<AtomicBool>,
    probing: JoinHandle<Result<Percentiles>>,
}

impl FsyncProbe {
    pub fn start(folder: &Path) -> Self {
        let (folder, over) = (folder.to_owned(), Arc::<AtomicBool>::default());
        let goes_on = {
            let over = over.clone();
            move |_| !over.load(Ordering::Relaxed)
        };
        let probing = std::thread::spawn(move || fsyncs(&folder, FSYNC_PAUSE, goes_on));
        Self { over, probing }
    }

    pub fn stop(self) -> Result<Percentiles> {
        self.over.store(true, Ordering::Relaxed);
        self.probing.join().map_err(|_| "the probe of the disk panicked")?
    }
}

/// `goes_on` is told how many are done.
fn fsyncs(folder: &Path, pause: Duration, goes_on: impl Fn(usize) -> bool) -> Result<Percentiles> {
    let path = folder.join("fsync.probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut micros = Vec::new();
    while goes_on(micros.len()) {
        let one = Instant::now();
        file.write_all(&[b'x'; 4_096])?;
        file.sync_data()?;
        micros.push(u32::try_from(one.elapsed().as_micros()).unwrap_or(u32::MAX));
        std::thread::sleep(pause);
    }
    fs::remove_file(path)?;
    Ok(Percentiles::of(&mut micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut micros: Vec<u32> = (1..=100).rev().map(|n| n * 1_000).collect();
        let latency = Percentiles::of(&mut micros);
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (50.0, 99.0, 100.0));
        assert_eq!(Percentiles::of(&mut []).p99_ms, 0.0);
    }

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let pid = std::process::id();
        assert!(cpu_micros(pid).is_ok());
        let memory = memory(pid).expect("/proc");
        assert!(memory.peak_mib >= memory.now_mib && memory.now_mib > 0.0);
    }
}
