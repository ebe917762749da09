//! Requests signed by a token in `authorization`. Since the token names its secret and carries the
//! body's hash, what is wrong is known.

use subtle::ConstantTimeEq as _;

use super::{Clock, Diagnosis, Reason, Request, bodies, form, header, keys, once};
use crate::secret::Secret;
use crate::signature::{
    Claims, JWT_ALG, JWT_TYP, JwtHeader, Scheme, TOLERANCE_S, decoded, jwt_mac, kid, sha256_hex,
};

/// A token taken apart.
struct Token<'a> {
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
    kid: String,
    claims: Claims,
}

impl Token<'_> {
    fn by(&self, key: &[u8]) -> bool {
        use hmac::Mac as _;
        jwt_mac(key, self.signed).verify_slice(&self.signature).is_ok()
    }

    fn is_of(&self, body: &[u8]) -> bool {
        let hash = sha256_hex(body);
        let same = |given: &str| bool::from(hash.as_bytes().ct_eq(given.as_bytes()));
        same(&self.claims.payload_hash) && same(&self.claims.request_body_sha256)
    }
}

pub(super) fn is_signed_by(secret: &Secret, request: Request<'_>) -> bool {
    let token = header(request, "authorization").map(|given| form::token(given).meant);
    token
        .and_then(|token| parse(token).ok())
        .is_some_and(|token| token.by(secret.expose().as_bytes()) && token.is_of(request.body))
}

pub(super) fn diagnose(request: Request<'_>, secret: &str, clock: Clock) -> Diagnosis {
    let mut diagnosis = Diagnosis { scheme: Some(Scheme::Jwt), ..Diagnosis::default() };
    let given = match once(request, "authorization") {
        Ok(given) => form::token(given),
        Err(reason) => {
            diagnosis.reasons.push(reason);
            return diagnosis;
        }
    };
    diagnosis.reasons.extend(given.wrong);
    match parse(given.meant) {
        Ok(token) => {
            diagnosis.signed_s = Some(token.claims.iat);
            let forged = why_not(&token, secret);
            // What a token says counts only if it is genuine.
            if forged.is_none() || forged.as_ref().is_some_and(|why| why.code == "secret_misused") {
                diagnosis.reasons.extend(forged);
                diagnosis.reasons.extend(other_body(&token, request.body));
                diagnosis.reasons.extend(other_headers(&token, request));
            } else {
                diagnosis.reasons.extend(forged);
            }
            diagnosis.reasons.extend(check_time(&token.claims, clock));
        }
        Err(rule) => {
            if diagnosis.reasons.is_empty() {
                let message = format!("the token in Authorization {rule}");
                diagnosis.reasons.push(Reason::new("header_malformed", message));
            }
            diagnosis.reasons.extend(keys::malformed(secret));
        }
    }
    diagnosis
}

fn parse(token: &str) -> Result<Token<'_>, String> {
    let not_base64 = |part: &str| format!("has {part} that is not base64 without padding");
    let (signed, signature) = token.rsplit_once('.').ok_or("has no signature")?;
    let (header, claims) = signed.split_once('.').ok_or("has no claims")?;
    let header = decoded(header).map_err(|_| not_base64("a header"))?;
    let claims = decoded(claims).map_err(|_| not_base64("claims"))?;
    let signature = decoded(signature).map_err(|_| not_base64("a signature"))?;
    let header: JwtHeader<'_> = serde_json::from_slice(&header)
        .map_err(|_| "has a header that is not exactly alg, kid and typ".to_owned())?;
    if header.alg != JWT_ALG {
        return Err(format!(
            "says alg {:?}: it has to be {JWT_ALG}, and a receiver never follows what a token says",
            header.alg
        ));
    }
    if header.typ != JWT_TYP {
        return Err(format!("says typ {:?}: it has to be {JWT_TYP}", header.typ));
    }
    let claims: Claims = serde_json::from_slice(&claims).map_err(|e| {
        format!("lacks a claim that Postrider always makes, or has it of another type ({e})")
    })?;
    Ok(Token { signed, signature, kid: header.kid.to_owned(), claims })
}

/// Why the token is not signed by the secret; none if it is.
fn why_not(token: &Token<'_>, given: &str) -> Option<Reason> {
    let readings = keys::readings(given);
    let signs = |secret: &Secret| token.by(secret.expose().as_bytes());
    if let Some(reading) = readings.iter().find(|reading| signs(&reading.secret)) {
        if token.kid != kid(&reading.secret) {
            let message = "the token is signed with this secret, and its kid names another one";
            return Some(Reason::new("token_changed", message));
        }
        return reading.mended.map(|mended| {
            let message = format!("it is the right secret, but {mended}; mended, it verifies");
            Reason::new("secret_misused", message)
        });
    }
    let Some(keys::Reading { secret, .. }) = readings.into_iter().next() else {
        return keys::malformed(given);
    };
    let misused = keys::misused_for_jwt(&secret);
    if let Some((_, how)) = misused.iter().find(|(key, _)| token.by(key)) {
        let message = format!("the token was signed with this secret used wrongly: {how}");
        return Some(Reason::new("secret_misused", message));
    }
    keys::malformed(given).or_else(|| {
        let ours = kid(&secret);
        Some(if token.kid == ours {
            Reason::new(
                "token_changed",
                "the token names this secret (kid) and its signature does not match: it was changed \
                 or cut off on the way, or made by somebody else",
            )
        } else {
            let message = format!(
                "the token was signed with another secret: its kid is {}, and that of this secret is \
                 {ours}; was it rotated, or is it of another webhook?",
                token.kid.chars().take(32).collect::<String>()
            );
            Reason::new("wrong_secret", message)
        })
    })
}

fn other_body(token: &Token<'_>, body: &[u8]) -> Option<Reason> {
    if token.is_of(body) {
        return None;
    }
    let found = bodies::origin(body, |origin| token.is_of(origin)).map(bodies::changed);
    found.or_else(|| {
        Some(Reason::new(
            "body_changed",
            "the token is genuine and the body is not the one it was made for: hash the raw bytes, \
             before they are parsed; a parser changes numbers (1.0), the order of keys and escapes",
        ))
    })
}

/// The two headers beside the token, which are not signed but said in it.
fn other_headers(token: &Token<'_>, request: Request<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(id) = header(request, "webhook-id").filter(|id| *id != token.claims.jti) {
        let message = format!(
            "webhook-id is {id:?} and the token was made for {:?}: the header was changed on the \
             way",
            token.claims.jti
        );
        reasons.push(Reason::new("id_changed", message));
    }
    let time = header(request, "webhook-timestamp");
    if let Some(time) = time.filter(|time| *time != token.claims.iat.to_string()) {
        let message = format!(
            "webhook-timestamp is {time:?} and the token was made at {}: the header was changed on \
             the way",
            token.claims.iat
        );
        reasons.push(Reason::new("timestamp_changed", message));
    }
    reasons
}

fn check_time(claims: &Claims, clock: Clock) -> Option<Reason> {
    let late = clock.check(claims.iat.max(claims.nbf));
    // Who allows more than is usual means the token's own end, too.
    let end_s = claims.exp.saturating_add((clock.tolerance_s - TOLERANCE_S).max(0));
    late.or_else(|| {
        (clock.now_s > end_s).then(|| {
            let message = format!("the token expired {} s ago (exp)", clock.now_s - claims.exp);
            Reason::new("too_old", message)
        })
    })
}
