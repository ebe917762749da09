//! The memory of Postrider: two traits, and their drivers.
//!
//! The [`Store`] is the truth: events, deliveries, attempts, webhooks, keys. The [`Queue`] is
//! speed: which delivery is due next, fairly, and who works on it; it is believed in nothing and
//! may lose everything at any moment. `tests/conformance` runs every case on every driver, and
//! behaviour that has no case there does not exist.
//!
//! | | embedded | distributed |
//! |---|---|---|
//! | `Store` | [`sqlite`] | [`postgres`] |
//! | `Queue` | [`memory`] | [`redis`] |

mod listed;
mod notices;
mod queue;
mod sample;
mod sql;
mod stats;
mod store;

pub mod memory;
pub mod sqlite;

pub mod postgres;
pub mod redis;

mod begin;
mod pace;
mod tally;
pub mod world;

pub use begin::begin;
pub use listed::*;
pub use notices::*;
pub use pace::Pace;
pub use queue::*;
pub use sample::SealedSample;
pub use stats::*;
pub use store::*;
pub use tally::{Attempted, Tally};
