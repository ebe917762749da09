//! What lanes may do.

use super::gather::BATCH_MAX;
use super::keys::LaneName;
use super::server::Server;
use crate::queue::{Lane, Limits, QueueError};

pub(super) async fn set(server: &Server, lanes: &[(Lane, Limits)]) -> Result<(), QueueError> {
    let mut parts: Vec<Vec<&(Lane, Limits)>> = vec![Vec::new(); server.partitions.len()];
    for set in lanes {
        parts[server.partition_of(&set.0)].push(set);
    }
    let mut all = Ok(());
    for (partition, part) in parts.into_iter().enumerate() {
        for some in part.chunks(BATCH_MAX) {
            let arguments = some.iter().copied().flat_map(arguments).collect();
            let script = &server.scripts.set;
            match server.call::<(i64,)>(partition, script, server.dice(), arguments).await {
                Ok((sleep,)) => server.wake.heard(partition, sleep),
                // A partition that cannot be reached must not keep the others from being told.
                Err(e) => all = Err(e.into()),
            }
        }
    }
    all
}

fn arguments((lane, limits): &(Lane, Limits)) -> [Vec<u8>; 4] {
    let Limits { max_in_flight, paused, version } = limits;
    [
        LaneName(lane).to_string().into(),
        max_in_flight.to_string().into(),
        u8::from(*paused).to_string().into(),
        version.to_string().into(),
    ]
}
