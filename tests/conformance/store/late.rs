//! Outcomes of a worker that was too slow: somebody else went on, or the delivery ended.

use std::time::Duration;

use model::attempt::Trigger;
use model::delivery::{EndedBy, Next, Status};
use store::{Delivery, LastAttempt, Outcome, Recorded};

use super::{answered, at, by_hand, end, event, failure, numbers, outcome, success};
use crate::drivers::StoreRig;

const LATE: Recorded = Recorded { applied: false, due: None };

/// The state is that of before; the attempt is counted and shown as the last.
fn with_attempt(before: Delivery, ms: i64, code: u16) -> Delivery {
    let (total, answer) = (Duration::from_micros(1_234), Ok(code));
    let last = Some(LastAttempt { at: at(ms), total, answer });
    Delivery { attempts: before.attempts + 1, last, ..before }
}

pub async fn a_late_failure_changes_nothing_but_is_kept(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    let before = rig.see(id).await;
    let late = outcome(id, 0, answered(400, 599), Next::End(EndedBy::Status));
    let recorded = rig.write_down(late).await;
    assert_eq!(recorded, Recorded { applied: false, due: Some(at(9_000)) });
    assert_eq!(rig.see(id).await, with_attempt(before, 400, 599));
    let loaded = rig.find(id).await;
    assert_eq!((loaded.attempts, loaded.planned), (1, 1));
    let attempts = rig.attempts_of(id).await;
    assert_eq!(numbers(&attempts), [1, 2]);
    assert_eq!(attempts[1].started_at, at(400));
    for (n, by) in (2..).zip([EndedBy::Age, EndedBy::Cancelled, EndedBy::Delivered]) {
        let id = rig.send_one(event(n)).await;
        rig.write_down(end(id, 0, by)).await;
        let before = rig.see(id).await;
        assert_eq!(rig.write_down(failure(id, 0, at(9_000))).await, LATE);
        assert_eq!(rig.see(id).await, with_attempt(before, 100, 500));
        assert_eq!(rig.attempts_of(id).await.len(), 1);
    }
}

pub async fn a_late_success_wins_over_a_plan(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    assert_eq!(rig.write_down(success(id, 0)).await, LATE);
    let seen = rig.see(id).await;
    assert_eq!((seen.status, seen.ended_by), (Status::Delivered, Some(EndedBy::Delivered)));
    assert_eq!(seen.ended_at, Some(at(205)));
    assert_eq!(seen.last.map(|last| (last.at, last.answer)), Some((at(200), Ok(200))));
    assert_eq!((seen.attempts, numbers(&rig.attempts_of(id).await)), (2, vec![1, 2]));
}

pub async fn a_late_success_wins_over_every_end(rig: &mut StoreRig) {
    for (n, by) in (1..).zip(EndedBy::ALL) {
        let id = rig.send_one(event(n)).await;
        rig.write_down(end(id, 0, by)).await;
        assert_eq!(rig.write_down(success(id, 0)).await, LATE);
        let seen = rig.see(id).await;
        assert_eq!((seen.status, seen.ended_by), (Status::Delivered, Some(EndedBy::Delivered)));
        assert_eq!(rig.find(id).await.status, Status::Delivered);
    }
}

pub async fn delivered_is_final(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(success(id, 0)).await;
    let mut expected = rig.see(id).await;
    let again = outcome(id, 0, answered(700, 204), Next::End(EndedBy::Delivered));
    for (late, sent) in [
        (failure(id, 0, at(9_000)), Some((100, 500))),
        (failure(id, 1, at(9_000)), Some((100, 500))),
        (end(id, 1, EndedBy::WebhookDeleted), None),
        (end(id, 0, EndedBy::Age), None),
        (again, Some((700, 204))),
    ] {
        assert_eq!(rig.write_down(late).await, LATE);
        if let Some((ms, code)) = sent {
            expected = with_attempt(expected, ms, code);
        }
        assert_eq!(rig.see(id).await, expected);
    }
    rig.cancel(id, at(800)).await.expect("a store cancels");
    rig.retry(id, at(800)).await.expect("a store retries");
    assert_eq!(rig.see(id).await, expected);
    assert_eq!(rig.attempts_of(id).await.len(), 4);
}

pub async fn a_late_end_without_an_attempt_changes_nothing(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    let before = rig.see(id).await;
    rig.write_down(end(id, 0, EndedBy::Age)).await;
    assert_eq!(rig.see(id).await, before);
    assert_eq!(rig.attempts_of(id).await.len(), 1);
}

/// Two workers at the same attempt, then a third who goes on from there.
pub async fn late_attempts_clash_with_nobody(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    for ms in [10, 20, 30] {
        let next = Next::Retry { due: at(9_000) };
        rig.write_down(outcome(id, 0, answered(ms, 500), next)).await;
    }
    let attempts = rig.find(id).await.attempts;
    rig.write_down(outcome(id, attempts, answered(40, 500), Next::Retry { due: at(9_000) })).await;
    assert_eq!(rig.see(id).await.attempts, 4);
    let attempts = rig.attempts_of(id).await;
    assert_eq!(numbers(&attempts), [1, 2, 3, 4]);
    let starts: Vec<_> = attempts.iter().map(|attempt| attempt.started_at).collect();
    assert_eq!(starts, [10, 20, 30, 40].map(at));
}

pub async fn a_late_outcome_says_when_the_delivery_is_due(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    let late = || outcome(id, 0, answered(400, 500), Next::Retry { due: at(5_000) });
    assert_eq!(rig.write_down(late()).await.due, Some(at(9_000)));
    rig.retry(id, at(450)).await.expect("a store retries");
    assert_eq!(rig.write_down(late()).await.due, Some(at(405)));
    rig.cancel(id, at(500)).await.expect("a store cancels");
    assert_eq!(rig.write_down(late()).await, LATE);
}

pub async fn two_outcomes_of_one_attempt_in_a_batch_apply_once(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let outcomes = vec![failure(id, 0, at(7_000)), failure(id, 0, at(8_000))];
    let recorded = rig.record(outcomes.into()).await.expect("a store records");
    let due = Some(at(7_000));
    assert_eq!(recorded, [true, false].map(|applied| Recorded { applied, due }));
    assert_eq!(rig.find(id).await.attempts, 1);
    assert_eq!(numbers(&rig.attempts_of(id).await), [1, 2]);
}

/// Nobody can have loaded more attempts than there are, unless the store lost some.
pub async fn an_outcome_of_the_future_is_not_applied(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let manual = by_hand(answered(400, 500));
    assert_eq!(manual.trigger, Trigger::Manual);
    let ahead = outcome(id, 5, manual, Next::End(EndedBy::Attempts));
    let recorded = rig.write_down(Outcome { attempt: None, ..ahead }).await;
    assert_eq!(recorded, Recorded { applied: false, due: Some(at(1)) });
    assert_eq!(rig.find(id).await.status, Status::Pending);
}
