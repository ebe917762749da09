//! Loading what is to be sent, recording what came of it.

use std::time::Duration;

use model::attempt::{Answer, ErrorClass, Response, Timings, Trigger};
use model::delivery::{EndedBy, Next, Status};
use model::event::NewEvent;
use model::id::DeliveryId;
use model::webhook::WebhookStatus;
use store::{LastAttempt, Outcome, Recorded};

use super::{
    answered, at, at_once, end, event, failure, numbers, outcome, success, unanswered, webhook,
    webhook_id,
};
use crate::drivers::StoreRig;

pub async fn loading_tells_what_to_send_in_the_order_asked(rig: &mut StoreRig) {
    let chosen = NewEvent {
        id: Some("order-2".into()),
        timestamp: Some("2026-08-22T10:00:00.5+02:00".into()),
        ..event(2)
    };
    let one = rig.send_one(event(1)).await;
    let two = rig.send_one(chosen.clone()).await;
    let unknown = DeliveryId { event: one.event, webhook: webhook_id(9) };
    let nothing = DeliveryId { event: super::event_uid(9), webhook: one.webhook };
    let ids = vec![two, unknown, one, nothing, two];
    let loaded = rig.load(ids).await.expect("a store loads");
    let uids: Vec<_> = loaded.iter().map(|l| l.as_ref().map(|l| l.event.uid)).collect();
    assert_eq!(uids, [Some(two.event), None, Some(one.event), None, Some(two.event)]);
    let event = &loaded[0].as_ref().expect("there is such a delivery").event;
    assert_eq!(event.tenant, chosen.tenant);
    assert_eq!(event.chosen_id, chosen.id);
    assert_eq!(event.event_type, chosen.event_type);
    assert_eq!(event.given_timestamp, chosen.timestamp);
    assert_eq!(event.accepted_at, chosen.accepted_at);
    assert_eq!(event.data, chosen.data);
    assert!(rig.load(Vec::new()).await.expect("a store loads").is_empty());
}

pub async fn loading_tells_how_the_webhook_stands(rig: &mut StoreRig) {
    let first = rig.register(webhook(1)).await;
    let id = rig.send_one(event(1)).await;
    assert_eq!(rig.find(id).await.webhook, Some((WebhookStatus::Active, first.version)));
    let second = rig.set_status(&first, WebhookStatus::Paused).await;
    assert_eq!(rig.find(id).await.webhook, Some((WebhookStatus::Paused, second.version)));
    let third = rig.set_status(&second, WebhookStatus::Disabled).await;
    assert_eq!(rig.find(id).await.webhook, Some((WebhookStatus::Disabled, third.version)));
    let fourth = rig.set_status(&third, WebhookStatus::Active).await;
    let gone = Outcome { disable_webhook: Some("gone".into()), ..failure(id, 0, at(500)) };
    rig.write_down(gone).await;
    let disabled = Some((WebhookStatus::Disabled, fourth.version + 1));
    assert_eq!(rig.find(id).await.webhook, disabled);
    let later = rig.send_one(event(2)).await;
    assert_eq!(rig.find(later).await.webhook, disabled);
    rig.delete_webhook(webhook_id(1)).await.expect("a store deletes");
    assert_eq!(rig.find(id).await.webhook, None);
    assert_eq!(rig.find(later).await.webhook, None);
}

pub async fn loading_is_of_the_last_word(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let attempts = async |rig: &StoreRig| rig.find(id).await.attempts;
    assert_eq!(attempts(rig).await, 0);
    rig.write_down(failure(id, 0, at(9_000))).await;
    assert_eq!(attempts(rig).await, 1);
    rig.write_down(failure(id, 1, at(9_000))).await;
    assert_eq!(attempts(rig).await, 2);
    let row = rig.send(event(2), &[webhook_id(1), webhook_id(2)]).await;
    rig.retry(row[0], at(50)).await.expect("a store retries");
    assert!(rig.find(row[0]).await.by_hand && !rig.find(row[1]).await.by_hand);
    rig.cancel(row[1], at(50)).await.expect("a store cancels");
    assert_eq!(rig.find(row[1]).await.status, Status::Cancelled);
    // Something else that fails takes nothing of it back.
    rig.accept(vec![event(1)]).await.expect_err("its id is in use");
    assert_eq!(attempts(rig).await, 2);
    assert_eq!(rig.find(row[1]).await.status, Status::Cancelled);
}

pub async fn an_event_for_many_is_loaded_for_each(rig: &mut StoreRig) {
    let to: Vec<_> = (1..=150).map(webhook_id).collect();
    let ids = rig.send(event(1), &to).await;
    rig.write_down(failure(ids[0], 0, at(9_000))).await;
    rig.write_down(success(ids[149], 0)).await;
    let loaded = rig.load(ids.clone()).await.expect("a store loads");
    let statuses: Vec<_> = loaded.iter().flatten().map(|loaded| loaded.status).collect();
    assert_eq!(statuses.len(), 150);
    assert_eq!((statuses[0], statuses[149]), (Status::Retrying, Status::Delivered));
    assert!(statuses[1..149].iter().all(|status| *status == Status::Pending));
}

pub async fn a_fresh_delivery_is_pending(rig: &mut StoreRig) {
    let delivery = rig.send_one(event(1)).await;
    let seen = rig.see(delivery).await;
    assert_eq!((seen.status, seen.ended_by, seen.ended_at), (Status::Pending, None, None));
    assert_eq!((seen.attempts, seen.by_hand, seen.last), (0, false, None));
    assert_eq!((seen.accepted_at, seen.opened_at, seen.due), (at(1), at(1), at(1)));
    assert_eq!(rig.attempts_of(delivery).await, []);
}

pub async fn a_success_delivers(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let recorded = rig.write_down(success(id, 0)).await;
    assert_eq!(recorded, Recorded { applied: true, due: None });
    let seen = rig.see(id).await;
    assert_eq!((seen.status, seen.ended_by), (Status::Delivered, Some(EndedBy::Delivered)));
    assert_eq!((seen.attempts, seen.ended_at), (1, Some(at(205))));
    let (total, answer) = (Duration::from_micros(1_234), Ok(200));
    assert_eq!(seen.last, Some(LastAttempt { at: at(200), total, answer }));
    let loaded = rig.find(id).await;
    assert_eq!((loaded.status, loaded.attempts, loaded.planned), (Status::Delivered, 1, 1));
}

pub async fn a_failure_is_planned_again(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    for attempts in 0..3 {
        let due = at(9_000 + i64::from(attempts));
        let recorded = rig.write_down(failure(id, attempts, due)).await;
        assert_eq!(recorded, Recorded { applied: true, due: Some(due) });
        let loaded = rig.find(id).await;
        assert_eq!((loaded.status, loaded.due), (Status::Retrying, due));
        assert_eq!((loaded.attempts, loaded.planned), (attempts + 1, attempts + 1));
        assert_eq!((loaded.opened_at, loaded.by_hand), (at(1), false));
    }
    let seen = rig.see(id).await;
    assert_eq!((seen.ended_by, seen.ended_at, seen.due), (None, None, at(9_002)));
    assert_eq!(seen.last.map(|last| (last.at, last.answer)), Some((at(100), Ok(500))));
}

pub async fn every_end_says_what_ended_it(rig: &mut StoreRig) {
    for (n, by) in (1..).zip(EndedBy::ALL) {
        let id = rig.send_one(event(n)).await;
        let recorded = rig.write_down(outcome(id, 0, answered(50, 418), Next::End(by))).await;
        assert_eq!(recorded, Recorded { applied: true, due: None });
        let seen = rig.see(id).await;
        assert_eq!((seen.status, seen.ended_by), (by.status(), Some(by)));
        assert_eq!((seen.attempts, seen.ended_at), (1, Some(at(55))));
        assert!(rig.find(id).await.status.is_finished());
    }
}

pub async fn a_delivery_may_end_without_an_attempt(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    rig.write_down(failure(id, 0, at(9_000))).await;
    let before = rig.see(id).await;
    rig.write_down(end(id, 1, EndedBy::Age)).await;
    let seen = rig.see(id).await;
    assert_eq!((seen.status, seen.ended_by), (Status::Failed, Some(EndedBy::Age)));
    assert_eq!((seen.attempts, seen.last), (1, before.last));
    assert_eq!(rig.attempts_of(id).await.len(), 1);
    assert_eq!(rig.find(id).await.planned, 1);
}

pub async fn an_attempt_is_kept_as_it_was(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let mut first = answered(10, 503);
    first.timings = Timings {
        dns: Some(Duration::from_micros(1)),
        connect: Some(Duration::from_micros(22)),
        first_byte: Some(Duration::from_micros(333)),
        body: Some(Duration::ZERO),
        total: Duration::from_micros(4_444),
    };
    first.detail = Some("slow \u{1f40c}".into());
    first.response = Some(Response {
        headers: vec![("x".into(), "1".into()), ("x".into(), "\"2\"".into())],
        body: vec![0, 255, 10],
        truncated: true,
    });
    rig.write_down(outcome(id, 0, first.clone(), Next::Retry { due: at(20) })).await;
    let mut kept = vec![first];
    for (attempts, class) in (1..).zip(ErrorClass::ALL) {
        let attempt = unanswered(20, class);
        rig.write_down(outcome(id, attempts, attempt.clone(), Next::Retry { due: at(20) })).await;
        kept.push(attempt);
        let last = rig.see(id).await.last;
        assert_eq!(last.map(|last| last.answer), Some(Err(class)));
    }
    for (attempt, number) in kept.iter_mut().zip(1..) {
        attempt.number = number;
    }
    assert_eq!(rig.attempts_of(id).await, kept);
}

pub async fn attempts_are_numbered_as_they_were_recorded(rig: &mut StoreRig) {
    let (one, two) = (rig.send_one(event(1)).await, rig.send_one(event(2)).await);
    for attempts in 0..3 {
        rig.write_down(failure(one, attempts, at(1))).await;
    }
    rig.write_down(success(one, 3)).await;
    rig.write_down(success(two, 0)).await;
    assert_eq!(numbers(&rig.attempts_of(one).await), [1, 2, 3, 4]);
    assert_eq!(numbers(&rig.attempts_of(two).await), [1]);
}

pub async fn attempts_are_read_up_to_a_limit(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    for attempts in 0..3 {
        rig.write_down(failure(id, attempts, at(1))).await;
    }
    let seen = rig.history(id, 2).await.expect("a store looks");
    let (delivery, first) = seen.expect("there is such a delivery");
    assert_eq!((delivery.attempts, numbers(&first)), (3, vec![1, 2]));
}

pub async fn outcomes_of_a_batch_are_recorded_each(rig: &mut StoreRig) {
    let ids = rig.send(event(1), &[webhook_id(1), webhook_id(2), webhook_id(3)]).await;
    let unknown = DeliveryId { event: super::event_uid(9), ..ids[0] };
    let recorded = rig
        .record(
            [
                success(ids[0], 0),
                end(unknown, 0, EndedBy::Age),
                failure(ids[1], 7, at(9_000)),
                failure(ids[2], 0, at(9_000)),
            ]
            .into(),
        )
        .await
        .expect("a store records");
    let applied: Vec<_> = recorded.iter().map(|recorded| recorded.applied).collect();
    assert_eq!(applied, [true, false, false, true]);
    let due: Vec<_> = recorded.iter().map(|recorded| recorded.due).collect();
    assert_eq!(due, [None, None, Some(at(1)), Some(at(9_000))]);
    assert_eq!(rig.record(Vec::new().into()).await.expect("a store records"), []);
}

pub async fn recording_disables_the_webhook_once(rig: &mut StoreRig) {
    let registered = rig.register(webhook(1)).await;
    let other = rig.register(webhook(2)).await;
    let ids = [rig.send_one(event(1)).await, rig.send_one(event(2)).await];
    for (id, reason) in ids.into_iter().zip(["gone", "gone again"]) {
        let ended = outcome(id, 0, answered(50, 410), Next::End(EndedBy::Gone));
        rig.write_down(Outcome { disable_webhook: Some(reason.into()), ..ended }).await;
    }
    let webhooks = rig.webhooks(&[registered.id, other.id]).await.expect("a store reads");
    assert_eq!(webhooks[0].status, WebhookStatus::Disabled);
    assert_eq!(webhooks[0].status_reason.as_deref(), Some("gone"));
    assert_eq!(webhooks[0].updated_at, at(55));
    assert_eq!(webhooks[0].version, other.version + 1);
    assert_eq!(webhooks[0].registered_version, registered.registered_version);
    assert_eq!(webhooks[1].status, WebhookStatus::Active);
    assert_eq!(rig.version("a").await, other.version + 1);
}

pub async fn a_failure_after_a_connection_error_shows_the_last(rig: &mut StoreRig) {
    let id = rig.send_one(event(1)).await;
    let refused = unanswered(10, ErrorClass::Connect);
    rig.write_down(outcome(id, 0, refused, Next::Retry { due: at(20) })).await;
    rig.write_down(failure(id, 1, at(200))).await;
    let last = rig.see(id).await.last.expect("there was one");
    assert_eq!((last.at, last.answer), (at(100), Ok(500)));
    let attempts = rig.attempts_of(id).await;
    assert_eq!(attempts[0].answer, Answer::Error(ErrorClass::Connect));
    assert_eq!(attempts[1].trigger, Trigger::Schedule);
}

pub async fn many_recorded_at_once_are_all_kept(rig: &mut StoreRig) {
    let mut ids = Vec::new();
    for n in 1..=40 {
        ids.push(rig.send_one(event(n)).await);
    }
    let recorded = at_once(ids.clone().into_iter().map(|id| {
        let store = rig.shared();
        async move { store.record([success(id, 0)].into()).await.expect("a store records") }
    }));
    assert!(recorded.await.iter().flatten().all(|recorded| recorded.applied));
    for id in ids {
        assert_eq!(rig.see(id).await.status, Status::Delivered);
        assert_eq!(rig.attempts_of(id).await.len(), 1);
    }
}
