//! How a command ends when it does not succeed: one sentence on stderr, and an exit code by which
//! a script can tell the cases apart.

use std::fmt::Display;
use std::process::ExitCode;

use crate::log;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// One sentence that names the next thing to try.
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Failed = 1,
    /// A flag, a setting or an argument is wrong; clap uses the same number.
    Usage = 2,
    NotFound = 3,
    /// No key, a wrong one, or one whose role does not allow it.
    Auth = 4,
}

impl Failure {
    pub fn new(exit: Exit, sentence: impl Display) -> Self {
        Self { exit, sentence: sentence.to_string() }
    }

    pub fn failed(sentence: impl Display) -> Self {
        Self::new(Exit::Failed, sentence)
    }

    pub fn usage(sentence: impl Display) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// For a command whose output says what is wrong already.
    pub fn said(exit: Exit) -> Self {
        Self { exit, sentence: String::new() }
    }

    /// Says it on stderr and gives the code to end with. A process that logs says it there, where
    /// nobody waits for a reader.
    pub fn report(&self) -> ExitCode {
        if !self.sentence.is_empty() && !log::last_words(&self.sentence) {
            eprintln!("postrider: {}", self.sentence);
        }
        ExitCode::from(self.exit as u8)
    }
}
