//! The least that any sender must do for a delivery, which relay and naked loop share: build the
//! standard payload, sign it by Standard Webhooks, POST it, read the answer. The client is the one that
//! Postrider uses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::Sha256;

use crate::Result;
use crate::event::now_micros;

/// Deliveries on the wire at once to one webhook, for all that send.
pub const IN_FLIGHT: usize = 16;
const SECRET: &[u8] = b"the secret of the yardsticks, 32";
const USER_AGENT: &str = concat!("bench/", env!("CARGO_PKG_VERSION"));

#[derive(Clone)]
pub struct Sender {
    client: Client,
    keyed: Hmac<Sha256>,
}

impl Sender {
    pub fn new() -> Result<Self> {
        // Fails only if one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .tcp_nodelay(true)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, keyed: Hmac::new_from_slice(SECRET)? })
    }

    /// Delivers one event; an error unless the answer is a 2xx.
    pub async fn send(&self, to: &Url, kind: &str, id: &str, data: &str) -> Result<()> {
        let now = now_micros();
        let payload = payload(kind, now, data);
        let timestamp = (now / 1_000_000).to_string();
        let signature = self.sign(id, &timestamp, &payload);
        let answer = self
            .client
            .post(to.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(payload)
            .send()
            .await?
            .error_for_status()?;
        // Reading to the end gives the connection back to the pool.
        answer.bytes().await?;
        Ok(())
    }

    fn sign(&self, id: &str, timestamp: &str, payload: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", payload] {
            mac.update(part);
        }
        let mut signature = "v1,".to_owned();
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut signature);
        signature
    }
}

fn payload(kind: &str, now: u64, data: &str) -> Bytes {
    let timestamp = DateTime::from_timestamp_micros(now.cast_signed())
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut payload = String::with_capacity(data.len() + 96);
    for part in [r#"{"type":""#, kind, r#"","timestamp":""#, &timestamp, r#"","data":"#, data, "}"]
    {
        payload.push_str(part);
    }
    payload.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_the_standard_one() {
        let payload = payload("bench.event", 1_760_000_000_000_000, r#"{"at":1}"#);
        let expected =
            br#"{"type":"bench.event","timestamp":"2025-10-09T08:53:20.000000Z","data":{"at":1}}"#;
        assert_eq!(&payload[..], expected);
    }
}
