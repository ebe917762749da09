//! One post to the server on this machine: the request that a webhook would get, and a bounded answer.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use model::event::Event;
use model::id::WebhookId;
use model::payload::PayloadFormat;
use model::secret::Secret;
use model::target::TargetUrl;
use model::webhook::WebhookConfig;
use reqwest::header::HeaderMap;
use store::world::{self, Clock, Stopwatch};
use tokio::time::timeout;

use crate::client::plain;
use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the body of an answer may take, and how much of it is read.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
const BODY_READ_MAX: usize = 64 * 1024;

pub struct Forward {
    http: reqwest::Client,
    webhook: WebhookId,
    config: WebhookConfig,
    secret: Secret,
    clock: Clock,
}

/// What came of a post.
pub struct Answer {
    took: Duration,
    /// The status and what it came with, or what went wrong.
    result: Result<(u16, String), String>,
}

impl Forward {
    pub fn new(url: TargetUrl, format: PayloadFormat, secret: Secret) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|e| Failure::failed(format!("no HTTP client can be made: {e}.")))?;
        let clock = Clock::system();
        let webhook = WebhookId(world::new_uid(clock.now()));
        let config = WebhookConfig { payload_format: format, ..WebhookConfig::new(url) };
        Ok(Self { http, webhook, config, secret, clock })
    }

    pub fn url(&self) -> &str {
        self.config.url.as_str()
    }

    /// For the eyes of its owner.
    pub fn secret(&self) -> &str {
        self.secret.expose()
    }

    pub async fn post(&self, event: &Event) -> Answer {
        let watch = Stopwatch::start();
        let result = timeout(self.config.timeout, self.answer(event)).await.unwrap_or_else(|_| {
            Err(format!("no answer within {} s", self.config.timeout.as_secs()))
        });
        Answer { took: watch.elapsed(), result }
    }

    async fn answer(&self, event: &Event) -> Result<(u16, String), String> {
        let (own, secrets) = (HeaderMap::new(), [&self.secret]);
        let now = self.clock.now();
        let mut request = worker::compose(self.webhook, &self.config, &own, &secrets, event, now)?;
        *request.uri_mut() =
            self.url().parse().map_err(|e| format!("the URL cannot be requested: {e}"))?;
        let request = reqwest::Request::try_from(request).map_err(|e| why(&e))?;
        let mut response = self.http.execute(request).await.map_err(|e| why(&e))?;
        let status = response.status();
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > BODY_READ_MAX {
                    break;
                }
            }
        };
        // The status line decides; what becomes of the body is only shown.
        let _ = timeout(BODY_TIMEOUT, read).await;
        body.truncate(BODY_READ_MAX);
        let said = if status.is_success() {
            String::new()
        } else if status.is_redirection() {
            "redirects are not followed".into()
        } else {
            plain(String::from_utf8_lossy(&body).trim())
        };
        Ok((status.as_u16(), said))
    }
}

/// In words.
fn why(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
    if error.is_connect() { format!("nobody answers there ({cause})") } else { cause }
}

impl Answer {
    pub fn is_good(&self) -> bool {
        matches!(self.result, Ok((200..300, _)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok((status, said)) => {
                write!(f, "{status} in {} ms", self.took.as_millis())?;
                if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
            }
            Err(what) => f.write_str(what),
        }
    }
}

/// A port of this machine, host:port, or a URL.
pub fn target(text: &str) -> Result<TargetUrl, String> {
    // A number by itself would be read as an address.
    let place = text.split(['/', '?']).next().unwrap_or_default();
    let is_port = !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit());
    if is_port && !place.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err("a port is a whole number from 1 to 65535".into());
    }
    let url = if is_port {
        format!("http://localhost:{text}")
    } else if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    TargetUrl::parse(&url)
        .map_err(|e| format!("{e}; give a port such as 3000, host:port, or a URL with a path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_port_a_place_or_a_url() {
        let read = |text: &str| target(text).map(|url| url.as_str().to_owned()).ok();
        for (text, url) in [
            ("3000", "http://localhost:3000/"),
            ("3000/hooks?a=b", "http://localhost:3000/hooks?a=b"),
            ("127.0.0.1:3000", "http://127.0.0.1:3000/"),
            ("localhost:3000/hooks?a=b", "http://localhost:3000/hooks?a=b"),
            ("http://[::1]:3000/x", "http://[::1]:3000/x"),
            ("https://my.test/x", "https://my.test/x"),
        ] {
            assert_eq!(read(text).as_deref(), Some(url), "{text}");
        }
        for text in ["", "0", "99999", "ftp://a/", "a b", "http://u:p@a/"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
