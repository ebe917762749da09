//! What goes to stdout. Unlike `println!`, it does not panic when the reader has seen enough, as
//! `head` does.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write as _};

use crate::client::is_unseen;

pub fn say(text: impl Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        // Nobody listens: nothing that is still to be said matters.
        crate::log::end();
        std::process::exit(1);
    }
}

/// JSON, byte for byte into a file or another program; for a terminal, what would move its cursor or
/// turn its lines is escaped.
pub fn say_json(json: impl Display) {
    if std::io::stdout().is_terminal() {
        say(escaped(&json.to_string()));
    } else {
        say(json);
    }
}

/// The same JSON with what is not seen as escapes: such characters stand inside strings alone.
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unseen(c) && !c.is_ascii_whitespace() {
            // All of them are of the first plane. A String takes everything that is written to it.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// A text as a sentence of its own.
pub fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn json_for_a_terminal_is_the_same_json() {
        let value = json!({ "a\u{9b}": "\u{7f}\u{85}\u{202e}\u{2066}\u{2028} é 日本\n" });
        for text in [value.to_string(), format!("{value:#}")] {
            let safe = escaped(&text);
            assert!(!safe.chars().any(|c| is_unseen(c) && c != '\n'), "{safe:?}");
            assert!(safe.contains("\\u009b") && safe.contains("\\u202e"), "{safe}");
            assert!(safe.contains("é 日本"), "{safe}");
            assert_eq!(serde_json::from_str::<Value>(&safe).expect("JSON"), value);
        }
    }
}
