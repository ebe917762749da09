//! What the worker counts. Labels are words of closed lists, never a tenant, webhook or URL.

use std::sync::atomic::AtomicU64;

use model::attempt::{Answer, ErrorClass, Trigger};
use model::delivery::{Decision, EndedBy, Next};
use model::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use store::{Loaded, Outcome, Recorded, Work};

use crate::send::Sent;

const FAN_OUT: &str = "fan_out";
const DELIVER: &str = "deliver";

/// Cheap to clone; all clones count the same.
#[derive(Clone)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    attempt_seconds: Family<OutcomeLabel, Histogram>,
    lateness_seconds: Family<AttemptLabel, Histogram>,
    end_to_end_seconds: Family<OutcomeLabel, Histogram>,
    ended: Family<EndedLabels, Counter>,
    late: Counter,
    fan_out: Histogram,
    guard_refusals: Family<ReasonLabel, Counter>,
    put_off: Counter,
    repairs: Counter,
    swept: Family<DutyLabel, Gauge<f64, AtomicU64>>,
    pushed_again: Family<WorkLabel, Counter>,
    slots: Gauge,
    slots_held: Gauge,
    requests: Gauge,
    connections: Gauge,
    connections_made: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    outcome: &'static str,
    code_class: &'static str,
    attempt: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabel {
    attempt: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DutyLabel {
    duty: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabel {
    work: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    status: &'static str,
    ended_by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        // 1 ms to about 33 s.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        // 1 ms to about 3 days.
        let long = || Histogram::new(exponential_buckets(0.001, 4.0, 15));
        let metrics = Self {
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(seconds),
            lateness_seconds: Family::new_with_constructor(long),
            end_to_end_seconds: Family::new_with_constructor(long),
            ended: Family::default(),
            late: Counter::default(),
            fan_out: Histogram::new([0.0, 1.0, 2.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0]),
            guard_refusals: Family::default(),
            put_off: Counter::default(),
            repairs: Counter::default(),
            swept: Family::default(),
            pushed_again: Family::default(),
            slots: Gauge::default(),
            slots_held: Gauge::default(),
            requests: Gauge::default(),
            connections: Gauge::default(),
            connections_made: Counter::default(),
        };
        let m = &metrics;
        // Repairs are rare: they are shown before the first of them.
        for work in [FAN_OUT, DELIVER] {
            drop(m.pushed_again.get_or_create(&WorkLabel { work }));
        }
        registry.register(
            "postrider_delivery_attempts",
            "HTTP tries by outcome, class of status or error, and what they were for",
            m.attempts.clone(),
        );
        registry.register(
            "postrider_delivery_attempt_duration_seconds",
            "Time of one HTTP try",
            m.attempt_seconds.clone(),
        );
        registry.register(
            "postrider_delivery_lateness_seconds",
            "From when an attempt was due to when it was begun, whatever held it up",
            m.lateness_seconds.clone(),
        );
        registry.register(
            "postrider_delivery_end_to_end_seconds",
            "From acceptance to the end of a delivery that was attempted",
            m.end_to_end_seconds.clone(),
        );
        registry.register(
            "postrider_deliveries_ended",
            "Deliveries that ended, by status and what ended them",
            m.ended.clone(),
        );
        registry.register(
            "postrider_delivery_outcomes_late",
            "Outcomes that were recorded when something else had ended or moved the delivery",
            m.late.clone(),
        );
        registry.register(
            "postrider_event_fanout_deliveries",
            "Deliveries made of an event",
            m.fan_out.clone(),
        );
        registry.register(
            "postrider_egress_refused",
            "Attempts that the egress guard refused",
            m.guard_refusals.clone(),
        );
        registry.register(
            "postrider_deliveries_put_off",
            "Times that a delivery waited because no file was left for a connection",
            m.put_off.clone(),
        );
        registry.register(
            "postrider_queue_fed_items",
            "Items pushed from the store to a hungry queue",
            m.repairs.clone(),
        );
        registry.register(
            "postrider_sweep_pushed_items",
            "Items that the sweep pushed once more, whether or not the queue knew them",
            m.pushed_again.clone(),
        );
        registry.register(
            "postrider_duty_finished_timestamp_seconds",
            "When this process last finished a round of what one worker does for all",
            m.swept.clone(),
        );
        registry.register(
            "postrider_worker_concurrency_limit",
            "Items a worker may hold from claim to record",
            m.slots.clone(),
        );
        registry.register("postrider_worker_inflight", "Items it holds", m.slots_held.clone());
        registry.register(
            "postrider_subscriber_requests",
            "Requests to subscribers under way, connecting included",
            m.requests.clone(),
        );
        registry.register(
            "postrider_subscriber_connections",
            "Open connections to subscribers, used or not",
            m.connections.clone(),
        );
        registry.register(
            "postrider_subscriber_connections_opened",
            "Connections to subscribers that were made",
            m.connections_made.clone(),
        );
        metrics
    }

    pub(crate) fn attempted(
        &self,
        sent: &Sent,
        loaded: &Loaded,
        trigger: Trigger,
        decision: &Decision,
        started_at: Timestamp,
        now: Timestamp,
    ) {
        let outcome = if sent.answer.is_success() { "success" } else { "failure" };
        let attempt = match trigger {
            Trigger::Manual => "manual",
            Trigger::Schedule if loaded.attempts == 0 => "first",
            Trigger::Schedule => "retry",
        };
        let code_class = code_class(&sent.answer);
        self.attempts.get_or_create(&AttemptLabels { outcome, code_class, attempt }).inc();
        let late = started_at.since(loaded.due).as_secs_f64();
        self.lateness_seconds.get_or_create(&AttemptLabel { attempt }).observe(late);
        let label = OutcomeLabel { outcome };
        self.attempt_seconds.get_or_create(&label).observe(sent.timings.total.as_secs_f64());
        match decision.next {
            Next::End(EndedBy::Delivered) => {
                let age = now.since(loaded.event.accepted_at);
                self.end_to_end_seconds.get_or_create(&label).observe(age.as_secs_f64());
            }
            Next::End(_) | Next::Retry { .. } => {}
        }
        if let Answer::Error(class @ (ErrorClass::Forbidden | ErrorClass::TargetForbidden)) =
            sent.answer
        {
            self.guard_refusals.get_or_create(&ReasonLabel { reason: class.as_str() }).inc();
        }
    }

    pub(crate) fn recorded(&self, outcomes: &[Outcome], recorded: &[Recorded]) {
        for (outcome, recorded) in outcomes.iter().zip(recorded) {
            if let (Next::End(by), true) = (outcome.next, recorded.applied) {
                let (status, ended_by) = (by.status().as_str(), by.as_str());
                self.ended.get_or_create(&EndedLabels { status, ended_by }).inc();
            }
            if outcome.attempt.is_some() && !recorded.applied {
                self.late.inc();
            }
        }
    }

    pub(crate) fn fanned_out(&self, deliveries: usize) {
        self.fan_out.observe(deliveries as f64);
    }

    pub(crate) fn put_off(&self) {
        self.put_off.inc();
    }

    pub(crate) fn fed(&self, items: usize) {
        self.repairs.inc_by(items as u64);
    }

    /// A round of a duty is over.
    pub(crate) fn finished(&self, duty: &'static str, now: Timestamp) {
        self.swept.get_or_create(&DutyLabel { duty }).set(now.0 as f64 / 1e6);
    }

    pub(crate) fn pushed_again(&self, work: Work, items: usize) {
        let label = WorkLabel { work: if work == Work::FanOut { FAN_OUT } else { DELIVER } };
        self.pushed_again.get_or_create(&label).inc_by(items as u64);
    }

    /// A request to a subscriber, for as long as what is returned.
    pub(crate) fn request(&self) -> Counted {
        Counted::one_of(&self.requests)
    }

    /// A connection to one, the same.
    pub(crate) fn connection(&self) -> Counted {
        self.connections_made.inc();
        Counted::one_of(&self.connections)
    }

    pub(crate) fn slots(&self, all: usize) {
        self.slots.set(i64::try_from(all).unwrap_or(i64::MAX));
    }

    pub(crate) fn slots_held(&self, held: usize) {
        self.slots_held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}

/// One of those that a gauge shows, until it is dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    fn one_of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) fn code_class(answer: &Answer) -> &'static str {
    match answer {
        Answer::Status { code: 200..=299, .. } => "2xx",
        Answer::Status { code: 300..=399, .. } => "3xx",
        Answer::Status { code: 400..=499, .. } => "4xx",
        Answer::Status { code: 500..=599, .. } => "5xx",
        Answer::Status { .. } => "other",
        Answer::Error(class) => class.as_str(),
    }
}
