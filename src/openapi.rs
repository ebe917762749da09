//! `postrider openapi`: the description of the API, without a server.

use crate::failure::Failure;
use crate::output::say;

#[allow(clippy::unnecessary_wraps, reason = "as every command")]
pub fn run() -> Result<(), Failure> {
    say(api::openapi());
    Ok(())
}
