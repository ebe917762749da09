//! What goes to stdout. Unlike `println!`, it does not panic when the reader has seen enough, as
//! `head` does.

use std::fmt::Display;
use std::io::Write as _;

pub fn say(text: impl Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        // Nobody listens: nothing that is still to be said matters.
        crate::log::end();
        std::process::exit(1);
    }
}

/// A text as a sentence of its own.
pub fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?']) { text.to_owned() } else { format!("{text}.") }
}
