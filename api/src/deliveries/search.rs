//! Finding deliveries: by what the store has an index for, and of those by what it has not. Of the latter a
//! search looks through so many at most, and says how far it came.

use std::time::Duration;

use model::attempt::ErrorClass;
use model::id::DeliveryId;
use model::time::Timestamp;
use store::world::Stopwatch;
use store::{Delivery, DeliveryFilter, Listed, Most};

use crate::App;
use crate::page::LOOK_TIME;
use crate::problem::ApiError;
use crate::query::Query;

/// Deliveries that are looked at for one page.
const LOOKED_AT_MAX: usize = 20_000;
/// Of them, how many are read at once.
const READ_AT_ONCE: u32 = 500;

/// What no index has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Narrow {
    pub answer: Option<AnswerFilter>,
    pub min_attempts: u32,
    /// Of the last attempt.
    pub min_duration: Duration,
}

/// What came of the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFilter {
    Status(u16),
    /// The hundreds of a status.
    Class(u16),
    Error(ErrorClass),
    /// Any error, so no status.
    AnyError,
}

/// Deliveries that were found, newest first.
pub struct Found {
    pub deliveries: Vec<Delivery>,
    /// After which the search goes on, if it does.
    pub next: Option<DeliveryId>,
    /// Back to when it was looked, if it was broken off.
    pub looked_until: Option<Timestamp>,
}

impl AnswerFilter {
    pub fn parse(text: &str) -> Option<Self> {
        if text == "error" {
            return Some(Self::AnyError);
        }
        if let Some(class) = ErrorClass::parse(text) {
            return Some(Self::Error(class));
        }
        if let Some(hundreds) = text.strip_suffix("xx") {
            let hundreds = hundreds.parse().ok().filter(|n| (1..=5).contains(n));
            return hundreds.filter(|_| text.len() == 3).map(Self::Class);
        }
        let status = text.parse().ok().filter(|status| (100..=999).contains(status));
        status.filter(|_| text.len() == 3).map(Self::Status)
    }

    fn holds(self, answer: Result<u16, ErrorClass>) -> bool {
        match (self, answer) {
            (Self::Status(wanted), Ok(status)) => wanted == status,
            (Self::Class(hundreds), Ok(status)) => status / 100 == hundreds,
            (Self::Error(wanted), Err(class)) => wanted == class,
            (Self::AnyError, Err(_)) => true,
            (Self::Status(_) | Self::Class(_), Err(_))
            | (Self::Error(_) | Self::AnyError, Ok(_)) => false,
        }
    }
}

impl Narrow {
    /// # Errors
    /// `parameter_invalid`.
    pub fn of(query: &Query) -> Result<Self, ApiError> {
        let answers = "a status such as 503, a class such as 5xx, the word of an error such as timeout, \
                       or error for any of those";
        let whole = |text: &str| text.parse::<u32>().ok();
        let min_attempts = query.parsed("min_attempts", "a whole number", whole)?;
        let min_duration = query.parsed("min_duration_ms", "a number of milliseconds", whole)?;
        Ok(Self {
            answer: query.parsed("answer", answers, AnswerFilter::parse)?,
            min_attempts: min_attempts.unwrap_or_default(),
            min_duration: Duration::from_millis(min_duration.unwrap_or_default().into()),
        })
    }

    fn holds(&self, delivery: &Delivery) -> bool {
        let last = delivery.last.as_ref();
        let answered = match self.answer {
            None => true,
            Some(wanted) => last.is_some_and(|last| wanted.holds(last.answer)),
        };
        answered
            && delivery.attempts >= self.min_attempts
            && (self.min_duration.is_zero()
                || last.is_some_and(|last| last.total >= self.min_duration))
    }
}

/// The next `limit` deliveries.
///
/// # Errors
/// When the store does not answer.
pub async fn search(
    app: &App,
    filter: &DeliveryFilter,
    narrow: &Narrow,
    mut after: Option<DeliveryId>,
    limit: usize,
) -> Result<Found, ApiError> {
    let all = *narrow == Narrow::default();
    // One more than is wanted says whether there are more.
    let wanted = limit + 1;
    let watch = Stopwatch::start();
    let (mut deliveries, mut looked_at) = (Vec::new(), 0);
    loop {
        let room = wanted - deliveries.len();
        let most = u32::try_from(room).unwrap_or(u32::MAX);
        let most = Most::found(if all { most } else { READ_AT_ONCE });
        let Listed { found, looked_until } =
            app.store.list_deliveries(filter.clone(), after, most).await?;
        let is_last = found.len() < most.found as usize && looked_until.is_none();
        looked_at += found.len();
        after = looked_until.or(found.last().map(|delivery| delivery.id));
        deliveries.extend(found.into_iter().filter(|delivery| narrow.holds(delivery)).take(room));
        if deliveries.len() == wanted {
            deliveries.pop();
            let next = deliveries.last().map(|delivery| delivery.id);
            return Ok(Found { deliveries, next, looked_until: None });
        }
        if is_last {
            return Ok(Found { deliveries, next: None, looked_until: None });
        }
        // Between two reads, so that each call gets ahead.
        if looked_at >= LOOKED_AT_MAX || watch.elapsed() >= LOOK_TIME {
            let looked_until = after.map(|id| Timestamp::from_millis(id.event.0.millis()));
            return Ok(Found { deliveries, next: after, looked_until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_a_class_or_an_error() {
        let holds = |text: &str, answer| AnswerFilter::parse(text).map(|f| f.holds(answer));
        let timeout = Err(ErrorClass::Timeout);
        assert_eq!(holds("503", Ok(503)), Some(true));
        assert_eq!(holds("503", Ok(500)), Some(false));
        assert_eq!(holds("5xx", Ok(599)), Some(true));
        assert_eq!(holds("5xx", Ok(404)), Some(false));
        assert_eq!(holds("5xx", timeout), Some(false));
        assert_eq!(holds("timeout", timeout), Some(true));
        assert_eq!(holds("dns", timeout), Some(false));
        assert_eq!(holds("error", timeout), Some(true));
        assert_eq!(holds("error", Ok(500)), Some(false));
        for text in ["", "xx", "6xx", "0xx", "+5xx", "5XX", "5xxx", "99", "1000", "+50", "errors"] {
            assert_eq!(AnswerFilter::parse(text), None, "{text}");
        }
    }
}
