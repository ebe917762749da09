//! Around every request: its id, its count and duration, and the one log line of what failed.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use store::world::{self, Stopwatch};
use uuid::Uuid;

use crate::App;
use crate::problem::ApiError;
use crate::wire::Turn;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The longest `Request-Id` that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// The route of what no route took.
const UNMATCHED: &str = "unmatched";

pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let stopwatch = Stopwatch::start();
    let app = request.app_data::<Data<App>>().cloned();
    let id = request_id(&request, app.as_ref().map(|app| app.get_ref()));
    let turn = request.conn_data::<Rc<Turn>>().cloned();
    if let Some(turn) = &turn {
        turn.ours();
    }
    let handling = app.as_ref().map(|app| Handling::begin(app));
    let answered = next.call(request).await;
    drop(handling);
    if let Some(turn) = &turn {
        turn.theirs();
    }
    let mut response = answered?;

    let took = stopwatch.elapsed();
    let code = response.status().as_u16();
    let route = response.request().match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    let method = response.request().method();
    let failure = response.response().error().and_then(Error::as_error::<ApiError>);
    if let Some(cause) = failure.and_then(ApiError::cause) {
        tracing::error!(
            request.id = ?id, http.route = route, http.method = %method, http.status = code,
            error = cause, "a request failed",
        );
    }
    tracing::debug!(
        request.id = ?id, http.route = route, http.method = %method, http.status = code,
        http.duration_ms = took.as_micros() as f64 / 1e3, "a request was answered",
    );
    if let Some(app) = app {
        app.metrics.request(route, method, code, took);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

/// A request whose handler is at work, until that answers or is given up.
struct Handling<'a>(&'a App);

impl<'a> Handling<'a> {
    fn begin(app: &'a App) -> Self {
        app.handling.fetch_add(1, Ordering::Relaxed);
        Self(app)
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.handling.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The caller's `Request-Id` if it is fit to be repeated, else a new one.
fn request_id(request: &ServiceRequest, app: Option<&App>) -> HeaderValue {
    let fits = |id: &HeaderValue| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    if let Some(given) = request.headers().get(REQUEST_ID).filter(|id| fits(id)) {
        return given.clone();
    }
    let now = app.map(|app| app.clock.now()).unwrap_or_default();
    let mut text = Uuid::encode_buffer();
    let text = Uuid::from_bytes(world::new_uid(now).0).hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_callers_request_id_is_taken_over_if_it_is_short_and_printable() {
        let id = |given: &str| {
            let request = TestRequest::default().insert_header(("request-id", given));
            request_id(&request.to_srv_request(), None)
                .to_str()
                .map(str::to_owned)
                .unwrap_or_default()
        };
        assert_eq!(id("abc-1"), "abc-1");
        for given in ["", "a b", &"x".repeat(129)] {
            assert_eq!(id(given).len(), 36, "{given:?}");
        }
    }
}
