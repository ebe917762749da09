//! `postrider verify`: whether a request that was received is genuine, and if not, why. Without a
//! server it says what can be known from the request alone; beside one it knows the rest.

mod known;

use clap::Args;
use model::id::WebhookId;
use model::signature::diagnose::{self, Diagnosis, Request, diagnose};
use model::signature::{Scheme, TOLERANCE_S};
use model::time::Timestamp;
use serde_json::{Value, json};
use store::world::Clock;

use crate::client::{self, Client, Connection, plain};
use crate::failure::{Exit, Failure};
use crate::given::{self, Received, SecretArgs};
use crate::output::{say, say_json, sentence};
use crate::settings::Secret;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  A request that was saved whole, judged at the time it was signed
    POSTRIDER_SECRET=whsec_… postrider verify --request @request.http --at signed
  Its parts
    postrider verify --secret-file secret.txt --headers @headers.txt --body @body.json
    postrider verify --secret-file secret.txt --header 'webhook-id: evt_1' \\
      --header 'webhook-timestamp: 1787392800' --header 'webhook-signature: v1,…' --body @body.json
  With the server that sent it, which knows the body and the secrets
    postrider verify --webhook wh_… --request @request.http

Exit codes: 0 it verifies, 1 it does not, 2 something given is wrong (also the secret's form),
3 the webhook is not there, 4 the key is missing or wrong.
See also: postrider sign, postrider receive.")]
pub struct Verify {
    /// A whole request: raw HTTP, or a line of `receive --json`; @FILE, or - for stdin
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["headers", "body"])]
    request: Option<String>,

    /// A header, 'name: value'; may be repeated
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    header: Vec<String>,

    /// Header lines: @FILE, or - for stdin
    #[arg(long, value_name = "HEADERS")]
    headers: Option<String>,

    /// The body: @FILE, - for stdin, or the text itself
    #[arg(long, value_name = "BODY")]
    body: Option<String>,

    #[command(flatten)]
    secret: SecretArgs,

    /// How far the time of signing may be from now, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = TOLERANCE_S,
        value_parser = clap::value_parser!(i64).range(0..=315_360_000)
    )]
    tolerance: i64,

    /// When it was received, for a request of the past: 2026-08-22T10:00:00Z, seconds since 1970, or
    /// `signed` for the time it was signed
    #[arg(long, value_name = "TIME", value_parser = at)]
    at: Option<At>,

    /// Ask the server about this webhook's secrets and the event as it was sent
    #[arg(long, value_name = "WEBHOOK_ID", value_parser = crate::given::webhook)]
    webhook: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Time(Timestamp),
    Signed,
}

fn at(text: &str) -> Result<At, String> {
    if text == "signed" { Ok(At::Signed) } else { given::moment(text).map(At::Time) }
}

/// What came out.
struct Verdict {
    diagnosis: Diagnosis,
    now: Timestamp,
    /// What is worth knowing beside it.
    notes: Vec<String>,
}

pub fn run(verify: &Verify) -> Result<(), Failure> {
    let received = received(verify)?;
    let request = Request { headers: &received.headers, body: &received.body };
    let secret = verify.secret.read()?;
    let mut verdict = match &verify.webhook {
        None => {
            let secret = verify.secret.required()?;
            alone(verify, request, &secret)
        }
        Some(webhook) => {
            let webhook = WebhookId::parse(webhook)
                .ok_or_else(|| Failure::usage(format!("{webhook:?} is not a webhook's id.")))?;
            let client = Client::new(&verify.connection)?;
            let known = client::run(known::Known::ask(&client, webhook, request, secret.as_ref()))?;
            beside(verify, request, secret.as_ref(), &known)
        }
    };
    verdict.notes.splice(0..0, received.notes);
    verdict.print(verify.json);
    match verdict.diagnosis.reasons.first().map(|reason| reason.code) {
        None => Ok(()),
        Some("secret_malformed") => Err(Failure::said(Exit::Usage)),
        Some(_) => Err(Failure::said(Exit::Failed)),
    }
}

fn received(verify: &Verify) -> Result<Received, Failure> {
    let stdin = [&verify.request, &verify.headers, &verify.body];
    if stdin.iter().filter(|given| given.as_deref() == Some("-")).count() > 1 {
        return Err(Failure::usage(
            "stdin can be read once: give the headers or the body as @FILE.",
        ));
    }
    let mut received = match &verify.request {
        Some(request) => Received::parse(given::bytes(request, "request")?)?,
        None => {
            let Some(body) = &verify.body else {
                return Err(Failure::usage(
                    "there is no body to verify: give a whole request with --request @FILE, or its \
                     parts with --headers @FILE and --body @FILE.",
                ));
            };
            let headers = verify.headers.as_ref();
            let headers = headers.map(|headers| given::bytes(headers, "headers")).transpose()?;
            Received {
                headers: given::header_lines(&headers.unwrap_or_default())?,
                body: given::bytes(body, "body")?,
                notes: Vec::new(),
            }
        }
    };
    for header in &verify.header {
        received.headers.push(given::header_line(header)?);
    }
    Ok(received)
}

/// By what was given.
fn alone(verify: &Verify, request: Request<'_>, secret: &Secret) -> Verdict {
    let at = |now| diagnose(request, secret.expose(), verify.tolerance, now);
    let now = match verify.at {
        Some(At::Time(at)) => at,
        None => Clock::system().now(),
        Some(At::Signed) => {
            let signed_s = at(Timestamp(0)).signed_s;
            signed_s.map_or_else(|| Clock::system().now(), Timestamp::from_secs)
        }
    };
    Verdict { diagnosis: at(now), now, notes: Vec::new() }
}

/// By what the server knows, too: it takes the place of what could only be guessed.
fn beside(
    verify: &Verify,
    request: Request<'_>,
    given: Option<&Secret>,
    known: &known::Known,
) -> Verdict {
    let stands_in = known.best_secret(request);
    let mut verdict = alone(verify, request, given.unwrap_or(&stands_in));
    verdict.notes.extend(known.notes(verdict.diagnosis.scheme));
    if verdict.diagnosis.is_ok() {
        // It was right when the request was signed.
        let now = given.and_then(|given| known.about_secret(given));
        verdict.notes.extend(now.map(|reason| reason.message));
    }
    let reasons = &mut verdict.diagnosis.reasons;
    let is_guess =
        |code: &str| matches!(code, "no_match" | "wrong_secret" | "body_changed" | "token_changed");
    if let Some(place) = reasons.iter().position(|reason| is_guess(reason.code)) {
        let kid = match (verdict.diagnosis.scheme, reasons[place].code) {
            (Some(Scheme::Jwt), "token_changed") => Some(known::Kid::Ours),
            (Some(Scheme::Jwt), "wrong_secret") => Some(known::Kid::Another),
            _ => None,
        };
        let guess = known::Guess { signed_s: verdict.diagnosis.signed_s, kid };
        let sure = known.reasons(request, given, guess);
        if !sure.is_empty() {
            // How a body was changed is worth knowing beside where.
            let how = reasons.remove(place);
            if how.code == "body_changed" {
                verdict.notes.push(how.message);
            }
            reasons.splice(place..place, sure);
        }
    }
    verdict
}

impl Verdict {
    fn print(&self, json: bool) {
        if json {
            say_json(self.as_json());
            return;
        }
        let Diagnosis { scheme, reasons, .. } = &self.diagnosis;
        match reasons.split_first() {
            None => {
                let scheme = scheme.map_or("", Scheme::as_str);
                let age = self.age_s().map(|age_s| format!(", {age_s} s after it was signed"));
                say(format!("verified: signed by {scheme}{}", age.unwrap_or_default()));
            }
            Some((first, others)) => {
                say(format!("not verified ({}): {}", first.code, plain(&sentence(&first.message))));
                for other in others {
                    say(format!("also ({}): {}", other.code, plain(&sentence(&other.message))));
                }
            }
        }
        for note in &self.notes {
            say(format!("note: {}", plain(&sentence(note))));
        }
    }

    fn as_json(&self) -> Value {
        let Diagnosis { scheme, signed_s, reasons } = &self.diagnosis;
        let reasons = reasons.iter();
        let reasons = reasons.map(|r| json!({ "code": r.code, "message": r.message }));
        json!({
            "verified": self.diagnosis.is_ok(),
            "scheme": scheme.map(Scheme::as_str),
            "signed_at": signed_s.map(|s| Timestamp::from_secs(s).to_string()),
            "age_s": self.age_s(),
            "reasons": reasons.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    fn age_s(&self) -> Option<i64> {
        self.diagnosis.signed_s.map(|signed_s| self.now.secs().saturating_sub(signed_s))
    }
}

/// The event that a request says it is of.
fn event_id<'a>(request: Request<'a>) -> Option<&'a str> {
    diagnose::header(request, "webhook-id")
}
