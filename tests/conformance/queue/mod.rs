//! What every queue does.

mod push;
mod settle;

mod places;
mod ahead;
mod at_once;
mod turns;

mod hunger;
mod look;
mod wait;

mod notices;

mod random;

use std::time::Duration;

use model::id::{EventUid, Uid, WebhookId};
use model::tenant::Tenant;
use store::{
    AtOnce, Claimed, How, Hunger, Hungry, Item, Lane, LaneLook, Leased, Limits, Look, Push,
    Settlement, Subject, Token, Totals,
};

use crate::drivers::{LEASE, QueueRig};

macro_rules! each_queue {
    ($($file:ident::{$($case:ident),* $(,)?})*) => {
        each_queue! { @driver memory { $($file::{$($case),*})* } }
        each_queue! { @driver redis { $($file::{$($case),*})* } }
        each_queue! { @driver redis_cluster { $($file::{$($case),*})* } }
    };
    (@driver $driver:ident { $($file:ident::{$($case:ident),*})* }) => {
        mod $driver {
            $($(
                #[tokio::test]
                async fn $case() {
                    super::$file::$case(&crate::drivers::$driver().await).await;
                }
            )*)*
        }
    };
}

each_queue! {
    push::{
        a_pushed_item_is_claimed_once,
        pushing_what_is_queued_changes_nothing,
        what_is_pushed_while_it_is_leased_is_due_once_its_lease_ended,
        an_item_pushed_for_later_is_not_claimed_before,
        pushing_earlier_brings_forward,
        pushing_later_does_not_push_back,
        new_items_are_claimed_in_the_order_they_came,
        retries_are_claimed_by_their_due_time,
        a_claim_takes_no_more_than_was_asked_for,
        lanes_of_one_webhook_in_two_tenants_are_two,
    }
    settle::{
        done_is_gone_and_may_be_pushed_anew,
        again_comes_back_after_its_time_and_not_before,
        an_invented_token_settles_nothing,
        a_token_of_an_ended_lease_settles_nothing,
        settling_twice_is_settling_once,
        settling_what_is_unknown_changes_nothing,
        a_lease_is_kept_until_it_ends,
        an_ended_lease_is_claimed_again_with_another_token,
        an_answer_does_not_end_the_lease,
        a_lease_that_was_answered_ends_in_time_too,
        a_batch_settles_each_of_its_items_alone,
    }
    places::{
        a_lane_has_as_many_requests_on_the_wire_as_it_has_places,
        a_lane_that_nobody_set_has_the_default_places,
        many_lanes_are_set_together,
        an_answer_frees_a_place,
        the_end_of_a_lease_frees_a_place,
        done_and_again_without_an_answer_free_a_place,
        an_answer_given_twice_frees_one_place,
        fewer_places_than_requests_on_the_wire_wait_for_answers,
        after_three_failures_there_is_one_place_until_a_success,
        failures_that_are_not_in_a_row_take_no_place,
        a_hold_stops_a_lane_for_its_time,
        a_shorter_hold_does_not_end_a_longer_one,
        a_change_of_a_lane_ends_its_hold,
        what_is_older_than_what_was_set_changes_nothing,
        a_paused_lane_serves_nothing_until_it_is_set_again,
        a_pause_leaves_what_is_leased_alone,
        limits_of_an_unknown_lane_hold_for_items_pushed_later,
        fan_out_lanes_are_not_limited_by_places,
        a_paused_fan_out_lane_stays_paused,
    }
    ahead::{
        nothing_is_leased_ahead_of_a_lane_that_was_not_answered,
        a_quick_lane_is_leased_ahead_for_each_place,
        what_is_ahead_is_not_on_the_wire,
        a_place_is_passed_on,
        a_place_passed_on_is_freed_by_who_has_it,
        a_place_passed_on_under_a_token_that_ended_is_free,
        a_place_passed_on_twice_is_one,
        a_place_goes_down_a_line_in_one_call,
        a_place_passed_on_to_who_is_done_is_free,
        a_place_passed_on_to_who_was_answered_is_free,
        a_place_that_is_passed_on_is_a_success,
        what_is_leased_ahead_takes_turns_with_other_lanes,
        lanes_that_are_leased_ahead_take_turns,
        what_is_not_due_is_not_leased_ahead,
        what_is_ahead_comes_back_when_its_lease_ends,
        what_is_ahead_and_given_back_frees_no_place,
        an_answer_may_end_leasing_ahead,
        new_items_that_were_ahead_and_come_back_are_not_held_up_by_retries,
        what_was_ahead_and_comes_back_keeps_its_order,
    }
    notices::{
        what_is_told_is_heard_in_order,
        what_is_told_to_nobody_is_not_kept,
        a_mark_of_elsewhere_has_missed_something,
        what_is_kept_is_bounded_and_who_missed_some_is_told,
        who_comes_back_when_nobody_listened_has_missed_something,
        a_batch_larger_than_was_asked_for_comes_in_parts,
    }
    at_once::{
        a_new_item_is_leased_at_once_if_it_asks_for_it,
        as_many_are_leased_at_once_as_there_are_places,
        who_has_a_place_leases_ahead_at_once,
        what_waits_for_a_place_counts_until_it_has_one,
        what_waits_already_comes_first,
        a_retry_that_is_due_comes_first,
        what_is_not_due_or_was_tried_is_not_leased_at_once,
        a_paused_lane_leases_nothing_at_once,
        a_lane_in_quiet_leases_nothing_at_once,
        a_full_lane_leases_nothing_at_once,
        an_item_that_is_known_is_not_leased_at_once,
        what_was_leased_at_once_is_settled_like_the_rest,
        what_was_leased_at_once_comes_back_when_its_lease_ends,
        an_item_pushed_twice_in_one_batch_is_leased_once,
    }
    turns::{
        tenants_take_turns,
        lanes_of_a_tenant_take_turns,
        a_tenant_with_many_lanes_gets_no_more_than_one_with_few,
        a_claim_goes_through_as_many_lanes_as_it_needs,
        skipped_tenants_get_nothing_and_keep_their_turn,
        new_items_and_retries_of_a_lane_take_turns,
        a_lane_without_places_holds_nobody_up,
    }
    hunger::{
        a_new_queue_is_hungry_for_everything_until_it_was_fed,
        everything_is_handed_out_again_if_nobody_settles,
        a_feeding_of_everything_that_outlasts_its_lease_counts,
        everything_that_says_again_is_handed_out_after_its_time,
        a_full_lane_refuses,
        a_lane_that_refused_is_hungry_below_half,
        a_lane_that_was_fed_is_not_hungry,
        a_lane_that_refused_while_it_was_fed_stays_hungry,
        a_hungry_lane_is_handed_out_again_if_nobody_settles,
        a_token_of_an_ended_feeding_settles_nothing,
        a_lane_is_hungry_when_what_it_refused_is_due,
        a_full_lane_keeps_what_is_due_soonest,
        what_gave_way_makes_its_lane_hungry_when_it_is_due,
        a_full_lane_of_which_more_is_in_the_store_is_not_fed_in_vain,
        a_full_lane_with_work_is_not_fed_at_every_retry,
        leased_items_count_towards_the_cap,
        an_item_settled_again_keeps_its_room,
        many_hungry_lanes_are_all_handed_out,
    }
    look::{
        an_empty_queue_has_nothing,
        an_item_is_counted_where_it_is,
        lanes_are_looked_at_in_the_order_asked,
        a_lane_says_when_it_is_next_served,
        a_lane_says_why_it_waits,
        the_oldest_is_what_could_be_served_longest,
        fanning_out_is_not_on_the_wire,
        leases_that_nobody_settled_are_counted,
        idle_lanes_are_forgotten,
    }
    wait::{
        a_push_between_claim_and_wait_is_not_missed,
        a_push_ends_a_wait,
        a_due_time_ends_a_wait,
        the_end_of_a_lease_ends_a_wait,
        the_end_of_a_hold_ends_a_wait,
        a_freed_place_ends_a_wait,
        an_item_settled_again_ends_a_wait,
        a_resumed_lane_ends_a_wait,
        hunger_ends_a_wait,
        a_look_takes_no_wake_up_away,
        a_stale_settlement_takes_no_wake_up_away,
        nobody_is_woken_while_nothing_is_due,
        nobody_is_woken_while_lanes_cannot_be_served,
        nobody_is_woken_by_a_hunger_that_must_wait,
    }
    random::{
        no_order_of_verbs_breaks_the_books,
        a_queue_that_refuses_loses_nothing,
    }
}

mod redis_only;
mod redis_lost;

/// Less than a lease: the time by which items are put off.
const WHILE: Duration = LEASE.checked_div(4).expect("four is not zero");

impl QueueRig {
    /// Pushes what is taken.
    async fn keep(&self, pushes: impl IntoIterator<Item = Push>) {
        assert_eq!(self.offer(pushes).await, []);
    }

    /// Pushes; what is refused comes back.
    async fn offer(&self, pushes: impl IntoIterator<Item = Push>) -> Vec<Item> {
        let pushed = self.push(pushes.into_iter().collect()).await.expect("a queue takes items");
        assert_eq!(pushed.leased, []);
        pushed.refused
    }

    /// Pushes items that are all taken; those that are leased at once come back.
    async fn push_at_once(
        &self,
        pushes: impl IntoIterator<Item = Push>,
        at_once: AtOnce,
    ) -> Vec<Leased> {
        let pushes = pushes.into_iter().map(|push| Push { at_once, ..push }).collect();
        let pushed = self.push(pushes).await.expect("a queue takes items");
        assert_eq!(pushed.refused, []);
        pushed.leased
    }

    /// Claims all there is, without what is hungry.
    async fn take(&self) -> Vec<Leased> {
        self.take_up_to(1_000).await
    }

    async fn take_up_to(&self, max: usize) -> Vec<Leased> {
        self.take_both(max, &[]).await.leased
    }

    async fn take_both(&self, max: usize, skip: &[Tenant]) -> Claimed {
        self.claim(max, skip).await.expect("a queue hands out items")
    }

    /// Claims exactly one item.
    async fn take_one(&self) -> Leased {
        let mut leased = self.take().await;
        assert_eq!(leased.len(), 1, "one item is claimed: {leased:?}");
        leased.remove(0)
    }

    /// What is hungry now.
    async fn starving(&self) -> Vec<Hungry> {
        self.take_both(0, &[]).await.hungry
    }

    async fn end(&self, settlements: impl IntoIterator<Item = Settlement>) {
        self.settle(settlements.into_iter().collect()).await.expect("a queue settles");
    }

    async fn done(&self, leased: impl IntoIterator<Item = Leased>) {
        self.end(leased.into_iter().map(|leased| leased.settle(How::Done))).await;
    }

    async fn answered(&self, leased: &Leased) {
        self.end([leased.clone().settle(SUCCEEDED)]).await;
    }

    async fn limit(&self, lane: &Lane, max_in_flight: u32) {
        let limits = Limits { max_in_flight, ..Limits::default() };
        self.set(&[(lane.clone(), limits)]).await.expect("a lane is set");
    }

    async fn pause(&self, lane: &Lane) {
        let limits = Limits { paused: true, ..Limits::default() };
        self.set(&[(lane.clone(), limits)]).await.expect("a lane is set");
    }

    /// Says that everything there is was pushed: a queue that is new no more.
    async fn fed(&self) {
        let hungry = self.starving().await;
        self.end(hungry.into_iter().map(|hungry| hungry.settle(How::Done))).await;
        assert_eq!(self.starving().await, []);
    }

    async fn look_at_all(&self, lanes: &[Lane]) -> Look {
        self.look(lanes).await.expect("a queue can be looked at")
    }

    async fn look_at(&self, lane: &Lane) -> LaneLook {
        self.look_at_all(std::slice::from_ref(lane)).await.lanes[0]
    }

    async fn totals(&self) -> Totals {
        self.look_at_all(&[]).await.total
    }
}

const SUCCEEDED: How = How::Answered { failed: false, hold: None, ahead: 0 };
const FAILED: How = How::Answered { failed: true, hold: None, ahead: 0 };

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).expect("a name")
}

/// The lane of a tenant's n-th webhook.
fn lane(name: &str, n: u8) -> Lane {
    Lane::deliver(tenant(name), WebhookId(Uid([n; 16])))
}

/// The n-th event in a lane.
fn item(lane: &Lane, n: u8) -> Item {
    let mut uid = [0; 16];
    uid[15] = n;
    Item { lane: lane.clone(), event: EventUid(Uid(uid)) }
}

/// A new item, due at once.
fn new(lane: &Lane, n: u8) -> Push {
    Push::new(item(lane, n), n.into())
}

/// New items, due at once.
fn news(lane: &Lane, numbers: impl IntoIterator<Item = u8>) -> Vec<Push> {
    numbers.into_iter().map(|n| new(lane, n)).collect()
}

/// An item that was tried before.
fn retry(lane: &Lane, n: u8, after: Duration) -> Push {
    Push { after, retry: true, ..new(lane, n) }
}

/// The numbers of events, in order of their claim.
fn numbers(leased: &[Leased]) -> Vec<u8> {
    leased.iter().map(|leased| leased.item.event.0.0[15]).collect()
}

/// The tenants of items, in order of their claim.
fn tenants(leased: &[Leased]) -> Vec<&str> {
    leased.iter().map(|leased| leased.item.lane.tenant.as_str()).collect()
}

fn with_token(leased: &Leased, token: Token, how: How) -> Settlement {
    Settlement { subject: Subject::Item(leased.item.clone()), token, how }
}

fn is_hungry_for(hungry: &[Hungry], hunger: &Hunger) -> bool {
    hungry.iter().any(|hungry| hungry.hunger == *hunger)
}
