//! One HTTP try: signed, under one deadline, with a bounded answer.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy::Error;
use model::attempt::{Answer, ErrorClass, Response, Timings};
use model::egress::Policy;
use model::event::Event;
use model::id::WebhookId;
use model::retry::retry_after;
use model::secret::Secret;
use model::signature::{self, Message};
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookConfig};
use model::{payload, webhook};
use store::world::Stopwatch;
use tokio::time::timeout;

use crate::engine::StartError;
use crate::guard::Refused;
use crate::mask::Credentials;
use crate::names::NotFound;
use crate::phases::Phases;
use crate::registry::Target;
use crate::wire::{NotConnected, TooMuch, Wire, is_out_of_files, wire};
use crate::{Metrics, Settings};

/// Bytes of a response's headers that are kept, in all and of one value.
const HEADERS_KEPT_MAX: usize = 16 * 1024;
const HEADER_VALUE_KEPT_MAX: usize = 1_024;
/// Bytes of a description of what went wrong.
const DETAIL_KEPT_MAX: usize = 512;
/// Bytes of a response's body that are kept.
const BODY_KEPT_MAX: usize = 16 * 1024;
/// Bytes that are read before the connection is closed instead of being used again.
const BODY_READ_MAX: usize = 64 * 1024;
/// Time for the body after the status line.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends requests.
pub(crate) struct Sender {
    wire: Wire,
    policy: Arc<Policy>,
    metrics: Metrics,
}

/// What came of a try.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) answer: Answer,
    pub(crate) detail: Option<String>,
    pub(crate) timings: Timings,
    pub(crate) response: Option<Response>,
}

/// There is no file for a connection. That is our shortage, and no answer of a subscriber.
#[derive(Debug)]
pub(crate) struct NoFile;

impl Sender {
    pub(crate) fn new(
        policy: &Arc<Policy>,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let wire = wire(policy, settings, metrics)?;
        Ok(Self { wire, policy: policy.clone(), metrics: metrics.clone() })
    }

    /// Sends `event` to `target`, signed at `now`.
    ///
    /// # Errors
    /// If there was no file for a connection: nothing was tried.
    pub(crate) async fn send(
        &self,
        target: &Target,
        event: &Event,
        now: Timestamp,
    ) -> Result<Sent, NoFile> {
        let watch = Stopwatch::start();
        let config = &target.webhook.config;
        if let Err(e) = self.policy.check_literal(&config.url) {
            return Ok(Sent::failed(ErrorClass::Forbidden, e.message.into_owned(), watch));
        }
        let mut request = match request(target, event, now) {
            Ok(request) => request,
            Err(detail) => return Ok(Sent::failed(ErrorClass::Signing, detail, watch)),
        };
        let phases = Arc::<Phases>::default();
        let _under_way = self.metrics.request();
        phases.count_informational(&mut request);
        let answering =
            phases.measure(timeout(config.timeout, self.wire.request(request.map(Full::new))));
        let answered = tokio::select! {
            biased;
            answered = answering => answered,
            () = phases.flooded() => {
                let detail = "informational answers (1xx) without end and no answer".to_owned();
                return Ok(Sent::broken(ErrorClass::Protocol, detail, &phases, watch));
            }
        };
        let head = watch.elapsed();
        let (dns, connect) = (phases.dns(), phases.connect());
        Ok(match answered {
            // A subscriber that goes on in another protocol has answered nothing.
            Ok(Ok(response)) if response.status().is_informational() => {
                let detail = format!("the subscriber answered {}", response.status().as_u16());
                Sent::broken(ErrorClass::Protocol, detail, &phases, watch)
            }
            Ok(Ok(response)) => {
                let before = dns.unwrap_or_default() + connect.unwrap_or_default();
                let timings = Timings {
                    dns,
                    connect,
                    first_byte: Some(head.saturating_sub(before)),
                    ..Timings::default()
                };
                let left = config.timeout.saturating_sub(head);
                Sent::answered(response, timings, watch, left, now, &target.credentials).await
            }
            Ok(Err(error)) if is_for_want_of_a_file(&error) => return Err(NoFile),
            Ok(Err(error)) => {
                let (class, detail) = classify(&error);
                Sent::broken(class, detail, &phases, watch)
            }
            Err(_) => {
                let detail = format!("no answer within {} ms", config.timeout.as_millis());
                Sent::broken(ErrorClass::Timeout, detail, &phases, watch)
            }
        })
    }
}

impl Sent {
    fn failed(class: ErrorClass, detail: String, watch: Stopwatch) -> Self {
        let timings = Timings { total: watch.elapsed(), ..Timings::default() };
        let detail = Some(fit_to_keep(detail));
        Self { answer: Answer::Error(class), detail, timings, response: None }
    }

    /// Failed after the connection was begun.
    fn broken(class: ErrorClass, detail: String, phases: &Phases, watch: Stopwatch) -> Self {
        let mut sent = Self::failed(class, detail, watch);
        (sent.timings.dns, sent.timings.connect) = (phases.dns(), phases.connect());
        sent
    }

    /// Reads the rest of an answer. The status line decides; what becomes of the body after it is
    /// only kept on record.
    async fn answered(
        mut response: hyper::Response<Incoming>,
        mut timings: Timings,
        watch: Stopwatch,
        left: Duration,
        now: Timestamp,
        credentials: &Credentials,
    ) -> Self {
        let code = response.status().as_u16();
        let retry_after = match (200..300).contains(&code) {
            true => None,
            false => response
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|text| retry_after(text, now)),
        };
        let (headers, headers_cut) = kept_headers(response.headers(), credentials);
        let reading = Stopwatch::start();
        let mut kept = Kept::default();
        let read = timeout(left.min(BODY_TIMEOUT), kept.read(response.body_mut())).await;
        let detail = match read {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(fit_to_keep(format!("the body broke off: {}", causes(Some(&e))))),
            Err(_) => Some("the body did not end in time".to_owned()),
        };
        // A response that is dropped before its end closes its connection.
        drop(response);
        timings.body = Some(reading.elapsed());
        timings.total = watch.elapsed();
        let is_cut = kept.truncated || detail.is_some();
        let body = match is_cut {
            true => credentials.mask_cut(&kept.body),
            false => credentials.mask(&kept.body).into_owned(),
        };
        let truncated = is_cut || headers_cut;
        Self {
            answer: Answer::Status { code, retry_after },
            detail,
            timings,
            response: Some(Response { headers, body, truncated }),
        }
    }
}

/// A description without what a stranger may have put into it: a certificate can be for ten thousand
/// names, and a name can hold what a terminal obeys.
fn fit_to_keep(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_KEPT_MAX));
    detail.replace(char::is_control, "\u{fffd}")
}

/// The headers that are kept, and whether there were more. Masked before they are cut.
fn kept_headers(headers: &HeaderMap, credentials: &Credentials) -> (Vec<(String, String)>, bool) {
    let (mut kept, mut room) = (Vec::with_capacity(headers.len()), HEADERS_KEPT_MAX);
    for (name, value) in headers {
        let value = credentials.mask(value.as_bytes());
        let mut value = String::from_utf8_lossy(&value).into_owned();
        value.truncate(value.floor_char_boundary(HEADER_VALUE_KEPT_MAX));
        let size = name.as_str().len() + value.len();
        if size > room {
            return (kept, true);
        }
        room -= size;
        kept.push((name.as_str().to_owned(), value));
    }
    (kept, false)
}

#[derive(Default)]
struct Kept {
    body: Vec<u8>,
    truncated: bool,
}

impl Kept {
    async fn read(&mut self, body: &mut Incoming) -> Result<(), hyper::Error> {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            // What is no data are trailers, and the end.
            let Ok(chunk) = frame?.into_data() else { continue };
            read += chunk.len();
            let room = BODY_KEPT_MAX - self.body.len();
            self.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            self.truncated |= chunk.len() > room;
            if read > BODY_READ_MAX {
                break;
            }
        }
        Ok(())
    }
}

/// Builds and signs the request.
fn request(target: &Target, event: &Event, now: Timestamp) -> Result<Request<Bytes>, String> {
    let Webhook { id, config, .. } = &target.webhook;
    let secrets = target.secrets(now).map_err(ToString::to_string)?;
    let headers = target.headers.as_ref().map_err(ToString::to_string)?;
    let uri = target.uri.as_ref().map_err(ToString::to_string)?;
    let mut request = compose(*id, config, headers, &secrets, event, now)?;
    *request.uri_mut() = uri.clone();
    Ok(request)
}

/// The request that a subscriber gets, with `own` headers of its webhook's, but for where it goes.
/// Never unsigned: what cannot be signed is an error.
///
/// # Errors
/// What is wrong, in words for the record.
pub fn compose(
    webhook_id: WebhookId,
    config: &WebhookConfig,
    own: &HeaderMap,
    secrets: &[&Secret],
    event: &Event,
    now: Timestamp,
) -> Result<Request<Bytes>, String> {
    let id = event.id();
    let body = payload::body(config.payload_format, event);
    let message = Message {
        event_id: &id,
        event_type: event.event_type.as_str(),
        webhook_id,
        url: &config.url,
        body: &body,
        now,
    };
    let signed =
        signature::sign(config.signature, secrets, &message).map_err(|e| e.message.into_owned())?;
    let method = match config.method {
        webhook::Method::Post => Method::POST,
        webhook::Method::Put => Method::PUT,
        webhook::Method::Patch => Method::PATCH,
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    let headers = request.headers_mut();
    // Its own headers first: whatever they hold, Postrider's replace it.
    headers.clone_from(own);
    for (name, value) in payload::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    insert_signed(headers, signed)?;
    Ok(request)
}

fn insert_signed(
    headers: &mut HeaderMap,
    signed: Vec<(&'static str, String)>,
) -> Result<(), String> {
    for (name, value) in signed {
        let value = HeaderValue::from_maybe_shared(Bytes::from(value))
            .map_err(|_| format!("{name} is not valid HTTP"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

/// What kind of failure it was, and its causes in words.
fn classify(error: &Error) -> (ErrorClass, String) {
    // The first only says that a request failed.
    let detail = causes(error.source());
    let class = if let Some(refused) = cause::<Refused>(error) {
        match refused {
            Refused::NotFound(NotFound::TimedOut) => ErrorClass::DnsTimeout,
            Refused::NotFound(_) => ErrorClass::Dns,
            // It is seen before.
            Refused::NoFile => ErrorClass::Connect,
            Refused::Forbidden => ErrorClass::TargetForbidden,
        }
    } else if let Some(broken) = cause::<NotConnected>(error) {
        match broken {
            NotConnected::TooSlow(_) | NotConnected::TlsTooSlow(_) => ErrorClass::ConnectTimeout,
            NotConnected::Tls(_) => ErrorClass::Tls,
            NotConnected::NoFile => ErrorClass::Connect,
        }
    } else if error.is_connect() {
        let timed_out = cause::<io::Error>(error).is_some_and(|e| e.kind() == ErrorKind::TimedOut);
        if timed_out { ErrorClass::ConnectTimeout } else { ErrorClass::Connect }
    } else if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) || is_too_much(error)
    {
        ErrorClass::Protocol
    } else {
        ErrorClass::Connection
    };
    (class, detail)
}

fn is_for_want_of_a_file(error: &Error) -> bool {
    matches!(cause(error), Some(NotConnected::NoFile))
        || matches!(cause(error), Some(Refused::NoFile | Refused::NotFound(NotFound::NoFile)))
        || (error.is_connect() && cause::<io::Error>(error).is_some_and(is_out_of_files))
}

/// The first cause of that type.
fn cause<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    std::iter::successors(Some(error), |&e| e.source()).find_map(|e| e.downcast_ref())
}

/// It travels inside an I/O error, whose `source` passes it by.
fn is_too_much(error: &Error) -> bool {
    let inner = cause::<io::Error>(error).and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<TooMuch>())
}

pub(crate) fn causes(first: Option<&(dyn StdError + 'static)>) -> String {
    let causes: Vec<_> =
        std::iter::successors(first, |&e| e.source()).map(ToString::to_string).collect();
    causes.join(": ")
}
