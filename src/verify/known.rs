//! What the server that sent a request knows about it: the secrets that sign, and the body as it left.

use std::cmp::Ordering;

use bytes::Bytes;
use model::event::{Event, EventType};
use model::id::{EventUid, WebhookId};
use model::payload::{self, PayloadFormat};
use model::secret;
use model::signature::Scheme;
use model::signature::diagnose::{Reason, Request, is_signed_by};
use model::tenant::Tenant;
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::settings::Secret;

/// Other webhooks whose secrets are looked at.
const OTHERS_MAX: usize = 200;
/// Bytes of a body that are shown on either side of a difference.
const SHOWN_BYTES: usize = 24;

/// What the request alone says.
#[derive(Debug, Clone, Copy)]
pub struct Guess {
    pub signed_s: Option<i64>,
    /// Of a token.
    pub kid: Option<Kid>,
}

/// Whose secret a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kid {
    Ours,
    Another,
}

pub struct Known {
    webhook: WebhookView,
    secrets: Vec<secret::Secret>,
    /// When the newest was made.
    newest_at: String,
    /// Of other webhooks, newest of each.
    others: Vec<(String, secret::Secret)>,
    /// The body as it was sent.
    sent: Option<Bytes>,
    event_id: Option<String>,
}

#[derive(Deserialize)]
struct WebhookView {
    id: String,
    tenant: String,
    signature: SignatureView,
    payload_format: String,
    created_at: String,
}

#[derive(Deserialize)]
struct SignatureView {
    scheme: String,
}

#[derive(Deserialize)]
struct SecretsView {
    secrets: Vec<SecretView>,
}

#[derive(Deserialize)]
struct SecretView {
    secret: String,
    created_at: String,
}

#[derive(Deserialize)]
struct EventView {
    uid: String,
    #[serde(rename = "type")]
    event_type: String,
    timestamp: String,
    data: Box<RawValue>,
}

impl Known {
    pub async fn ask(
        client: &Client,
        webhook: WebhookId,
        request: Request<'_>,
        given: Option<&Secret>,
    ) -> Result<Self, Failure> {
        let webhook: WebhookView = client.get_as(&format!("/v1/webhooks/{webhook}"), &[]).await?;
        let views = secrets_of(client, &webhook.id).await?;
        let newest_at = views.first().map(|view| view.created_at.clone()).unwrap_or_default();
        let secrets: Vec<_> =
            views.iter().filter_map(|view| secret::Secret::parse(&view.secret).ok()).collect();
        let event_id = super::event_id(request).map(str::to_owned);
        let sent = match &event_id {
            Some(id) => sent(client, &webhook, id).await?,
            None => None,
        };
        let mut known = Self { webhook, secrets, newest_at, others: Vec::new(), sent, event_id };
        let is_signed = known.secrets.iter().any(|secret| is_signed_by(secret, request));
        if !is_signed || given.is_some_and(|given| !known.has(given)) {
            known.others = others(client, &known.webhook).await?;
        }
        Ok(known)
    }

    fn has(&self, given: &Secret) -> bool {
        self.secrets.iter().any(|secret| secret.expose() == given.expose())
    }

    /// The secret that signed it, else the newest.
    pub fn best_secret(&self, request: Request<'_>) -> Secret {
        let signed = self.secrets.iter().find(|secret| is_signed_by(secret, request));
        let best = signed.or(self.secrets.first());
        best.map(|secret| secret.expose().to_owned()).unwrap_or_default().into()
    }

    pub fn notes(&self, scheme: Option<Scheme>) -> Vec<String> {
        let mut notes = Vec::new();
        let other = scheme.filter(|scheme| scheme.as_str() != self.webhook.signature.scheme);
        if let Some(other) = other {
            notes.push(format!(
                "the request is signed by {} and this webhook signs by {}",
                other.as_str(),
                self.webhook.signature.scheme
            ));
        }
        if let (None, Some(id)) = (&self.sent, &self.event_id) {
            notes.push(format!(
                "the server does not know the event {id:?}: the id was changed, it was sent by another \
                 server, or it was forgotten after the days of retention"
            ));
        }
        notes
    }

    /// Why it does not verify, for sure. None where no more is known than without a server.
    pub fn reasons(
        &self,
        request: Request<'_>,
        given: Option<&Secret>,
        guess: Guess,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        reasons.extend(given.and_then(|given| self.about_secret(given)));
        let signs = |secret: &secret::Secret| is_signed_by(secret, request);
        if !self.secrets.iter().any(signs) {
            reasons.extend(self.about_request(request, guess));
        }
        reasons
    }

    /// The secret that was given, if it is not one of this webhook's.
    pub fn about_secret(&self, given: &Secret) -> Option<Reason> {
        if self.has(given) {
            return None;
        }
        let given = given.expose();
        let (id, newest_at) = (&self.webhook.id, &self.newest_at);
        let message = match self.others.iter().find(|(_, secret)| secret.expose() == given) {
            Some((other, _)) => {
                format!("this is the secret of another webhook, {other}; not of {id}")
            }
            None if *newest_at > self.webhook.created_at => format!(
                "this secret is not one that {id} signs with now: its secret was rotated at \
                 {newest_at}, and the one before has ended or is another one; `postrider webhooks \
                 secret {id}` shows those that sign"
            ),
            None => format!(
                "this is not the secret of {id}, which has had one only, since {newest_at}; \
                 `postrider webhooks secret {id}` shows it"
            ),
        };
        Some(Reason::new("wrong_secret", message))
    }

    /// A request that none of this webhook's secrets signed.
    fn about_request(&self, request: Request<'_>, guess: Guess) -> Option<Reason> {
        let original = self.sent.as_ref().map(|body| Request { body, ..request });
        let as_sent =
            |secret: &secret::Secret| original.is_some_and(|sent| is_signed_by(secret, sent));
        if let Some(sent) = &self.sent
            && self.secrets.iter().any(as_sent)
        {
            return Some(Reason::new("body_changed", difference(sent, request.body)));
        }
        let id = &self.webhook.id;
        let signed = |secret: &secret::Secret| is_signed_by(secret, request) || as_sent(secret);
        if let Some((other, _)) = self.others.iter().find(|(_, secret)| signed(secret)) {
            let message = format!("it was signed for another webhook, {other}; not for {id}");
            return Some(Reason::new("wrong_secret", message));
        }
        match self.before_rotation(guess) {
            Some(Ordering::Less) => {
                let message = format!(
                    "it was signed before the secret of {id} was rotated ({}), by one that does not \
                     sign any more",
                    self.newest_at
                );
                return Some(Reason::new("wrong_secret", message));
            }
            Some(Ordering::Equal) => {
                let message = format!(
                    "no secret of {id} made the signature, which is of the second in which its secret \
                     was rotated ({}): it may be of before that, or it was changed on the way, or \
                     somebody else made it",
                    self.newest_at
                );
                return Some(Reason::new("no_match", message));
            }
            // The token's kid says more than a guess from the body could.
            _ if guess.kid == Some(Kid::Another) => return None,
            _ => {}
        }
        let sent = self.sent.as_ref()?;
        if sent == request.body {
            let message = "the body is the one that was sent, and no secret of this webhook made the \
                           signature: webhook-id, webhook-timestamp or the signature itself was \
                           changed on the way, or somebody else made it";
            return Some(Reason::new("signature_changed", message));
        }
        let difference = difference(sent, request.body);
        let message = format!(
            "{difference}; a header was changed as well, since that body does not \
                               verify either"
        );
        Some(Reason::new("body_changed", message))
    }
}

impl Known {
    /// How the time of signing lies to the rotation; none if there was none, or it cannot matter.
    fn before_rotation(&self, guess: Guess) -> Option<Ordering> {
        if self.newest_at <= self.webhook.created_at || guess.kid == Some(Kid::Ours) {
            return None;
        }
        let rotated_s = Timestamp::parse(&self.newest_at).ok()?.secs();
        match guess.signed_s?.cmp(&rotated_s) {
            // A time of signing is cut to its second; the kid tells that it was another secret.
            Ordering::Equal if guess.kid == Some(Kid::Another) => Some(Ordering::Less),
            order => Some(order),
        }
    }
}

async fn secrets_of(client: &Client, id: &str) -> Result<Vec<SecretView>, Failure> {
    let view: SecretsView = client.get_as(&format!("/v1/webhooks/{id}/secret"), &[]).await?;
    Ok(view.secrets)
}

/// The body that was sent of an event, if the server still has it.
async fn sent(client: &Client, webhook: &WebhookView, id: &str) -> Result<Option<Bytes>, Failure> {
    // Not what no event is called: it would be another path.
    if EventUid::parse(id).is_none() && model::id::check_event_id(id).is_err() {
        return Ok(None);
    }
    let query = [("tenant", webhook.tenant.as_str())];
    let event: EventView = match client.get_as(&format!("/v1/events/{id}"), &query).await {
        Ok(event) => event,
        Err(failure) if failure.exit == Exit::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let (Some(uid), Ok(event_type), Ok(format)) = (
        EventUid::parse(&event.uid),
        EventType::parse(&event.event_type),
        PayloadFormat::parse(&webhook.payload_format),
    ) else {
        return Ok(None);
    };
    let event = Event {
        uid,
        tenant: Tenant::default(),
        chosen_id: None,
        event_type,
        given_timestamp: Some(event.timestamp),
        accepted_at: Timestamp::default(),
        data: Bytes::from(event.data.get().to_owned()),
    };
    Ok(Some(payload::body(format, &event)))
}

/// The secrets of other webhooks of the tenant, as many as are looked at.
async fn others(
    client: &Client,
    webhook: &WebhookView,
) -> Result<Vec<(String, secret::Secret)>, Failure> {
    let query = [("tenant", webhook.tenant.as_str())];
    let page = client.list("/v1/webhooks", &query, OTHERS_MAX).await?;
    let mut others = Vec::new();
    let listed = page["data"].as_array().into_iter().flatten();
    for id in listed.filter_map(|other| other["id"].as_str()).filter(|id| *id != webhook.id) {
        for view in secrets_of(client, id).await? {
            if let Ok(secret) = secret::Secret::parse(&view.secret) {
                others.push((id.to_owned(), secret));
            }
        }
    }
    Ok(others)
}

/// Where two bodies part.
fn difference(sent: &[u8], received: &[u8]) -> String {
    let at = sent.iter().zip(received).take_while(|(a, b)| a == b).count();
    let shown = |body: &[u8]| {
        let from = at.saturating_sub(SHOWN_BYTES / 2);
        let to = body.len().min(at + SHOWN_BYTES);
        if at >= body.len() {
            return "its end".to_owned();
        }
        let text = String::from_utf8_lossy(&body[from..to]);
        format!("{:?}", if from > 0 { format!("…{text}") } else { text.into_owned() })
    };
    format!(
        "the body was changed on the way: the first difference is at byte {at}: expected {}, got {} \
         ({} bytes were sent, {} received)",
        shown(sent),
        shown(received),
        sent.len(),
        received.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(newest_at: &str) -> Known {
        Known {
            webhook: WebhookView {
                id: "wh_1".into(),
                tenant: "default".into(),
                signature: SignatureView { scheme: "standard".into() },
                payload_format: "standard".into(),
                created_at: "2026-01-01T00:00:00.100Z".into(),
            },
            secrets: Vec::new(),
            newest_at: newest_at.into(),
            others: Vec::new(),
            sent: None,
            event_id: None,
        }
    }

    #[test]
    fn only_a_rotation_makes_a_request_one_of_before_and_its_very_second_leaves_it_open() {
        let request = Request { headers: &[], body: b"{}" };
        let judge = |newest_at: &str, signed_at: &str, kid: Option<Kid>| {
            let signed_s = Some(Timestamp::parse(signed_at).expect(signed_at).secs());
            let reason = known(newest_at).about_request(request, Guess { signed_s, kid });
            reason.map(|reason| reason.code)
        };
        let (made, rotated) = ("2026-01-01T00:00:00.100Z", "2026-01-02T00:00:00.500Z");
        assert_eq!(judge(made, "2026-01-01T00:00:00Z", None), None);
        assert_eq!(judge(rotated, "2026-01-01T23:59:59Z", None), Some("wrong_secret"));
        assert_eq!(judge(rotated, "2026-01-02T00:00:00Z", None), Some("no_match"));
        assert_eq!(judge(rotated, "2026-01-02T00:00:01Z", None), None);
        let at = "2026-01-02T00:00:00Z";
        assert_eq!(judge(rotated, at, Some(Kid::Another)), Some("wrong_secret"));
        assert_eq!(judge(rotated, at, Some(Kid::Ours)), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_what_is_around_it() {
        let said = difference(b"{\"total\": 50.75}", b"{\"total\":50.75}");
        assert!(
            said.contains(r#"at byte 9: expected "{\"total\": 50.75}", got "{\"total\":50.75}""#),
            "{said}"
        );
        let said = difference(b"{}", b"{}\n");
        assert!(said.contains(r#"at byte 2: expected its end, got "{}\n""#), "{said}");
        let said = difference(&[b'a'; 100], &[b'a'; 50]);
        assert!(
            said.contains("at byte 50: expected \"…aaa") && said.contains("got its end"),
            "{said}"
        );
    }
}
