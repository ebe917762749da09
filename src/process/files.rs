//! Files that this process may open, and who may have how many: a connection takes one, and whoever takes
//! all of them keeps the others from working.

use super::Role;

/// Files that a process may open where nothing says how many.
const USUAL: u64 = 1_024;
/// Those that are no connection of the API or to a subscriber: of the store and its readers, the queue, the
/// log, the threads.
const BESIDE: u64 = 48;
/// Connections to subscribers, however few files there are.
const SUBSCRIBERS_MIN: u64 = 8;

/// Connections that there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Of clients.
    pub door: usize,
    pub subscribers: usize,
}

/// Every subscriber with an open connection takes a file, and the usual limit is meant for programs
/// that hold few.
pub fn raise_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|e| {
        tracing::warn!(error = %e, "the limit of open files stays as it is");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(USUAL, |(soft, _)| soft)
    })
}

/// Files with which a process that does both makes so many deliveries at once.
pub fn wanted(slots: usize, database_connections: usize) -> u64 {
    3 * (2 * slots as u64 + BESIDE + database_connections as u64)
}

impl Files {
    /// The API has two thirds at most, and the door of a worker an eighth, so that clients who do nothing
    /// cannot take what delivering needs. What is left beside the store is for subscribers.
    pub fn share(files: u64, role: Role, listens: bool, database_connections: usize) -> Self {
        let door = match role {
            _ if !listens => 0,
            Role::Worker => files / 8,
            Role::Serve | Role::Api => files / 3 * 2,
        };
        let door = door.min(api::CONNECTIONS_MAX as u64);
        let beside = BESIDE + database_connections as u64;
        let subscribers = files.saturating_sub(door + beside).max(SUBSCRIBERS_MIN);
        let whole = |files| usize::try_from(files).unwrap_or(usize::MAX);
        Self { door: whole(door), subscribers: whole(subscribers) }
    }

    /// Deliveries at once, of those that are set: each may need a connection, the half of which may be
    /// kept by nobody. So what is fair between tenants with slots is so with files, too.
    pub fn slots(self, set: usize) -> usize {
        let slots = set.min(self.subscribers / 2);
        if slots < set {
            tracing::warn!(
                worker.slots = slots,
                files.max = self.subscribers,
                "fewer deliveries at once than are set: this process may open few files"
            );
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shared_between_clients_and_subscribers() {
        for (files, role, listens, door, subscribers) in [
            (20_000, Role::Serve, true, 13_332, 6_604),
            (256, Role::Serve, true, 170, 22),
            (16, Role::Serve, true, 10, 8),
            (20_000, Role::Worker, false, 0, 19_936),
            (20_000, Role::Worker, true, 2_500, 17_436),
            (1_048_576, Role::Serve, true, 32_768, 1_015_744),
        ] {
            let shared = Files::share(files, role, listens, 16);
            assert_eq!(shared, Files { door, subscribers }, "{files} {role:?}");
        }
        let enough = Files::share(wanted(1_024, 16), Role::Serve, true, 16);
        assert_eq!(enough.slots(4_096), 1_024);
        let endless = Files::share(u64::MAX, Role::Serve, true, 16);
        assert_eq!((endless.door, endless.slots(1_024)), (api::CONNECTIONS_MAX, 1_024));
    }

    #[test]
    fn deliveries_at_once_are_as_many_as_half_the_connections() {
        let files = Files { door: 0, subscribers: 100 };
        assert_eq!([files.slots(1_024), files.slots(10)], [50, 10]);
    }
}
