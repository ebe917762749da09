//! Workers, and what only one of them does.

use std::time::Duration;

use model::id::WorkerId;
use store::WorkerState;

use super::{at, uid};
use crate::drivers::StoreRig;

const LONG: Duration = Duration::from_secs(3_600);

fn worker(n: u16) -> WorkerState {
    WorkerState {
        id: WorkerId(uid(n)),
        version: "0.1.0".into(),
        host: format!("machine-{n}"),
        pid: n.into(),
        slots: 1_024,
        held: n.into(),
        started_at: at(n.into()),
    }
}

async fn all(rig: &StoreRig) -> Vec<WorkerState> {
    let workers = rig.workers().await.expect("a store lists workers");
    workers.into_iter().map(|(worker, _)| worker).collect()
}

pub async fn workers_are_listed_as_they_last_said(rig: &mut StoreRig) {
    for n in [2, 1] {
        rig.announce(worker(n)).await.expect("a store keeps workers");
    }
    let busy = WorkerState { held: 77, ..worker(1) };
    let (_, before) = rig.workers().await.expect("a store lists workers")[0].clone();
    rig.announce(busy.clone()).await.expect("a store keeps workers");
    assert_eq!(all(rig).await, [busy, worker(2)]);
    let (_, after) = rig.workers().await.expect("a store lists workers")[0].clone();
    assert!(after >= before);
}

pub async fn a_worker_that_ended_is_forgotten(rig: &mut StoreRig) {
    for n in [1, 2] {
        rig.announce(worker(n)).await.expect("a store keeps workers");
    }
    rig.retire(worker(1).id).await.expect("a store forgets workers");
    rig.retire(worker(1).id).await.expect("a store forgets workers");
    assert_eq!(all(rig).await, [worker(2)]);
}

pub async fn a_duty_is_one_workers_until_its_time_is_over(rig: &mut StoreRig) {
    let lead = async |n, duty: &str, time| {
        rig.lead(duty, WorkerId(uid(n)), time).await.expect("a store has duties")
    };
    assert!(lead(1, "sweep", LONG).await);
    assert!(!lead(2, "sweep", LONG).await);
    assert!(lead(2, "other", LONG).await);
    // It may go on, and end it by that.
    assert!(lead(1, "sweep", Duration::ZERO).await);
    assert!(lead(2, "sweep", LONG).await);
    assert!(!lead(1, "sweep", LONG).await);
}

pub async fn a_duty_of_a_worker_that_ended_is_free(rig: &mut StoreRig) {
    let [one, two] = [1, 2].map(|n| WorkerId(uid(n)));
    assert!(rig.lead("sweep", one, LONG).await.expect("a store has duties"));
    rig.retire(one).await.expect("a store forgets workers");
    assert!(rig.lead("sweep", two, LONG).await.expect("a store has duties"));
}

pub async fn a_duty_whose_time_is_over_is_forgotten(rig: &mut StoreRig) {
    let one = WorkerId(uid(1));
    for (duty, time) in [("link:a", Duration::ZERO), ("sweep", LONG), ("link:b", Duration::ZERO)] {
        assert!(rig.lead(duty, one, time).await.expect("a store has duties"));
    }
    rig.announce(worker(2)).await.expect("a store keeps workers");
    assert_eq!(rig.texts("SELECT duty FROM duties").await, ["sweep"]);
    // Forgotten, it is nobody's, as it was before.
    assert!(rig.lead("link:a", WorkerId(uid(2)), LONG).await.expect("a store has duties"));
}

pub async fn of_many_who_want_a_duty_at_once_one_gets_it(rig: &mut StoreRig) {
    let leading =
        super::at_once(
            (1..20).map(|n| {
                let store = rig.shared();
                async move {
                    store.lead("sweep", WorkerId(uid(n)), LONG).await.expect("a store has duties")
                }
            }),
        );
    assert_eq!(leading.await.into_iter().filter(|leads| *leads).count(), 1);
}
