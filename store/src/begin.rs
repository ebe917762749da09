//! Calls that are begun in the order they are made, and not waited for.

use std::pin::Pin;
use std::task::{Context, Waker};

use tokio::task::coop::{Unconstrained, unconstrained};

/// Runs the first step of a call now, so that it stands before every call that is begun later; what is
/// left of it is returned, to be run by anybody.
pub fn begin<F: Future<Output = ()>>(call: F) -> Option<Pin<Box<Unconstrained<F>>>> {
    let mut call = Box::pin(unconstrained(call));
    call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending().then_some(call)
}
