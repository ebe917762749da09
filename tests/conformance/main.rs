//! What every driver of the two traits does: behaviour that has no case here does not exist.
//!
//! A case is an `async fn` that takes a freshly opened driver. `queue/mod.rs` and `store/mod.rs`
//! list the cases once, and each driver gets a test of every one, such as
//! `queue::memory::a_pushed_item_is_claimed_once`. A new driver joins with its way to open in
//! `drivers.rs` and one line in those lists.

mod drivers;

mod queue;
mod store;
