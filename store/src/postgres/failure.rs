//! What went wrong, and what that allows.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// Why a job failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was changed: the server refused, or the connection broke before the end.
    Refused(Error),
    /// The connection broke while changes were made to last: whether they do is not known.
    Unknown(String),
    /// What is stored cannot be read.
    Damaged(String),
    /// There was no connection.
    Unavailable(String),
}

/// What a failed job calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Others were in its way.
    Repeat,
    /// Its connection is of no more use.
    Reconnect,
    /// It would fail again.
    None,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl Failure {
    /// Of a statement that made changes last, such as COMMIT.
    pub(super) fn of_commit(error: Error) -> Self {
        match remedy(&error) {
            Remedy::Reconnect => Failure::Unknown(text(&error)),
            Remedy::Repeat | Remedy::None => Failure::Refused(error),
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Failure::Refused(error) => remedy(error),
            Failure::Unknown(_) => Remedy::Reconnect,
            Failure::Damaged(_) | Failure::Unavailable(_) => Remedy::None,
        }
    }

    /// Whether the job may be done again: it changed nothing.
    pub(super) fn may_be_repeated(&self) -> bool {
        matches!(self, Failure::Refused(_)) && self.remedy() != Remedy::None
    }

    /// Whether something of the same key is there.
    pub(super) fn is_taken(&self) -> bool {
        self.is(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether rows for which a partition is made are in the default one already.
    pub(super) fn is_for_rows_in_default(&self) -> bool {
        self.is(&SqlState::CHECK_VIOLATION)
    }

    fn is(&self, code: &SqlState) -> bool {
        matches!(self, Failure::Refused(error) if error.code() == Some(code))
    }
}

fn remedy(error: &Error) -> Remedy {
    match error.code() {
        // The connection broke, unless it is about what came over it.
        None if is_of_conversion(error) => Remedy::None,
        None => Remedy::Reconnect,
        Some(code) => match (code, &code.code()[..2]) {
            (&SqlState::LOCK_NOT_AVAILABLE, _) | (_, "40") => Remedy::Repeat,
            // Cancelled by a limit of time.
            (&SqlState::QUERY_CANCELED, _) => Remedy::None,
            // Shut down, or taken over by another server.
            (&SqlState::READ_ONLY_SQL_TRANSACTION, _) | (_, "08" | "57") => Remedy::Reconnect,
            (_, _) => Remedy::None,
        },
    }
}

/// Errors of the values that went to the server or came from it have a cause that is no I/O.
fn is_of_conversion(error: &Error) -> bool {
    use std::error::Error as _;
    !error.is_closed() && error.source().is_some_and(|cause| !cause.is::<std::io::Error>())
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => refused(&error),
            Failure::Unknown(why) | Failure::Unavailable(why) => StoreError::Unavailable(why),
            Failure::Damaged(what) => StoreError::Damaged(what),
        }
    }
}

fn refused(error: &Error) -> StoreError {
    let text = text(error);
    match error.code() {
        Some(&SqlState::DISK_FULL) => StoreError::Full(text),
        // What breaks a constraint will break it again: there is no use in waiting.
        Some(code) if matches!(&code.code()[..2], "22" | "23" | "XX") => StoreError::Damaged(text),
        None if is_of_conversion(error) => StoreError::Damaged(text),
        Some(_) | None => StoreError::Unavailable(text),
    }
}

/// What the server said, without the values it said it of; else the chain of causes.
pub(super) fn text(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(error));
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
