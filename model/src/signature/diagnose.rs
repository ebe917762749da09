//! Why a receiver refuses a request, in words for the developer of the receiver.
//!
//! Verifying says yes or no ([`super::verify_standard`]); this says what to mend. An HMAC that does
//! not match cannot say whether the secret or the body is another one, so what commonly happens to
//! either on the way is undone, one thing after the other, and tried: what then matches is proved,
//! and what never does is said to be unknown.

mod bodies;
mod form;
mod jwt;
mod keys;
mod rewrite;
mod standard;

use crate::secret::Secret;
use crate::signature::Scheme;
use crate::time::Timestamp;

/// A request as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// In their order; names in any case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why a request is refused. Holds no secret, and no signature in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable, for programs:
    ///
    /// | code | what |
    /// |---|---|
    /// | `header_missing`, `header_doubled`, `header_malformed` | a header that is needed |
    /// | `secret_malformed` | what was given as the secret cannot be one |
    /// | `secret_misused` | the secret is right, and used or written in another way than it has to be |
    /// | `wrong_secret` | it is another secret; known for tokens, which name theirs |
    /// | `body_changed` | the body is not the one that was signed |
    /// | `id_changed`, `timestamp_changed`, `token_changed`, `signature_changed` | the same of a header |
    /// | `no_match` | another secret or another body; cannot be told |
    /// | `too_old`, `too_new` | signed rightly, and not at this time |
    pub code: &'static str,
    pub message: String,
}

impl Reason {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What can be said about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// How it was signed; none if nothing says so.
    pub scheme: Option<Scheme>,
    /// When, in seconds since 1970, as far as it can be read.
    pub signed_s: Option<i64>,
    /// What is wrong, the most telling first; empty: it verifies.
    pub reasons: Vec<Reason>,
}

impl Diagnosis {
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Checks a request with the secret as its receiver has it, and says everything that is wrong. A
/// request of which nothing is said here is one that the strictest receivers accept.
pub fn diagnose(request: Request<'_>, secret: &str, tolerance_s: i64, now: Timestamp) -> Diagnosis {
    let clock = Clock { tolerance_s, now_s: now.secs() };
    match scheme(request) {
        Some(Scheme::Standard) => standard::diagnose(request, secret, clock),
        Some(Scheme::Jwt) => jwt::diagnose(request, secret, clock),
        None => Diagnosis {
            reasons: vec![Reason::new(
                "header_missing",
                "there is no webhook-signature header (nor Authorization: Bearer, for webhooks \
                 signed with jwt): the request was not signed, or something on the way took the \
                 header out",
            )],
            ..Diagnosis::default()
        },
    }
}

/// Which rule a text breaks that is no secret; none if it is one.
pub fn check_secret(given: &str) -> Option<Reason> {
    keys::malformed(given)
}

/// Whether this secret signed this body under the request's headers, at whatever time.
pub fn is_signed_by(secret: &Secret, request: Request<'_>) -> bool {
    match scheme(request) {
        Some(Scheme::Standard) => standard::is_signed_by(secret.key(), request),
        Some(Scheme::Jwt) => jwt::is_signed_by(secret, request),
        None => false,
    }
}

/// The value of a header that is there once.
pub fn header<'a>(request: Request<'a>, name: &str) -> Option<&'a str> {
    let mut found = values(request, name);
    found.next().filter(|_| found.next().is_none())
}

fn values<'a>(request: Request<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    let named = move |(given, _): &&(String, String)| given.eq_ignore_ascii_case(name);
    request.headers.iter().filter(named).map(|(_, value)| value.as_str())
}

/// By its headers: a webhook signed by `standard` may have an `authorization` of its own.
fn scheme(request: Request<'_>) -> Option<Scheme> {
    if values(request, "webhook-signature").next().is_some() {
        return Some(Scheme::Standard);
    }
    let token = |value: &str| value.split('.').count() == 3 || form::bearer(value).is_some();
    values(request, "authorization").any(token).then_some(Scheme::Jwt)
}

/// The one value of a header, or why there is none.
fn once<'a>(request: Request<'a>, name: &str) -> Result<&'a str, Reason> {
    let all: Vec<_> = values(request, name).collect();
    match all[..] {
        [one] => Ok(one),
        [] => Err(Reason::new(
            "header_missing",
            format!(
                "there is no {name} header: without it nothing can be verified; does the framework \
                 or a proxy pass it on?"
            ),
        )),
        _ => Err(Reason::new(
            "header_doubled",
            format!(
                "the {name} header is there {} times: there has to be one, since which of them was \
                 signed cannot be told; look for a proxy that adds it again",
                all.len()
            ),
        )),
    }
}

#[derive(Clone, Copy)]
struct Clock {
    tolerance_s: i64,
    now_s: i64,
}

impl Clock {
    /// Whether what was signed at that time is to be accepted now.
    fn check(self, signed_s: i64) -> Option<Reason> {
        let age_s = self.now_s.saturating_sub(signed_s);
        let limit = self.tolerance_s;
        if age_s > limit {
            Some(Reason::new(
                "too_old",
                format!(
                    "it was signed {age_s} s ago ({}), and up to {limit} s are accepted: a replay, a \
                     queue before this check, or a clock here that is ahead",
                    span(age_s)
                ),
            ))
        } else if age_s < -limit {
            let ahead_s = age_s.saturating_neg();
            Some(Reason::new(
                "too_new",
                format!(
                    "it was signed {ahead_s} s in the future ({}), and up to {limit} s are accepted: \
                     the clock here is behind, or the server's was put forward (/dev/clock)",
                    span(ahead_s)
                ),
            ))
        } else {
            None
        }
    }
}

/// A time that reads well: `5 min 2 s`.
fn span(s: i64) -> String {
    let parts = [(s / 86_400, "d"), (s / 3_600 % 24, "h"), (s / 60 % 60, "min"), (s % 60, "s")];
    let shown = parts.iter().skip_while(|(n, _)| *n == 0).take(2).filter(|(n, _)| *n > 0);
    shown.map(|(n, unit)| format!("{n} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
