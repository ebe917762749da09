//! What a store takes that can run out: connections to PostgreSQL, or room in the data directory. Looked
//! at when somebody asks for the metrics.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use store::postgres::Postgres;

#[derive(Clone)]
pub enum Resources {
    Database(Arc<Postgres>),
    Folder(PathBuf),
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resources::Database(_) => "Database",
            Resources::Folder(_) => "Folder",
        })
    }
}

impl Collector for Resources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self {
            Resources::Database(database) => {
                let pools = database.connections();
                let by_state = pools.iter().flat_map(|(pool, now)| {
                    let of = |state, count| (vec![("pool", *pool), ("state", state)], count);
                    [of("used", now.used), of("idle", now.idle)]
                });
                let name = "postrider_database_connections";
                show(&mut encoder, name, "Connections to PostgreSQL", by_state)?;
                let most = pools.iter().map(|(pool, now)| (vec![("pool", *pool)], now.most));
                let name = "postrider_database_connection_limit";
                show(&mut encoder, name, "Connections to PostgreSQL that there may be", most)?;
                let waiting = pools.iter().map(|(pool, now)| (vec![("pool", *pool)], now.waiting));
                let name = "postrider_database_connection_waiters";
                show(&mut encoder, name, "Calls that wait for a connection to PostgreSQL", waiting)
            }
            Resources::Folder(folder) => {
                if let Some(used) = used_bytes(folder) {
                    let name = "postrider_data_dir_used_bytes";
                    show(&mut encoder, name, "What the files of the data directory hold", [used])?;
                }
                if let Some(free) = free_bytes(folder) {
                    let name = "postrider_data_dir_free_bytes";
                    show(&mut encoder, name, "Room for more in the data directory", [free])?;
                }
                Ok(())
            }
        }
    }
}

type Labelled = (Vec<(&'static str, &'static str)>, usize);

/// A gauge with a sample for each of these labels.
fn show(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = Labelled>,
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        if labels.is_empty() {
            return value.encode(metric);
        }
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn used_bytes(folder: &Path) -> Option<Labelled> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum();
    Some((Vec::new(), usize::try_from(bytes).ok()?))
}

fn free_bytes(folder: &Path) -> Option<Labelled> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let bytes = about.f_bavail.saturating_mul(about.f_frsize);
    Some((Vec::new(), usize::try_from(bytes).ok()?))
}
