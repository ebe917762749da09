//! `postrider sign`: the headers that sign a body, to try a receiver with.

use clap::{Args, ValueEnum};
use model::event::EventType;
use model::id::{EventUid, Uid, WebhookId, check_event_id};
use model::secret;
use model::signature::{self, Message, Scheme};
use model::target::TargetUrl;
use model::time::Timestamp;
use serde_json::json;
use store::world::{self, Clock};

use crate::failure::Failure;
use crate::given::{self, SecretArgs};
use crate::output::{say, say_json};
use crate::shell::quoted;

/// Whom a token is made for if nothing is said.
const URL_DEFAULT: &str = "https://example.com/webhook";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  The headers for a body
    POSTRIDER_SECRET=whsec_… postrider sign --id evt_1 --body @body.json
  A request to a receiver on this machine, as a command
    POSTRIDER_SECRET=whsec_… postrider sign --body @body.json --curl http://127.0.0.1:3000/hook
  An old one, which a receiver has to refuse
    POSTRIDER_SECRET=whsec_… postrider sign --body '{}' --at 2026-01-01T00:00:00Z

See also: postrider verify, postrider receive.")]
pub struct Sign {
    /// The body: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY")]
    body: String,

    /// The event's id, which becomes webhook-id [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// How to sign
    #[arg(long, alias = "scheme", value_enum, default_value = "standard")]
    signature: SchemeName,

    /// When: 2026-08-22T10:00:00Z or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = given::moment)]
    at: Option<Timestamp>,

    /// Print a curl command that sends the body with its headers to this URL
    #[arg(long, value_name = "URL")]
    curl: Option<String>,

    /// For jwt: the event's type, which becomes the claim sub
    #[arg(long = "type", value_name = "TYPE", default_value = model::event::TEST_EVENT_TYPE)]
    event_type: String,

    /// For jwt: the webhook's id, which becomes the claim aud
    #[arg(long, value_name = "WEBHOOK_ID", value_parser = crate::given::webhook)]
    webhook: Option<String>,

    #[command(flatten)]
    secret: SecretArgs,

    /// Print JSON
    #[arg(long, conflicts_with = "curl")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemeName {
    /// webhook-signature, HMAC-SHA256 (Standard Webhooks)
    Standard,
    /// Authorization: Bearer, a token with the body's hash
    Jwt,
}

pub fn run(sign: &Sign) -> Result<(), Failure> {
    let secret = given::checked(&sign.secret.required()?)?;
    let body = given::bytes(&sign.body, "body")?;
    let headers = headers(sign, &secret, &body)?;
    if let Some(url) = &sign.curl {
        say(curl(url, &headers, &sign.body, &body)?);
    } else if sign.json {
        let headers: serde_json::Map<_, _> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        say_json(json!({ "headers": headers }));
    } else {
        for (name, value) in headers {
            say(format!("{name}: {value}"));
        }
    }
    Ok(())
}

fn headers(
    sign: &Sign,
    secret: &secret::Secret,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let now = sign.at.unwrap_or_else(|| Clock::system().now());
    let id = match &sign.id {
        Some(id) => {
            if EventUid::parse(id).is_none() {
                check_event_id(id).map_err(|e| Failure::usage(format!("--id {id:?}: {e}.")))?;
            }
            id.clone()
        }
        None => EventUid(world::new_uid(now)).to_string(),
    };
    EventType::parse(&sign.event_type)
        .map_err(|e| Failure::usage(format!("--type {:?}: {e}.", sign.event_type)))?;
    let url = sign.curl.as_deref().unwrap_or(URL_DEFAULT);
    let url = TargetUrl::parse(url).map_err(|e| Failure::usage(format!("--curl {url:?}: {e}.")))?;
    let webhook = sign.webhook.as_deref().and_then(WebhookId::parse);
    let message = Message {
        event_id: &id,
        event_type: &sign.event_type,
        webhook_id: webhook.unwrap_or(WebhookId(Uid([0; 16]))),
        url: &url,
        body,
        now,
    };
    let scheme = match sign.signature {
        SchemeName::Standard => Scheme::Standard,
        SchemeName::Jwt => Scheme::Jwt,
    };
    signature::sign(scheme, &[secret], &message).map_err(|e| Failure::failed(format!("{e}.")))
}

/// A command that can be copied. The secret is not on it.
fn curl(
    url: &str,
    headers: &[(&'static str, String)],
    argument: &str,
    body: &[u8],
) -> Result<String, Failure> {
    let mut lines = vec![format!("curl -i {}", quoted(url))];
    lines.push("-H 'content-type: application/json'".into());
    lines.extend(
        headers.iter().map(|(name, value)| format!("-H {}", quoted(&format!("{name}: {value}")))),
    );
    lines.push(if argument.starts_with('@') {
        // Unlike --data, it leaves line ends as they are.
        format!("--data-binary {}", quoted(argument))
    } else {
        let text = std::str::from_utf8(body).map_err(|_| {
            Failure::usage("the body is not text, and a command cannot hold it: give it as @FILE.")
        })?;
        format!("--data-raw {}", quoted(text))
    });
    Ok(lines.join(" \\\n  "))
}
