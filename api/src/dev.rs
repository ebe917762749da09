//! What there is with `--dev` only: inboxes, which are subscribers to try things with, and a clock
//! that can be stepped, so that nobody waits for a retry that is hours away. No key is needed: with
//! `--dev` the server listens on loopback alone.

mod inbox;
mod received;

use std::time::Duration;

use actix_web::post;
use actix_web::web::{Data, Json};
use serde::Serialize;
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
pub async fn step_clock(app: Data<App>, body: Body) -> Result<Json<Stepped>, ApiError> {
    let body: StepBody = body.read()?;
    app.clock.step(Duration::from_millis(body.advance_ms));
    Ok(Json(Stepped { now: app.clock.now().to_string() }))
}
