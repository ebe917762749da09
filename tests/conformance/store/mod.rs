//! What every store does.

mod accept;
mod fan_out;

mod deliver;
mod late;
mod by_hand;
mod at_once;

mod feed;
mod stranded;

mod webhooks;
mod registry;

mod look;
mod list;
mod follow;

mod stats;

mod keys;
mod retain;
mod fleet;
mod living;

/// What only a store in a folder of its own does.
mod one_at_a_time;
/// What only a store on a server does.
mod on_a_server;
mod on_a_server_rows;
mod on_a_server_follow;

use std::time::Duration;

use model::attempt::{Answer, Attempt, ErrorClass, Response, Timings, Trigger};
use model::delivery::{EndedBy, Next};
use model::event::{EventType, NewEvent};
use model::id::{DeliveryId, EventUid, Uid, WebhookId};
use model::secret::Sealed;
use model::target::TargetUrl;
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookConfig, WebhookSecret, WebhookStatus};
use store::{Accepted, Chunk, Delivery, InboxRow, Loaded, NewDelivery, Outcome, Recorded, Saved};

use crate::drivers::StoreRig;

macro_rules! each_store {
    ($($file:ident::{$($case:ident),* $(,)?})*) => {
        each_store! { @driver sqlite { $($file::{$($case),*})* } }
        each_store! { @driver postgres { $($file::{$($case),*})* } }
    };
    (@driver $driver:ident { $($file:ident::{$($case:ident),*})* }) => {
        mod $driver {
            $($(
                #[tokio::test]
                async fn $case() {
                    super::$file::$case(&mut crate::drivers::$driver().await).await;
                }
            )*)*
        }
    };
}

each_store! {
    accept::{
        accepted_events_are_numbered_in_order,
        the_same_id_and_content_is_a_duplicate,
        an_id_of_other_content_is_taken,
        the_same_key_and_content_is_a_duplicate,
        a_key_of_other_content_is_taken,
        an_event_with_id_and_key_is_found_by_both,
        an_id_and_a_key_of_the_same_text_are_two,
        tenants_share_neither_ids_nor_keys,
        events_without_id_and_key_are_all_new,
        duplicates_within_a_batch_are_found,
        of_fifty_accepted_at_once_one_is_new,
        a_refused_event_leaves_nothing_behind,
        data_is_kept_byte_for_byte,
        an_event_that_cannot_be_kept_fails_alone,
        an_event_of_a_call_that_failed_is_kept_whole_or_not_at_all,
        nothing_accepted_is_nothing_done,
    }
    fan_out::{
        an_accepted_event_is_still_to_fan_out,
        the_inbox_has_the_registry_versions_of_acceptance_and_now,
        the_inbox_leaves_out_what_it_does_not_have,
        a_fan_out_makes_deliveries_that_are_due,
        a_fan_out_with_more_to_come_moves_the_cursor,
        a_fan_out_repeated_changes_nothing,
        a_fan_out_says_how_many_deliveries_it_made,
        a_fan_out_repeated_late_does_not_move_the_cursor_back,
        a_fan_out_repeated_leaves_deliveries_that_went_on,
        a_fan_out_repeated_while_deliveries_finish_makes_none_anew,
        what_is_fanned_out_is_in_the_inbox_no_more,
        fanned_out_is_believed_without_a_look_at_the_inbox,
        a_fan_out_to_nobody_makes_nothing,
        events_accepted_together_are_each_in_one_row,
        a_row_is_bounded,
        a_cursor_stands_at_an_event_and_a_webhook,
        a_row_goes_with_all_its_events,
        some_rows_may_be_done_and_others_not,
        one_event_has_one_delivery_a_webhook,
    }
    deliver::{
        loading_tells_what_to_send_in_the_order_asked,
        loading_tells_how_the_webhook_stands,
        loading_is_of_the_last_word,
        an_event_for_many_is_loaded_for_each,
        a_fresh_delivery_is_pending,
        a_success_delivers,
        a_failure_is_planned_again,
        every_end_says_what_ended_it,
        a_delivery_may_end_without_an_attempt,
        an_attempt_is_kept_as_it_was,
        attempts_are_numbered_as_they_were_recorded,
        attempts_are_read_up_to_a_limit,
        outcomes_of_a_batch_are_recorded_each,
        recording_disables_the_webhook_once,
        a_failure_after_a_connection_error_shows_the_last,
        many_recorded_at_once_are_all_kept,
    }
    late::{
        a_late_failure_changes_nothing_but_is_kept,
        a_late_success_wins_over_a_plan,
        a_late_success_wins_over_every_end,
        delivered_is_final,
        a_late_end_without_an_attempt_changes_nothing,
        late_attempts_clash_with_nobody,
        a_late_outcome_says_when_the_delivery_is_due,
        two_outcomes_of_one_attempt_in_a_batch_apply_once,
        an_outcome_of_the_future_is_not_applied,
    }
    by_hand::{
        a_waiting_delivery_is_asked_for_beside_its_plan,
        an_attempt_by_hand_leaves_the_plan_as_it_is,
        asked_for_in_flight_it_is_due_at_once,
        an_end_clears_what_was_asked_for,
        an_ended_delivery_begins_anew,
        a_delivered_one_stays_delivered,
        retrying_leaves_attempts_on_record,
        a_waiting_delivery_is_cancelled,
        an_ended_delivery_is_not_cancelled,
        what_does_not_exist_is_neither_retried_nor_cancelled,
        cancelled_in_flight_it_stays_cancelled,
    }
    at_once::{
        whatever_happens_at_once_no_attempt_is_lost,
        of_several_who_fan_out_at_once_each_delivery_is_made_by_one,
    }
    feed::{
        lanes_are_those_with_unfinished_work,
        pages_of_lanes_visit_each_once,
        a_lane_of_many_items_is_one_lane,
        unfinished_events_come_in_order_of_publishing,
        unfinished_deliveries_come_by_due_time_then_order_of_publishing,
        finished_deliveries_are_left_out,
        a_delivery_asked_for_by_hand_is_due_at_once,
        an_unknown_lane_has_nothing_unfinished,
    }
    stranded::{
        nothing_of_an_active_webhook_is_stranded,
        deliveries_of_a_disabled_webhook_are_stranded,
        deliveries_of_a_webhook_disabled_by_an_answer_are_stranded,
        deliveries_of_a_deleted_webhook_are_stranded,
        deliveries_outlive_their_age_whatever_holds_them,
        stranded_deliveries_come_up_to_a_limit,
        ended_they_are_stranded_no_more,
        a_webhook_that_is_active_again_strands_nothing,
        what_strands_later_is_found_too,
    }
    webhooks::{
        a_webhook_is_kept_as_it_was_given,
        a_url_is_taken_once_a_tenant,
        an_update_replaces_and_counts,
        an_update_of_an_old_version_is_stale,
        an_update_to_a_taken_url_is_refused,
        an_update_may_keep_or_change_its_url,
        of_two_updates_at_once_one_is_stale,
        a_deleted_webhook_is_gone,
        a_deleted_webhook_frees_its_url,
        deliveries_of_a_deleted_webhook_stay_on_record,
        webhooks_are_read_by_their_ids,
        webhooks_are_found_by_their_url,
        of_many_registered_at_once_one_has_the_url,
    }
    registry::{
        a_registry_that_nobody_changed_is_of_version_zero,
        every_change_grows_the_version,
        what_changes_nothing_leaves_the_version,
        a_registry_is_of_one_tenant,
        a_registry_is_in_order_of_ids,
        a_registry_and_its_version_belong_together,
        what_changed_since_a_version_is_read_alone,
    }
    look::{
        an_event_is_found_by_its_own_id,
        an_event_is_found_by_the_id_its_publisher_chose,
        a_delivery_is_shown_as_it_stands,
        a_delivery_is_shown_with_its_attempts,
        a_delivery_and_its_attempts_are_of_one_moment,
        what_does_not_exist_is_not_found,
    }
    list::{
        events_are_listed_newest_first,
        events_are_listed_page_by_page,
        events_are_listed_by_what_they_are,
        events_are_listed_within_bounds_of_time,
        deliveries_are_listed_newest_first_page_by_page,
        deliveries_are_listed_by_each_filter,
        a_list_that_is_broken_off_says_where_it_goes_on,
        a_list_of_events_that_is_broken_off_says_where_it_goes_on,
        events_without_deliveries_are_looked_at_too,
        a_list_of_a_tenant_says_nothing_of_others,
        a_list_by_statuses_is_of_one_moment,
        deliveries_are_listed_by_filters_together,
        deliveries_are_listed_by_their_statuses,
        deliveries_are_listed_within_bounds_of_time,
        filtered_lists_are_paged_too,
        webhooks_are_listed_newest_first_page_by_page,
        webhooks_are_listed_by_tenant_and_status,
        webhooks_are_found_by_a_part_of_their_url,
    }
    follow::{
        who_follows_sees_what_comes_and_nothing_before,
        what_comes_is_followed_by_its_number_and_once,
        an_event_with_an_older_id_is_followed_too,
        a_refused_event_is_not_followed,
        of_what_many_accept_at_once_each_event_is_followed_once,
        a_position_is_gone_on_from_by_another,
        a_position_is_gone_on_from_tenant_by_tenant,
        what_is_much_older_than_a_position_is_not_looked_at,
        events_are_read_by_their_ids,
    }
    keys::{
        a_key_is_found_by_its_hash,
        a_key_with_the_same_id_is_replaced,
        a_key_may_be_put_by_several_at_once,
        keys_are_listed_oldest_first,
        a_deleted_key_is_gone,
    }
    retain::{
        what_is_old_and_finished_is_forgotten,
        a_forgotten_id_may_be_used_again,
        what_is_unfinished_is_kept_however_old,
        a_delivery_begun_anew_while_its_event_goes_is_kept,
        an_event_of_many_deliveries_is_forgotten_a_part_at_a_time,
        webhooks_and_counts_outlive_events,
    }
    fleet::{
        workers_are_listed_as_they_last_said,
        a_worker_that_ended_is_forgotten,
        a_duty_is_one_workers_until_its_time_is_over,
        a_duty_of_a_worker_that_ended_is_free,
        a_duty_whose_time_is_over_is_forgotten,
        of_many_who_want_a_duty_at_once_one_gets_it,
    }
    stats::{
        counts_are_added_to_what_is_there,
        counts_are_read_by_time_and_type,
        counts_of_a_webhook_are_its_own,
        counts_added_at_once_are_all_there,
        causes_are_counted_over_all_spans,
        a_streak_goes_on_until_a_success,
        a_webhook_that_is_gone_does_not_fail,
        old_counts_are_forgotten_those_of_minutes_sooner,
        webhooks_are_counted_by_what_is_up_with_them,
        what_waits_is_counted_up_to_a_bound,
        the_counts_of_many_webhooks_are_read_at_once,
        the_newest_delivery_of_a_webhook_is_known,
        deliveries_of_events_are_counted_by_status,
        an_event_is_to_fan_out_until_it_is_fanned_out,
    }
    living::{
        it_answers,
        everything_is_there_after_reopening,
        what_was_in_flight_is_found_after_reopening,
        closed_it_fails,
        what_was_begun_is_finished_before_it_closes,
    }
}

impl StoreRig {
    /// Accepts an event that is new.
    async fn keep(&self, event: NewEvent) -> (EventUid, i64) {
        match self.offer(event).await {
            Accepted::New { uid, seq, .. } => (uid, seq),
            other => panic!("it is new, not {other:?}"),
        }
    }

    async fn offer(&self, event: NewEvent) -> Accepted {
        self.offer_all(vec![event]).await.remove(0)
    }

    async fn offer_all(&self, events: Vec<NewEvent>) -> Vec<Accepted> {
        self.accept(events).await.expect("a store accepts")
    }

    /// What is still to fan out of an event.
    async fn row(&self, event: EventUid) -> Option<InboxRow> {
        self.inbox(&[event], true).await.expect("a store has an inbox").pop()
    }

    /// Accepts an event and fans it out, to webhooks that are registered if they were not.
    async fn send(&self, event: NewEvent, to: &[WebhookId]) -> Vec<DeliveryId> {
        for id in to {
            if self.webhooks(&[*id]).await.expect("a store reads").is_empty() {
                let mut webhook = Webhook { id: *id, ..webhook(0) };
                webhook.config.url = url(&format!("https://example.com/{id}"));
                self.register(webhook).await;
            }
        }
        let (uid, _) = self.keep(event).await;
        let row = self.row(uid).await.expect("it is to fan out");
        self.chunk(&row, to, false).await;
        self.fanned_out(vec![uid]).await.expect("a fan-out ends");
        to.iter().map(|webhook| DeliveryId { event: uid, webhook: *webhook }).collect()
    }

    /// The one delivery of an event, to webhook 1.
    async fn send_one(&self, event: NewEvent) -> DeliveryId {
        self.send(event, &[webhook_id(1)]).await[0]
    }

    /// Makes deliveries of an event; returns how many there were not before.
    async fn chunk(&self, row: &InboxRow, to: &[WebhookId], more: bool) -> usize {
        self.fan_out(vec![chunk(row, to, more)]).await.expect("a store fans out")
    }

    async fn find(&self, id: DeliveryId) -> Loaded {
        let mut loaded = self.load(vec![id]).await.expect("a store loads");
        loaded.remove(0).expect("there is such a delivery")
    }

    /// How a delivery stands.
    async fn see(&self, id: DeliveryId) -> Delivery {
        self.delivery(id).await.expect("a store looks").expect("there is such a delivery")
    }

    async fn write_down(&self, outcome: Outcome) -> Recorded {
        self.record([outcome].into()).await.expect("a store records")[0]
    }

    async fn attempts_of(&self, id: DeliveryId) -> Vec<Attempt> {
        let history = self.history(id, 100).await.expect("a store looks");
        history.map_or_else(Vec::new, |(_, attempts)| attempts)
    }

    /// Registers a webhook.
    async fn register(&self, webhook: Webhook) -> Webhook {
        saved(self.insert_webhook(webhook).await.expect("a store registers"))
    }

    /// Changes a webhook.
    async fn change(&self, webhook: Webhook) -> Webhook {
        saved(self.update_webhook(webhook).await.expect("a store updates"))
    }

    async fn set_status(&self, webhook: &Webhook, status: WebhookStatus) -> Webhook {
        self.change(Webhook { status, ..webhook.clone() }).await
    }

    async fn version(&self, name: &str) -> u64 {
        self.registry(&tenant(name), 0).await.expect("a store has a registry").version
    }
}

/// A delivery of each event of an inbox row to each webhook.
fn chunk(row: &InboxRow, to: &[WebhookId], more: bool) -> Chunk {
    let deliveries = row.events.iter().flat_map(|event| {
        to.iter().map(|webhook| NewDelivery {
            id: DeliveryId { event: event.uid, webhook: *webhook },
            seq: event.seq,
            accepted_at: event.accepted_at,
        })
    });
    Chunk { row: row.name, tenant: row.tenant.clone(), deliveries: deliveries.collect(), more }
}

/// Begins all jobs at once; their results come in their order.
async fn at_once<T, F>(jobs: impl Iterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut results = Vec::new();
    for job in jobs.map(tokio::spawn).collect::<Vec<_>>() {
        results.push(job.await.expect("no panic"));
    }
    results
}

fn saved(saved: Saved) -> Webhook {
    match saved {
        Saved::Saved(webhook) => webhook,
        other => panic!("it is saved, not {other:?}"),
    }
}

/// So many milliseconds after the beginning of a test.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + ms)
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a name")
}

/// The n-th event, accepted n milliseconds after the beginning.
fn event(n: u16) -> NewEvent {
    NewEvent {
        uid: event_uid(n),
        tenant: tenant("a"),
        id: None,
        idempotency_key: None,
        event_type: event_type("order.paid"),
        timestamp: None,
        accepted_at: at(n.into()),
        data: format!("{{\"n\":{n}}}").into(),
        only_webhook: None,
    }
}

fn event_uid(n: u16) -> EventUid {
    EventUid(uid(n))
}

fn uid(n: u16) -> Uid {
    let [high, low] = n.to_be_bytes();
    Uid::new(at(n.into()).millis(), &[7, 7, 7, 7, 7, 7, 7, 7, high, low])
}

fn event_type(text: &str) -> EventType {
    EventType::parse(text).expect("an event type")
}

fn webhook_id(n: u16) -> WebhookId {
    WebhookId(uid(n))
}

/// The n-th webhook, of tenant `a`.
fn webhook(n: u16) -> Webhook {
    Webhook {
        id: webhook_id(n),
        tenant: tenant("a"),
        status: WebhookStatus::Active,
        status_reason: None,
        registered_version: 0,
        version: 0,
        config: WebhookConfig::new(url(&format!("https://example.com/{n}"))),
        secrets: vec![WebhookSecret {
            sealed: Sealed(vec![1, 2, 3, 0, 255]),
            created_at: at(0),
            expires_at: None,
        }],
        created_at: at(n.into()),
        updated_at: at(n.into()),
    }
}

fn url(text: &str) -> TargetUrl {
    TargetUrl::parse(text).expect("a URL")
}

/// An attempt that was answered, begun so many milliseconds after the beginning.
fn answered(ms: i64, code: u16) -> Attempt {
    Attempt {
        number: 1,
        trigger: Trigger::Schedule,
        started_at: at(ms),
        timings: Timings { total: Duration::from_micros(1_234), ..Timings::default() },
        answer: Answer::Status { code, retry_after: None },
        detail: None,
        response: Some(Response::default()),
    }
}

/// An attempt that got no answer.
fn unanswered(ms: i64, class: ErrorClass) -> Attempt {
    Attempt { answer: Answer::Error(class), response: None, ..answered(ms, 0) }
}

fn by_hand(attempt: Attempt) -> Attempt {
    Attempt { trigger: Trigger::Manual, ..attempt }
}

/// What is recorded of a delivery that was loaded with `attempts` attempts.
fn outcome(delivery: DeliveryId, attempts: u32, attempt: Attempt, next: Next) -> Outcome {
    let at = attempt.started_at + Duration::from_millis(5);
    let (attempts_before, attempt) = (attempts, Some(attempt));
    Outcome { delivery, attempts_before, attempt, next, at, disable_webhook: None }
}

/// A failure that is tried again.
fn failure(delivery: DeliveryId, attempts: u32, due: Timestamp) -> Outcome {
    outcome(delivery, attempts, answered(100, 500), Next::Retry { due })
}

fn success(delivery: DeliveryId, attempts: u32) -> Outcome {
    outcome(delivery, attempts, answered(200, 200), Next::End(EndedBy::Delivered))
}

/// An end that no attempt brought.
fn end(delivery: DeliveryId, attempts: u32, by: EndedBy) -> Outcome {
    Outcome { attempt: None, ..outcome(delivery, attempts, answered(300, 500), Next::End(by)) }
}

fn numbers(attempts: &[Attempt]) -> Vec<u32> {
    attempts.iter().map(|attempt| attempt.number).collect()
}
