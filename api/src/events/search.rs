//! Finding events: by what the store has an index for, and as far as it looks for the rest.

use model::event::Event;
use model::id::EventUid;
use model::time::Timestamp;
use store::world::Stopwatch;
use store::{EventFilter, Listed, Most};

use crate::App;
use crate::page::LOOK_TIME;
use crate::problem::ApiError;

/// Events that were found, newest first.
pub struct Found {
    pub events: Vec<Event>,
    /// After which the search goes on, if it does.
    pub next: Option<EventUid>,
    /// Back to when it was looked, if it was broken off.
    pub looked_until: Option<Timestamp>,
}

/// The next `limit` events.
///
/// # Errors
/// When the store does not answer.
pub async fn search(
    app: &App,
    filter: &EventFilter,
    mut after: Option<EventUid>,
    limit: u32,
) -> Result<Found, ApiError> {
    let watch = Stopwatch::start();
    let (mut events, limit) = (Vec::new(), limit as usize);
    loop {
        // One more than is wanted says whether there are more.
        let wanted = u32::try_from(limit + 1 - events.len()).unwrap_or(u32::MAX);
        let listed = app.store.list_events(filter.clone(), after, Most::found(wanted)).await?;
        let Listed { found, looked_until } = listed;
        events.extend(found);
        if events.len() > limit {
            events.truncate(limit);
            let next = events.last().map(|event: &Event| event.uid);
            return Ok(Found { events, next, looked_until: None });
        }
        let Some(until) = looked_until else {
            return Ok(Found { events, next: None, looked_until: None });
        };
        after = Some(until);
        if watch.elapsed() >= LOOK_TIME {
            let looked_until = Some(Timestamp::from_millis(until.0.millis()));
            return Ok(Found { events, next: after, looked_until });
        }
    }
}
