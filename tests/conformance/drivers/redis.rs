use std::sync::Arc;

use store::redis::{Redis, Settings};
use store::world::Clock;
use store::world::random_bytes;

use super::{LANE_CAP, LEASE, QueueRig};

/// One server, one partition.
pub async fn redis() -> QueueRig {
    rig("POSTRIDER_TEST_REDIS_URL", 1).await
}

/// One partition in a Cluster: which turns are taken is promised within a partition.
pub async fn redis_cluster() -> QueueRig {
    rig("POSTRIDER_TEST_REDIS_CLUSTER_URL", 1).await
}

/// As many partitions as a Cluster has, on all of its servers.
pub async fn redis_partitions() -> QueueRig {
    rig("POSTRIDER_TEST_REDIS_CLUSTER_URL", 16).await
}

async fn rig(variable: &str, partitions: u16) -> QueueRig {
    let queue = Redis::open(&url(variable), settings(partitions), Clock::system())
        .await
        .expect("a queue opens");
    QueueRig::of(Arc::new(queue))
}

pub fn url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run it through `make test` or `scripts/with-servers`")
    })
}

/// With keys that nobody else has.
pub fn settings(partitions: u16) -> Settings {
    let prefix = format!("test-{:016x}", u64::from_be_bytes(random_bytes()));
    let partitions = Some(partitions);
    Settings { lane_cap: LANE_CAP, lease: LEASE, prefix, partitions, ..Settings::default() }
}
