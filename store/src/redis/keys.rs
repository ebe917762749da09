//! Every key in Redis, and who moves what.
//!
//! `{prefix}:2` is the prefix from the settings and the version of this format. A partition `p`
//! is the hash tag `{p}`, so all its keys lie in one slot of a Cluster and one script may touch
//! them. A lane is written `tenant/wh_…` or `tenant/fan-out`; an item of it within the lane's
//! queue `seq event` (8 and 16 bytes), elsewhere `lane event`.
//!
//! | key | type | what |
//! |---|---|---|
//! | `{prefix}:2:partitions` | string | how many partitions there are; written once, by who opens first |
//! | `{prefix}:2:wake` | channel | `process sleep partition`: something can be served that could not, or will sooner than was known |
//! | `{prefix}:2:{notices}:listening` | string | there while somebody listens to notices |
//! | `{prefix}:2:{notices}` | stream | notices: lines `lane event`; there only while somebody listens |
//! | `{prefix}:2:{p}:state` | string | epoch, replication id, totals, turns, the hunger for everything (packed by `prelude.lua`) |
//! | `{prefix}:2:{p}:lanes` | hash | lane → its limits, counts, position, hunger (packed by `lane.lua`) |
//! | `{prefix}:2:{p}:q:{lane}` | sorted set | what is queued: new items below zero as they came, then the others by due time |
//! | `{prefix}:2:{p}:tenants` | sorted set | tenants with a lane in their ring, by turn |
//! | `{prefix}:2:{p}:ring:{tenant}` | sorted set | its lanes that can be served now, by turn |
//! | `{prefix}:2:{p}:timers` | sorted set | lanes that can be served later, by when |
//! | `{prefix}:2:{p}:leased` | hash | item → token, whether it is on the wire or ahead, seq, when it is due if pushed meanwhile |
//! | `{prefix}:2:{p}:leases` | sorted set | the same items, by when their leases end |
//! | `{prefix}:2:{p}:hungry` | sorted set | lanes that are to be fed, by when |
//! | `{prefix}:2:{p}:expired` | string | how many leases ended by themselves |
//!
//! ```text
//! push    (refused) → hungry      item → q     lane → ring or timers
//! claim   timers → ring           q → leased, leases
//! settle  leased, leases → gone or q           lane → ring or timers
//! tick    leases that ended → q   (in claim and look)
//! ```
//! A lane is in its tenant's ring, in the timers or in neither, never in both. One that is empty
//! and has nothing to be remembered has no key.

use std::fmt;

use model::id::WebhookId;
use model::tenant::Tenant;

use crate::queue::{Lane, Work};

/// Of the keys and of what the scripts keep in them. Another one does not see these keys.
const FORMAT: u32 = 2;

#[derive(Debug, Clone)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self(format!("{prefix}:{FORMAT}"))
    }

    pub(super) fn partitions(&self) -> String {
        format!("{}:partitions", self.0)
    }

    pub(super) fn wake(&self) -> String {
        format!("{}:wake", self.0)
    }

    /// There while somebody listens to notices. With the next in one slot of a Cluster.
    pub(super) fn listening(&self) -> String {
        format!("{}:{{notices}}:listening", self.0)
    }

    pub(super) fn notices(&self) -> String {
        format!("{}:{{notices}}", self.0)
    }

    /// What every key of a partition begins with.
    pub(super) fn partition(&self, number: u16) -> String {
        format!("{}:{{{number}}}", self.0)
    }
}

const FAN_OUT: &str = "fan-out";

/// A lane as it is written in keys.
pub(super) struct LaneName<'a>(pub(super) &'a Lane);

impl fmt::Display for LaneName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lane { tenant, work } = self.0;
        match work {
            Work::FanOut => write!(f, "{tenant}/{FAN_OUT}"),
            Work::Deliver(webhook) => write!(f, "{tenant}/{webhook}"),
        }
    }
}

impl LaneName<'_> {
    pub(super) fn parse(name: &[u8]) -> Option<Lane> {
        let (tenant, work) = std::str::from_utf8(name).ok()?.split_once('/')?;
        let tenant = Tenant::parse(tenant).ok()?;
        Some(match work {
            FAN_OUT => Lane::fan_out(tenant),
            webhook => Lane::deliver(tenant, WebhookId::parse(webhook)?),
        })
    }
}

/// The partition a lane lives in: that of its webhook, or of its tenant while fanning out.
pub(super) fn partition_of(lane: &Lane, partitions: usize) -> usize {
    let hash = match lane.work {
        Work::FanOut => fnv1a(lane.tenant.as_str().as_bytes()),
        Work::Deliver(webhook) => fnv1a(webhook.0.as_bytes()),
    };
    usize::try_from(hash % partitions.max(1) as u64).unwrap_or(0)
}

/// FNV-1a, 64 bits: every process and every release has to agree on it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::Uid;

    #[test]
    fn a_lane_is_read_as_it_was_written() {
        let tenant = Tenant::parse("acct_1:eu-west.2").expect("a name");
        for lane in [
            Lane::fan_out(tenant.clone()),
            Lane::deliver(tenant, WebhookId(Uid(*b"0123456789abcdef"))),
        ] {
            let name = LaneName(&lane).to_string();
            assert_eq!(LaneName::parse(name.as_bytes()), Some(lane));
        }
    }

    #[test]
    fn lanes_are_spread_over_all_partitions() {
        let mut lanes = [0; 16];
        for n in 0..1_600_u64 {
            let mut uid = [7; 16];
            uid[8..].copy_from_slice(&n.to_be_bytes());
            let lane = Lane::deliver(Tenant::default(), WebhookId(Uid(uid)));
            lanes[partition_of(&lane, 16)] += 1;
        }
        assert!(lanes.iter().all(|n| (50..200).contains(n)), "{lanes:?}");
    }
}
