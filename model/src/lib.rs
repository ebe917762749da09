//! The rules of Postrider: pure functions and the values they work on. No I/O, no clock and no
//! randomness happen here; a time or a random number is always an argument.
//!
//! Read in this order: what the things are called (`id`, `tenant`), what happened (`event`), who
//! wants to know (`webhook`), where it may be sent (`target`, `egress`), how it looks on the wire
//! (`payload`, `secret`, `signature`), and what follows from the answer (`attempt`, `delivery`,
//! `retry`), and how it is counted (`stats`). `key` says who may do what.

pub mod id;
pub mod tenant;
pub mod time;

pub mod event;
pub mod webhook;

pub mod egress;
pub mod target;

pub mod payload;
pub mod secret;
pub mod signature;

pub mod attempt;
pub mod delivery;
pub mod retry;
pub mod stats;

pub mod key;

mod invalid;

pub use invalid::Invalid;
