//! Attempts: one HTTP try of a delivery, and what came of it.

use std::time::Duration;

use crate::time::Timestamp;

/// One HTTP try of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// 1 for the first of its delivery.
    pub number: u32,
    pub trigger: Trigger,
    pub started_at: Timestamp,
    pub timings: Timings,
    pub answer: Answer,
    /// What went wrong, in words for the operator; never holds a secret.
    pub detail: Option<String>,
    pub response: Option<Response>,
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Schedule,
    /// A person or a program asked for it; it does not count against the retry policy.
    Manual,
}

/// How long each phase took. `dns` and `connect` (TCP and TLS) are absent on a reused connection,
/// the later ones where the attempt did not get so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    /// From the start of the request on the connection to the end of the response's head.
    pub first_byte: Option<Duration>,
    pub body: Option<Duration>,
    pub total: Duration,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A final status line, whatever became of the body after it.
    Status {
        code: u16,
        retry_after: Option<Duration>,
    },
    Error(ErrorClass),
}

impl Answer {
    pub fn is_success(&self) -> bool {
        matches!(self, Answer::Status { code: 200..=299, .. })
    }
}

/// The kept part of a response: a record for operators, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Names in lower case, values lossily decoded.
    pub headers: Vec<(String, String)>,
    /// The first 16 KiB of the body as received, without credentials.
    pub body: Vec<u8>,
    /// Whether there was more than is kept.
    pub truncated: bool,
}

/// Why an attempt got no status, one word each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The name does not exist or its servers refused to answer.
    Dns,
    DnsTimeout,
    /// Nobody listens, or no route.
    Connect,
    ConnectTimeout,
    Tls,
    /// The whole attempt's deadline passed.
    Timeout,
    /// The connection broke before a complete answer.
    Connection,
    /// What came back is not HTTP/1.1 within the bounds.
    Protocol,
    /// A literal address that the egress guard refuses: final.
    Forbidden,
    /// A name that resolves to an address that the egress guard refuses: retried.
    TargetForbidden,
    /// The request could not be signed; nothing is ever sent unsigned.
    Signing,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 11] = [
        ErrorClass::Dns,
        ErrorClass::DnsTimeout,
        ErrorClass::Connect,
        ErrorClass::ConnectTimeout,
        ErrorClass::Tls,
        ErrorClass::Timeout,
        ErrorClass::Connection,
        ErrorClass::Protocol,
        ErrorClass::Forbidden,
        ErrorClass::TargetForbidden,
        ErrorClass::Signing,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Dns => "dns",
            ErrorClass::DnsTimeout => "dns_timeout",
            ErrorClass::Connect => "connect",
            ErrorClass::ConnectTimeout => "connect_timeout",
            ErrorClass::Tls => "tls",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Connection => "connection",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Forbidden => "forbidden",
            ErrorClass::TargetForbidden => "target_forbidden",
            ErrorClass::Signing => "signing",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

impl Trigger {
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Manual => "manual",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Trigger::Schedule, Trigger::Manual].into_iter().find(|t| t.as_str() == text)
    }
}
