use std::sync::Arc;

use model::time::Timestamp;
use store::memory::{Memory, Settings};
use store::world::Clock;

use super::{LANE_CAP, LEASE, QueueRig};

pub async fn memory() -> QueueRig {
    let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
    let settings = Settings { lane_cap: LANE_CAP, lease: LEASE };
    QueueRig { queue: Arc::new(Memory::new(clock.clone(), settings)), clock: Some(clock) }
}
