//! What there is with `--dev` only: inboxes, which are subscribers to try things with, and a clock
//! that can be stepped, so that nobody waits for a retry that is hours away. No key is needed: with
//! `--dev` the server listens on loopback alone.

mod inbox;
mod received;

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest, post};
use serde::Serialize;
use url::{Host, Url};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

pub use self::inbox::Inboxes;
use crate::App;
use crate::body::Body;
use crate::json::{Fields, FromFields};
use crate::problem::ApiError;

/// The furthest step of the clock.
const STEP_MS_MAX: u64 = 400 * 24 * 60 * 60 * 1_000;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(inbox::receive_post)
        .service(inbox::receive_put)
        .service(inbox::receive_patch)
        .service(inbox::list_inbox)
        .service(inbox::clear_inbox)
        .service(step_clock);
}

/// A request that was made to this machine by name or address. A web page of elsewhere can have its
/// own name lead here, and then reads what needs no key; but it cannot change what it calls us.
pub struct Local;

impl FromRequest for Local {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let url = host.and_then(|host| Url::parse(&format!("http://{host}")).ok());
        let local = url.as_ref().and_then(Url::host).is_some_and(|host| match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        });
        ready(if local { Ok(Local) } else { Err(ApiError::not_found()) })
    }
}

/// How far the clock is to go.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    #[schema(example = 60_000, maximum = 34_560_000_000u64)]
    advance_ms: u64,
}

impl FromFields for StepBody {
    const FIELDS: &'static [&'static str] = &["advance_ms"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        let advance_ms = fields.required("advance_ms")?;
        if advance_ms > STEP_MS_MAX {
            return Err(fields.missing("advance_ms", "at most 400 days"));
        }
        Ok(Self { advance_ms })
    }
}

/// What time it is now.
#[derive(Serialize, ToSchema)]
pub struct Stepped {
    #[schema(format = DateTime)]
    now: String,
}

/// Step the clock
///
/// Puts the clock of the whole process forward: what is due by then is sent at once.
#[utoipa::path(
    tag = "dev",
    security(()),
    request_body = StepBody,
    responses((status = 200, body = Stepped))
)]
#[post("/dev/clock")]
pub async fn step_clock(_: Local, app: Data<App>, body: Body) -> Result<Json<Stepped>, ApiError> {
    let body: StepBody = body.read()?;
    app.clock.step(Duration::from_millis(body.advance_ms));
    Ok(Json(Stepped { now: app.clock.now().to_string() }))
}
