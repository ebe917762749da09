//! The webhook `demo`: a subscriber that is there from the first minute, so that the first event
//! somebody sends arrives somewhere.

use std::net::SocketAddr;

use api::webhooks::RegisterBody;
use model::target::TargetUrl;
use model::tenant::Tenant;
use model::webhook::EventTypes;

use crate::failure::Failure;

/// The events it gets: not all, so that filtering is seen too.
const EVENT_TYPES: &str = "order.*";

/// Registers it at the built-in inbox of the same name.
pub async fn register(app: &api::App, address: SocketAddr) -> Result<(), Failure> {
    let url = TargetUrl::parse(&inbox(address)).map_err(|e| failed(&e))?;
    let types = EventTypes::parse(&[EVENT_TYPES.to_owned()]).map_err(|e| failed(&e))?;
    let body = RegisterBody::new(url).with_event_types(types);
    api::webhooks::register(app, &Tenant::default(), body).await.map_err(|e| failed(&e))?;
    Ok(())
}

pub fn inbox(address: SocketAddr) -> String {
    format!("http://{address}/dev/inbox/demo")
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::failed(format!("the webhook demo cannot be registered: {error}."))
}
