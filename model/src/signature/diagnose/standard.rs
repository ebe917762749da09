//! Requests signed by Standard Webhooks: three headers, HMAC-SHA256 over `id.timestamp.body`.

use hmac::Mac as _;
use subtle::ConstantTimeEq as _;

use super::form::Read;
use super::{Clock, Diagnosis, Reason, Request, bodies, form, keys, once};
use crate::signature::{Scheme, standard_mac};

/// Steps of time by which clocks and time zones make a timestamp another one: whole quarters of an
/// hour up to 14 hours, and a few seconds.
const QUARTER_S: i64 = 900;
const QUARTERS: i64 = 56;
const SECONDS: i64 = 5;

/// The headers as they were meant.
struct Signed {
    id: String,
    timestamp: String,
    signatures: Vec<Vec<u8>>,
}

impl Signed {
    /// Whether there is enough to compute anything with.
    fn is_whole(&self) -> bool {
        let is_whole = |signature: &Vec<u8>| signature.len() == 32;
        !self.id.is_empty()
            && self.timestamp.parse::<i64>().is_ok()
            && self.signatures.iter().any(is_whole)
    }

    fn by(&self, key: &[u8], body: &[u8]) -> bool {
        self.by_at(key, &self.timestamp, body)
    }

    fn by_at(&self, key: &[u8], timestamp: &str, body: &[u8]) -> bool {
        let expected = standard_mac(key, &self.id, timestamp, body).finalize().into_bytes();
        self.signatures.iter().any(|given| bool::from(expected.as_slice().ct_eq(given)))
    }
}

pub(super) fn is_signed_by(key: &[u8], request: Request<'_>) -> bool {
    read(request).0.is_some_and(|signed| signed.by(key, request.body))
}

pub(super) fn diagnose(request: Request<'_>, secret: &str, clock: Clock) -> Diagnosis {
    let (signed, mut reasons) = read(request);
    let signed_s = signed.as_ref().and_then(|signed| signed.timestamp.parse().ok());
    match &signed {
        Some(signed) => reasons.extend(why_not(signed, secret, request.body)),
        // Nothing can be computed, but the secret can be judged.
        None => reasons.extend(keys::malformed(secret)),
    }
    reasons.extend(signed_s.and_then(|signed_s| clock.check(signed_s)));
    Diagnosis { scheme: Some(Scheme::Standard), signed_s, reasons }
}

/// Reads the headers, as far as they are there, and what is wrong with them.
fn read(request: Request<'_>) -> (Option<Signed>, Vec<Reason>) {
    let mut reasons = Vec::new();
    let id = one(once(request, "webhook-id").map(form::id), &mut reasons);
    let timestamp = one(once(request, "webhook-timestamp").map(form::timestamp), &mut reasons);
    let signatures = one(once(request, "webhook-signature").map(form::signatures), &mut reasons);
    let signed = id.zip(timestamp).zip(signatures);
    let signed = signed.map(|((id, timestamp), signatures)| Signed { id, timestamp, signatures });
    (signed.filter(Signed::is_whole), reasons)
}

fn one<T>(read: Result<Read<T>, Reason>, reasons: &mut Vec<Reason>) -> Option<T> {
    match read {
        Ok(Read { meant, wrong }) => {
            reasons.extend(wrong);
            Some(meant)
        }
        Err(reason) => {
            reasons.push(reason);
            None
        }
    }
}

/// Why the signature does not match; none if it does.
fn why_not(signed: &Signed, given: &str, body: &[u8]) -> Option<Reason> {
    let readings = keys::readings(given);
    if let Some(reading) = readings.iter().find(|reading| signed.by(reading.secret.key(), body)) {
        return reading.mended.map(|mended| {
            let message = format!("it is the right secret, but {mended}; mended, it verifies");
            Reason::new("secret_misused", message)
        });
    }
    let misused = keys::misused_for_standard(given);
    if let Some((_, how)) = misused.iter().find(|(key, _)| signed.by(key, body)) {
        let message = format!("the request was signed with this secret used wrongly: {how}");
        return Some(Reason::new("secret_misused", message));
    }
    let Some(reading) = readings.first() else { return keys::malformed(given) };
    let key = reading.secret.key();
    let changed = bodies::origin(body, |origin| signed.by(key, origin)).map(bodies::changed);
    changed.or_else(|| moved(signed, key, body)).or_else(|| keys::malformed(given)).or_else(|| {
        Some(Reason::new(
            "no_match",
            "no signature matches: the secret is another one, or the body, webhook-id or \
             webhook-timestamp was changed; the usual changes on the way (line ends, spaces, \
             escapes, the order of the envelope) were tried, and none explains it",
        ))
    })
}

/// Whether another timestamp was signed, near this one.
fn moved(signed: &Signed, key: &[u8], body: &[u8]) -> Option<Reason> {
    let given: i64 = signed.timestamp.parse().ok()?;
    let quarters = (1..=QUARTERS).map(|n| n * QUARTER_S);
    let steps = (1..=SECONDS).chain(quarters).flat_map(|step| [step, -step]);
    let found = steps
        .map(|step| given.saturating_add(step))
        .find(|at| signed.by_at(key, &at.to_string(), body))?;
    let by = given - found;
    Some(Reason::new(
        "timestamp_changed",
        format!(
            "webhook-timestamp was changed by {by:+} s on the way: it verifies with {found}; pass \
             the header on as it is, without reading it as a local time"
        ),
    ))
}
