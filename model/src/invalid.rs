use std::borrow::Cow;

/// A value from outside that a constructor of this crate refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Stable machine-readable reason, snake_case: it becomes the `code` of the API's problem.
    pub code: &'static str,
    /// One sentence that says what was wrong and what would be accepted. Never repeats a secret.
    pub message: Cow<'static, str>,
}

impl Invalid {
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// A field of the contract that this version does not carry out yet.
    pub fn not_supported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("not_supported", message)
    }
}
