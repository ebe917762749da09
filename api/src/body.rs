//! Receiving a body: bounded in size and time, and of one media type.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use actix_web::body::{BodyStream, MessageBody as _};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use crate::json::{FromFields, from_json};
use crate::problem::ApiError;
use crate::{App, REQUEST_TIMEOUT};

/// The longest body where no limit is set, which is in tests only.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What is allocated for a body before it has come.
const ALLOCATED_BYTES_MAX: usize = 64 * 1024;

/// The body of a request, received but not read yet: a handler reads it once it knows that the
/// caller may.
pub struct Body(Result<Bytes, ApiError>);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Receipt<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = check_media_type(request.headers());
        let received = receive(request, payload.take());
        Box::pin(async move {
            let body = received.await;
            let wrong = media_type.err().filter(|_| !body.as_ref().is_ok_and(Bytes::is_empty));
            Ok(Self(wrong.map_or(body, Err)))
        })
    }
}

/// A body of any media type, for those that only look at it.
pub struct AnyBody(Result<Bytes, ApiError>);

impl FromRequest for AnyBody {
    type Error = ApiError;
    type Future = Receipt<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let received = receive(request, payload.take());
        Box::pin(async move { Ok(Self(received.await)) })
    }
}

impl AnyBody {
    /// # Errors
    /// What was wrong with its receipt.
    pub fn bytes(self) -> Result<Bytes, ApiError> {
        self.0
    }
}

type Receipt<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl Body {
    /// Reads the body.
    ///
    /// # Errors
    /// What was wrong with its receipt, then as [`from_json`].
    pub fn read<T: FromFields>(self) -> Result<T, ApiError> {
        from_json(&self.0?)
    }

    /// Reads the body, where none at all, or null, is as good as `{}`.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub fn read_or_empty<T: FromFields>(self) -> Result<T, ApiError> {
        let body = self.0?;
        let nothing = matches!(body.trim_ascii(), b"" | b"null");
        if nothing { from_json(&Bytes::from_static(b"{}")) } else { from_json(&body) }
    }
}

/// JSON in UTF-8, not compressed.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported = |detail| Err(ApiError::new("unsupported_media_type", detail));
    let mut parts = once(headers, &header::CONTENT_TYPE)?.unwrap_or_default().split(';');
    let essence = parts.next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return unsupported("the body must be of Content-Type application/json");
    }
    for parameter in parts {
        let (name, value) = parameter.trim().split_once('=').unwrap_or((parameter.trim(), ""));
        let value = value.trim_matches('"');
        if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return unsupported("JSON is written in UTF-8 alone");
        }
    }
    let encoding = once(headers, &header::CONTENT_ENCODING)?.unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return unsupported("compressed bodies are not taken");
    }
    Ok(())
}

/// A header that says something about the body has to say one thing to everybody who reads it.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name);
    let first = values.next().map(|value| value.to_str());
    match (first.transpose(), values.next()) {
        (Ok(value), None) => Ok(value),
        _ => {
            let detail = format!("{name} has to be there once, in ASCII");
            Err(ApiError::new("unsupported_media_type", detail))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a body within its bounds. What is known to be too long is not waited for.
fn receive(
    request: &HttpRequest,
    payload: Payload,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let (length, limit) = (length(request.headers()), limit(request));
    async move {
        if length > limit {
            return Err(too_large(limit));
        }
        let late = || ApiError::new("request_timeout", "the body took more than 10 seconds");
        let read = timeout(REQUEST_TIMEOUT, read(payload, length, limit)).await;
        read.unwrap_or_else(|_| Err(late()))
    }
}

/// How long the body says it is, in bytes; 0 if it does not say.
fn length(headers: &HeaderMap) -> usize {
    text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// How long the body may be, in bytes.
fn limit(request: &HttpRequest) -> usize {
    match request.app_data::<Data<App>>() {
        Some(app) if request.path().ends_with("/batch") => app.limits.batch_bytes,
        Some(app) => app.limits.body_bytes,
        None => BODY_BYTES_MAX,
    }
}

async fn read(payload: Payload, length: usize, limit: usize) -> Result<Bytes, ApiError> {
    let mut stream = pin!(BodyStream::new(payload));
    let mut body = BytesMut::with_capacity(length.min(ALLOCATED_BYTES_MAX));
    while let Some(chunk) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        let chunk = chunk.map_err(|_| {
            ApiError::new("body_incomplete", "the body ended before it was complete")
        })?;
        if body.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new("body_too_large", format!("the body may have up to {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_plain_json_in_utf_8_is_taken() {
        let code = |name: &'static str, value: &'static str| {
            let request = TestRequest::default()
                .insert_header(("content-type", "application/json"))
                .insert_header((name, value))
                .to_http_request();
            check_media_type(request.headers()).map_or_else(|e| e.code(), |()| "ok")
        };
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert_eq!(code("content-type", value), "ok", "{value}");
        }
        for value in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/cloudevents+json",
        ] {
            assert_eq!(code("content-type", value), "unsupported_media_type", "{value}");
        }
        assert_eq!(code("content-encoding", "identity"), "ok");
        for value in ["gzip", "br", "identity, gzip", "gz\u{ef}p", ""] {
            assert_eq!(code("content-encoding", value), "unsupported_media_type", "{value}");
        }
    }

    #[test]
    fn what_is_said_of_a_body_is_said_once() {
        for (name, again) in
            [("content-type", "application/json"), ("content-encoding", "identity")]
        {
            let request = TestRequest::default()
                .insert_header(("content-type", "application/json"))
                .insert_header(("content-encoding", "identity"))
                .append_header((name, again))
                .to_http_request();
            let refused = check_media_type(request.headers()).map_err(|e| e.code());
            assert_eq!(refused, Err("unsupported_media_type"), "{name}");
        }
    }

    async fn received(request: TestRequest) -> Result<Bytes, &'static str> {
        let (request, mut payload) = request.to_http_parts();
        let body = Body::from_request(&request, &mut payload).await.expect("never refused here");
        body.0.map_err(|e| e.code())
    }

    #[actix_web::test]
    async fn a_body_is_received_whole_within_its_bounds() {
        let json = || TestRequest::post().insert_header(("content-type", "application/json"));
        assert_eq!(received(json().set_payload("{}")).await, Ok("{}".into()));
        let long = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(received(json().set_payload(long)).await, Err("body_too_large"));
        let says_so = json().insert_header(("content-length", "1048577"));
        assert_eq!(received(says_so).await, Err("body_too_large"));
    }

    #[actix_web::test]
    async fn only_an_empty_body_needs_no_media_type() {
        assert_eq!(received(TestRequest::post()).await, Ok(Bytes::new()));
        let unsaid = TestRequest::post().set_payload("{}");
        assert_eq!(received(unsaid).await, Err("unsupported_media_type"));
    }
}
