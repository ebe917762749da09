//! Colour, for a terminal that shows it and a person who wants it (https://no-color.org).

use std::io::IsTerminal as _;

/// What a text is.
#[derive(Debug, Clone, Copy)]
pub enum Ink {
    Good,
    Bad,
    Aside,
}

/// Whether stdout gets colour.
#[derive(Debug, Clone, Copy)]
pub struct Colour(bool);

impl Colour {
    pub fn of_stdout() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(std::io::stdout().is_terminal() && !no_colour)
    }

    pub fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Aside => 2,
        };
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
