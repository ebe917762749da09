//! What this process takes of its machine, by the names that every dashboard knows. Read when somebody
//! asks; where the system does not tell it (there is no /proc), it is left out.

use model::time::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::{clock_ticks_per_second, page_size};

#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// As it was read then: what the system says of it moves with the machine's clock, and who counts
    /// restarts would count that.
    pub started_at: Timestamp,
}

impl Collector for Usage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut show = |name, help, metric: &dyn Shown| metric.show(&mut encoder, name, help);
        let help = "When the process started, since the epoch";
        let started_s = self.started_at.0 as f64 / 1e6;
        show("process_start_time_seconds", help, &ConstGauge::new(started_s))?;
        if let Some(stat) = Stat::read() {
            let help = "CPU time taken, in user and system mode";
            show("process_cpu_seconds", help, &ConstCounter::new(stat.cpu_s))?;
            let help = "Memory that it takes of the machine's";
            show("process_resident_memory_bytes", help, &ConstGauge::new(stat.resident))?;
            let help = "Threads that it has";
            show("process_threads", help, &ConstGauge::new(stat.threads))?;
        }
        if let Some(open) = open_files() {
            show("process_open_fds", "Files it has open", &ConstGauge::new(open))?;
        }
        let most = rlimit::getrlimit(rlimit::Resource::NOFILE);
        let most = most.ok().and_then(|(soft, _)| i64::try_from(soft).ok());
        if let Some(most) = most {
            show("process_max_fds", "Files it may have open", &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

/// A metric of whatever type.
trait Shown {
    fn show(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> std::fmt::Result;
}

impl<M: EncodeMetric> Shown for M {
    fn show(&self, to: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> std::fmt::Result {
        self.encode(to.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_s: f64,
    resident: i64,
    threads: i64,
}

impl Stat {
    fn read() -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&own, clock_ticks_per_second() as f64, page_size())
    }

    /// See proc(5): the fields after the program's name, which may hold anything, are numbers.
    fn parse(own: &str, ticks_per_s: f64, page: usize) -> Option<Self> {
        let fields: Vec<&str> = own.rsplit_once(") ")?.1.split_whitespace().collect();
        // The first of these is the third of all.
        let field = |nth: usize| fields.get(nth - 3)?.parse::<i64>().ok();
        Some(Self {
            cpu_s: (field(14)? + field(15)?) as f64 / ticks_per_s,
            resident: field(24)?.saturating_mul(i64::try_from(page).ok()?),
            threads: field(20)?,
        })
    }
}

fn open_files() -> Option<i64> {
    // Less the one that this look takes.
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    i64::try_from(open).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_whatever_it_likes() {
        let own = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 12 0 6000 1000 256 1 1";
        let expected = Stat { cpu_s: 3.0, resident: 256 * 4_096, threads: 12 };
        assert_eq!(Stat::parse(own, 100.0, 4_096), Some(expected));
        assert_eq!(Stat::parse("nonsense", 100.0, 4_096), None);
    }

    #[test]
    fn this_process_is_seen() {
        let stat = Stat::read().expect("Linux");
        assert!(stat.resident > 1 << 20 && stat.threads > 0, "{stat:?}");
        assert!(open_files() > Some(2));
    }
}
