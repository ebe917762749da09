//! What the tests stand on: the real binary, subscribers that can be scripted, subscribers that
//! verify by published libraries, and one way to wait.

pub mod account;
pub mod certificates;
mod client;
pub mod disk;
pub mod dns;
pub mod fleet;
mod ports;
mod postrider;
mod process;
mod raw;
mod receiver;
pub mod scripted;
pub mod servers;
mod services;
mod signed;
mod stream;
mod verifier;
mod wait;

pub use client::{Answer, Client, text};
pub use ports::free_port;
pub use postrider::{ADMIN_KEY, Options, Output, Postrider};
pub use process::Process;
pub use raw::{Raw, RawAnswer};
pub use receiver::{Receiver, Reply, Request};
pub use services::MASTER_KEY;
pub use signed::{is_signed_by, new_secret};
pub use stream::Stream;
pub use verifier::{Verifier, from_make};
pub use wait::{let_pass, never, wait_or_tell, wait_until};
