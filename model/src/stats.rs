//! What happened in a span of time, in numbers that can be added: of one process to those of another,
//! of one minute to those of the next.

use std::time::Duration;

use crate::attempt::{Answer, ErrorClass};

/// The layout of [`Counts::encode`].
const VERSION: u8 = 1;
/// Buckets of a histogram for each doubling: a bucket's ends are a fifth apart.
const BUCKETS_PER_DOUBLING: f64 = 4.0;

/// What came of attempts, in classes that a chart can stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerClass {
    Success,
    Redirect,
    ClientError,
    ServerError,
    Timeout,
    /// No connection, a broken one, or no HTTP.
    Network,
    /// No request was made: the egress guard refused, or nothing could be signed.
    Blocked,
}

impl AnswerClass {
    pub const ALL: [AnswerClass; 7] = [
        AnswerClass::Success,
        AnswerClass::Redirect,
        AnswerClass::ClientError,
        AnswerClass::ServerError,
        AnswerClass::Timeout,
        AnswerClass::Network,
        AnswerClass::Blocked,
    ];

    pub fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Status { code, .. } => match code {
                200..=299 => Self::Success,
                300..=399 => Self::Redirect,
                400..=499 => Self::ClientError,
                // What is below 200 is no answer of HTTP, and counts as the receiver's mistake.
                _ => Self::ServerError,
            },
            Answer::Error(class) => match class {
                ErrorClass::DnsTimeout | ErrorClass::ConnectTimeout | ErrorClass::Timeout => {
                    Self::Timeout
                }
                ErrorClass::Dns
                | ErrorClass::Connect
                | ErrorClass::Tls
                | ErrorClass::Connection
                | ErrorClass::Protocol => Self::Network,
                ErrorClass::Forbidden | ErrorClass::TargetForbidden | ErrorClass::Signing => {
                    Self::Blocked
                }
            },
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// What happened in a span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub accepted: u64,
    /// Deliveries made of events.
    pub made: u64,
    /// In the order of [`AnswerClass::ALL`].
    pub attempts: [u64; AnswerClass::ALL.len()],
    /// Attempts that were the first of their delivery, and those of them that succeeded.
    pub first_tries: u64,
    pub first_successes: u64,
    /// Deliveries that ended.
    pub delivered: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// From acceptance to success.
    pub latency: Histogram,
    /// Of attempts.
    pub duration: Histogram,
    /// How the queue stood at the end of the span, where that was looked at.
    pub queue: Option<QueueState>,
}

/// The queue at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    pub waiting: u64,
    pub sending: u64,
    /// How long the item waits that could be served longest.
    pub oldest_ms: u64,
}

impl Counts {
    pub fn attempted(&mut self, answer: &Answer, took: Duration) {
        self.attempts[AnswerClass::of(answer).index()] += 1;
        self.duration.add(took);
    }

    pub fn attempts(&self, class: AnswerClass) -> u64 {
        self.attempts[class.index()]
    }

    /// Adds what happened in another place, or after this.
    pub fn add(&mut self, later: &Counts) {
        self.accepted += later.accepted;
        self.made += later.made;
        for (n, more) in self.attempts.iter_mut().zip(later.attempts) {
            *n += more;
        }
        self.first_tries += later.first_tries;
        self.first_successes += later.first_successes;
        self.delivered += later.delivered;
        self.failed += later.failed;
        self.cancelled += later.cancelled;
        self.latency.merge(&later.latency);
        self.duration.merge(&later.duration);
        self.queue = later.queue.or(self.queue);
    }

    /// As it is stored: numbers of seven bits a byte, the lowest first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let numbers = [self.accepted, self.made].into_iter().chain(self.attempts).chain([
            self.first_tries,
            self.first_successes,
            self.delivered,
            self.failed,
            self.cancelled,
        ]);
        numbers.for_each(|n| put(&mut bytes, n));
        match self.queue {
            None => put(&mut bytes, 0),
            Some(QueueState { waiting, sending, oldest_ms }) => {
                [1, waiting, sending, oldest_ms].into_iter().for_each(|n| put(&mut bytes, n));
            }
        }
        self.latency.encode(&mut bytes);
        self.duration.encode(&mut bytes);
        bytes
    }

    /// None of what [`Counts::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let number = &mut || take(&mut rest);
        let (accepted, made) = (number()?, number()?);
        let mut attempts = [0; AnswerClass::ALL.len()];
        for n in &mut attempts {
            *n = number()?;
        }
        let (first_tries, first_successes) = (number()?, number()?);
        let (delivered, failed, cancelled) = (number()?, number()?, number()?);
        let queue = if number()? > 0 {
            Some(QueueState { waiting: number()?, sending: number()?, oldest_ms: number()? })
        } else {
            None
        };
        let latency = Histogram::decode(&mut rest)?;
        let duration = Histogram::decode(&mut rest)?;
        let counts = Self {
            accepted,
            made,
            attempts,
            first_tries,
            first_successes,
            delivered,
            failed,
            cancelled,
            latency,
            duration,
            queue,
        };
        rest.is_empty().then_some(counts)
    }
}

/// How long things took, to within a tenth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// A bucket's number and what is in it, in order.
    buckets: Vec<(u8, u64)>,
}

impl Histogram {
    pub fn add(&mut self, took: Duration) {
        self.put(bucket_of(took), 1);
    }

    fn put(&mut self, bucket: u8, n: u64) {
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.buckets[at].1 += n,
            Err(at) => self.buckets.insert(at, (bucket, n)),
        }
    }

    pub fn merge(&mut self, other: &Histogram) {
        other.buckets.iter().for_each(|(bucket, n)| self.put(*bucket, *n));
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, n)| n).sum()
    }

    /// The time within which that share was done, from 0 to 1; none of nothing.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let all = self.count();
        // The first whose rank is at least the share; the smallest is of rank 1.
        let rank = (share * all as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for (bucket, n) in &self.buckets {
            below += n;
            if below >= rank {
                return Some(middle_of(*bucket));
            }
        }
        None
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.buckets.len() as u64);
        for (bucket, n) in &self.buckets {
            bytes.push(*bucket);
            put(bytes, *n);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut histogram = Self::default();
        for _ in 0..take(bytes)? {
            let (bucket, rest) = bytes.split_first()?;
            *bytes = rest;
            let before = histogram.buckets.last().map(|(before, _)| *before);
            if before >= Some(*bucket) {
                return None;
            }
            histogram.buckets.push((*bucket, take(bytes)?));
        }
        Some(histogram)
    }
}

/// The first bucket is what took no more than a microsecond.
fn bucket_of(took: Duration) -> u8 {
    let us = (took.as_micros().max(1)) as f64;
    (us.log2() * BUCKETS_PER_DOUBLING).floor().min(f64::from(u8::MAX)) as u8
}

/// The geometric middle: a bucket's times are off by a tenth at most.
fn middle_of(bucket: u8) -> Duration {
    let us = ((f64::from(bucket) + 0.5) / BUCKETS_PER_DOUBLING).exp2();
    Duration::from_secs_f64(us / 1e6)
}

fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OK: Answer = Answer::Status { code: 204, retry_after: None };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn quantiles_are_right_to_within_a_tenth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1_000).for_each(|n| histogram.add(ms(n)));
        for (share, expected) in
            [(0.0, 1.0), (0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1_000.0)]
        {
            let found = histogram.quantile(share).expect("some").as_secs_f64() * 1e3;
            assert!((found / expected - 1.0).abs() < 0.1, "{share}: {found} ms");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_are_counted_too() {
        let mut histogram = Histogram::default();
        for took in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            histogram.add(took);
        }
        assert_eq!(histogram.count(), 3);
        assert!(histogram.quantile(0.5).expect("some") < Duration::from_micros(2));
    }

    #[test]
    fn every_answer_is_of_a_class() {
        let status = |code| AnswerClass::of(&Answer::Status { code, retry_after: None });
        assert_eq!(
            [204, 301, 410, 503, 99, 700].map(status),
            [
                AnswerClass::Success,
                AnswerClass::Redirect,
                AnswerClass::ClientError,
                AnswerClass::ServerError,
                AnswerClass::ServerError,
                AnswerClass::ServerError,
            ]
        );
        let mut counts = Counts::default();
        for class in ErrorClass::ALL {
            counts.attempted(&Answer::Error(class), ms(1));
        }
        let of = |class| counts.attempts(class);
        let classes = [AnswerClass::Timeout, AnswerClass::Network, AnswerClass::Blocked];
        assert_eq!(classes.map(of), [3, 5, 3]);
    }

    #[test]
    fn the_queue_is_as_it_was_seen_last() {
        let seen = |waiting| Counts {
            queue: Some(QueueState { waiting, ..QueueState::default() }),
            ..Counts::default()
        };
        let mut counts = seen(1);
        counts.add(&seen(2));
        counts.add(&Counts::default());
        assert_eq!(counts.queue.map(|queue| queue.waiting), Some(2));
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        let mut counts = Counts { accepted: u64::MAX, ..Counts::default() };
        counts.attempted(&OK, ms(7));
        let bytes = counts.encode();
        assert_eq!(Counts::decode(&bytes), Some(counts));
        assert_eq!(Counts::decode(&[]), None);
        assert_eq!(Counts::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Counts::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Counts::decode(&[&[2], &bytes[1..]].concat()), None);
    }

    prop_compose! {
        fn any_counts()(
            numbers in prop::array::uniform9(0..1_000_000_u64),
            took in prop::collection::vec(0..10_000_000_000_u64, 0..20),
            queue in prop::option::of((0..9_u64, 0..9_u64, 0..9_u64)),
        ) -> Counts {
            let [accepted, made, first_tries, first_successes, delivered, failed, cancelled, ..] = numbers;
            let mut counts = Counts {
                accepted, made, first_tries, first_successes, delivered, failed, cancelled,
                queue: queue.map(|(waiting, sending, oldest_ms)| QueueState { waiting, sending, oldest_ms }),
                ..Counts::default()
            };
            for us in took {
                counts.attempted(&OK, Duration::from_micros(us));
                counts.latency.add(Duration::from_micros(us / 2));
            }
            counts
        }
    }

    proptest! {
        #[test]
        fn counts_come_back_as_they_were_stored(counts in any_counts()) {
            prop_assert_eq!(Counts::decode(&counts.encode()), Some(counts));
        }

        #[test]
        fn it_does_not_matter_how_they_are_added(a in any_counts(), b in any_counts(), c in any_counts()) {
            let mut one = a.clone();
            one.add(&b);
            one.add(&c);
            let (mut other, mut rest) = (a, b);
            rest.add(&c);
            other.add(&rest);
            prop_assert_eq!(one, other);
        }

        #[test]
        fn random_bytes_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Counts::decode(&bytes);
        }
    }
}
