use super::*;
use crate::id::Uid;
use proptest::prelude::*;

const V1_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const INVOICE: &str = r#"{"type":"invoice.paid","timestamp":"2026-08-22T10:00:00Z","data":{"id":"inv_1","note":"héllo 📦","n":1.0}}"#;
const INVOICE_SHA256: &str = "7905782fa493c9092c4209b05eea755cc2fd8d7102ff803a347a0c9c09b74f66";
const NOW_S: i64 = 1_787_392_800;

fn secret(text: &str) -> Secret {
    Secret::parse(text).expect("valid")
}

fn other_secret() -> Secret {
    Secret::from_random([3; 32])
}

fn url() -> TargetUrl {
    TargetUrl::parse("https://example.com/in").expect("valid")
}

fn message<'a>(id: &'a str, url: &'a TargetUrl, body: &'a [u8], now_s: i64) -> Message<'a> {
    Message {
        event_id: id,
        event_type: "invoice.paid",
        webhook_id: WebhookId(Uid([9; 16])),
        url,
        body,
        now: Timestamp::from_secs(now_s),
    }
}

/// The value of the third header, after the two that every scheme has.
fn signed(scheme: Scheme, secrets: &[Secret], message: &Message<'_>) -> String {
    let secrets: Vec<_> = secrets.iter().collect();
    let mut headers = sign(scheme, &secrets, message).expect("there is a secret");
    headers.pop().expect("three headers").1
}

#[test]
fn the_published_vectors_hold() {
    let rows = [
        (
            "V1",
            V1_SECRET,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "V2",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "2.4",
            V1_SECRET,
            "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            NOW_S,
            INVOICE,
            "v1,N/Em4Af9v6QMErsmOb39+xF7CnODYbqtPJsgwEwgsZw=",
        ),
    ];
    for (row, text, id, now_s, body, expected) in rows {
        let (url, secret) = (url(), secret(text));
        let message = message(id, &url, body.as_bytes(), now_s);
        let headers = sign(Scheme::Standard, &[&secret], &message);
        let expected_headers = vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now_s.to_string()),
            ("webhook-signature", expected.to_owned()),
        ];
        assert_eq!(headers, Ok(expected_headers), "{row}");
        let found = verify_standard(
            &secret,
            id,
            &now_s.to_string(),
            expected,
            body.as_bytes(),
            message.now,
        );
        assert_eq!(found, Ok(()), "{row}");
    }
}

#[test]
fn every_secret_signs_in_the_order_given_with_one_space_between() {
    let url = url();
    let message = message("evt_1", &url, b"{}", NOW_S);
    let secrets = [secret(V1_SECRET), other_secret()];
    let alone = |n: usize| signed(Scheme::Standard, &secrets[n..=n], &message);
    let both = signed(Scheme::Standard, &secrets, &message);
    assert_eq!(both, format!("{} {}", alone(0), alone(1)));
    for secret in &secrets {
        let time = NOW_S.to_string();
        assert_eq!(verify_standard(secret, "evt_1", &time, &both, b"{}", message.now), Ok(()));
    }
}

#[test]
fn g05_the_timestamp_is_whole_seconds_of_the_attempt() {
    let url = url();
    let mut message = message("evt_1", &url, b"{}", NOW_S);
    message.now = Timestamp(NOW_S * 1_000_000 + 999_999);
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        let headers = sign(scheme, &[&other_secret()], &message).expect("there is a secret");
        assert_eq!(headers[0], ("webhook-id", "evt_1".to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", NOW_S.to_string()));
        assert_eq!(headers.len(), 3);
    }
}

#[test]
fn g14_without_a_secret_nothing_is_signed() {
    let url = url();
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        let headers = sign(scheme, &[], &message("evt_1", &url, b"{}", NOW_S));
        assert_eq!(headers.map_err(|e| e.code), Err("signing"));
    }
}

#[test]
fn a_token_carries_the_agreed_claims_and_is_signed_with_the_secrets_text() {
    let url = url();
    let secrets = [secret(V1_SECRET), other_secret()];
    let message = message("evt_1", &url, INVOICE.as_bytes(), NOW_S);
    let bearer = signed(Scheme::Jwt, &secrets, &message);
    let token = bearer.strip_prefix("Bearer ").expect("a bearer token");
    let parts: Vec<&str> = token.split('.').collect();
    let json = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&decoded(part).expect("base64")).expect("JSON")
    };
    let header = json(parts[0]);
    assert_eq!((&header["alg"], &header["typ"]), (&"HS256".into(), &"webhook+jwt".into()));
    assert_eq!(header["kid"].as_str().map(str::len), Some(16));
    let expected = serde_json::json!({
        "iss": "postrider",
        "aud": message.webhook_id.to_string(),
        "sub": "invoice.paid",
        "jti": "evt_1",
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 300,
        "payload_hash": INVOICE_SHA256,
        "request_body_sha256": INVOICE_SHA256,
        "url_hash": "af7bd5a19cedd850e5664f2b119899b307c54e001f12422d06abd004234d9bca",
    });
    assert_eq!(json(parts[1]), expected);

    let mut mac = hmac(V1_SECRET.as_bytes());
    mac.update(parts[..2].join(".").as_bytes());
    assert!(mac.verify_slice(&decoded(parts[2]).expect("base64")).is_ok());
    assert_eq!(verify_jwt(&secrets[0], &bearer, INVOICE.as_bytes(), message.now), Ok(()));
    let other = verify_jwt(&secrets[1], &bearer, INVOICE.as_bytes(), message.now);
    assert_eq!(other, Err(VerifyError::NoMatch));
}

#[test]
fn g06_a_skew_of_up_to_300_seconds_is_accepted() {
    use VerifyError::{TooNew, TooOld};
    let (url, secret) = (url(), [other_secret()]);
    let message = message("evt_1", &url, b"{}", NOW_S);
    let standard = signed(Scheme::Standard, &secret, &message);
    let bearer = signed(Scheme::Jwt, &secret, &message);
    let rows = [
        (-301, Err(TooNew)),
        (-300, Ok(())),
        (-299, Ok(())),
        (0, Ok(())),
        (299, Ok(())),
        (300, Ok(())),
        (301, Err(TooOld)),
    ];
    for (later_s, expected) in rows {
        let now = Timestamp::from_secs(NOW_S + later_s);
        let time = NOW_S.to_string();
        let found = verify_standard(&secret[0], "evt_1", &time, &standard, b"{}", now);
        assert_eq!(found, expected, "standard {later_s}");
        assert_eq!(verify_jwt(&secret[0], &bearer, b"{}", now), expected, "jwt {later_s}");
    }
}

#[test]
fn g01_to_g10_altered_or_misformed_standard_signatures_are_refused() {
    use VerifyError::{Malformed, NoMatch};
    let (url, secret) = (url(), secret(V1_SECRET));
    let message = message("evt_1", &url, b"{}", NOW_S);
    let good = signed(Scheme::Standard, std::slice::from_ref(&secret), &message);
    let time = &NOW_S.to_string()[..];
    let later = &(NOW_S + 1).to_string()[..];
    // G10: the secret's text as the key instead of the bytes it encodes.
    let mut mac = hmac(V1_SECRET.as_bytes());
    mac.update(format!("evt_1.{time}.{{}}").as_bytes());
    let literal = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    let double = format!("{good}  {good}");
    let tab = format!("{good}\t{good}");
    let comma = format!("{good},{good}");
    let with_others = format!("v2,abc v1a,AAAA {good}");
    let rows = [
        ("G01", "evt_1", time, &good[..], &b"{ }"[..], Err(NoMatch)),
        ("G02", "evt_2", time, &good, b"{}", Err(NoMatch)),
        ("G02", "evt_1", later, &good, b"{}", Err(NoMatch)),
        ("G03", "evt_1", time, &double, b"{}", Err(Malformed)),
        ("G03", "evt_1", time, &tab, b"{}", Err(Malformed)),
        ("G03", "evt_1", time, &comma, b"{}", Err(Malformed)),
        ("G05", "evt_1", "1787392800.0", &good, b"{}", Err(Malformed)),
        ("G05", "evt_1", "1787392800000", &good, b"{}", Err(VerifyError::TooNew)),
        ("G05", "evt_1", "+1787392800", &good, b"{}", Err(Malformed)),
        ("G07", "evt_1", time, &with_others, b"{}", Ok(())),
        ("G10", "evt_1", time, &literal, b"{}", Err(NoMatch)),
        ("cut", "evt_1", time, "v1,g0hM", b"{}", Err(NoMatch)),
        ("unpadded", "evt_1", time, good.trim_end_matches('='), b"{}", Err(Malformed)),
        ("other version", "evt_1", time, "v1a,AAAA", b"{}", Err(NoMatch)),
        ("missing", "", time, &good, b"{}", Err(Malformed)),
        ("missing", "evt_1", "", &good, b"{}", Err(Malformed)),
        ("missing", "evt_1", time, "", b"{}", Err(Malformed)),
    ];
    for (row, id, time, signatures, body, expected) in rows {
        let found = verify_standard(&secret, id, time, signatures, body, message.now);
        assert_eq!(found, expected, "{row} {signatures}");
    }
}

/// Signs any header and claims, as a dishonest holder of the secret could.
pub(super) fn forged(
    secret: &Secret,
    header: &serde_json::Value,
    claims: &serde_json::Value,
) -> String {
    let part = |json: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = jwt_mac(secret.expose().as_bytes(), &signed).finalize().into_bytes();
    format!("Bearer {signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
}

#[test]
fn g11_altered_tokens_are_refused() {
    use VerifyError::{BodyChanged, Malformed, NoMatch, TooNew, TooOld};
    let (url, secret, now) = (url(), secret(V1_SECRET), Timestamp::from_secs(NOW_S));
    let message = message("evt_1", &url, b"{}", NOW_S);
    let good = signed(Scheme::Jwt, std::slice::from_ref(&secret), &message);
    let part = |n| {
        let token = good.strip_prefix("Bearer ").and_then(|t| t.split('.').nth(n));
        let json = decoded(token.expect("three parts")).expect("base64");
        serde_json::from_slice::<serde_json::Value>(&json).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    let with = |json: &serde_json::Value, field: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[field] = value;
        json
    };
    let header_with = |field, value| forged(&secret, &with(&header, field, value), &claims);
    let claims_with = |field, value| forged(&secret, &header, &with(&claims, field, value));
    assert_eq!(verify_jwt(&secret, &forged(&secret, &header, &claims), b"{}", now), Ok(()));

    let unsigned = good.rsplit_once('.').expect("three parts").0;
    let rows = [
        ("other body", good.clone(), BodyChanged),
        ("one hash only", claims_with("payload_hash", "00".into()), BodyChanged),
        ("one hash only", claims_with("request_body_sha256", "00".into()), BodyChanged),
        ("alg none", header_with("alg", "none".into()), Malformed),
        ("alg HS512", header_with("alg", "HS512".into()), Malformed),
        ("typ", header_with("typ", "JWT".into()), Malformed),
        ("crit", header_with("crit", "b64".into()), Malformed),
        ("kid", header_with("kid", "0000000000000000".into()), NoMatch),
        ("exp", claims_with("exp", (NOW_S - 1).into()), TooOld),
        ("nbf", claims_with("nbf", (NOW_S + 301).into()), TooNew),
        ("no exp", claims_with("exp", serde_json::Value::Null), Malformed),
        ("other secret", forged(&other_secret(), &header, &claims), NoMatch),
        ("unsigned", format!("{unsigned}."), NoMatch),
        ("two parts", unsigned.to_owned(), Malformed),
        ("four parts", format!("{good}.AAAA"), NoMatch),
        ("no scheme", good.replace("Bearer ", ""), Malformed),
        ("padded", format!("{good}="), Malformed),
        ("missing", String::new(), Malformed),
    ];
    for (row, bearer, expected) in rows {
        let body: &[u8] = if row == "other body" { b"{ }" } else { b"{}" };
        assert_eq!(verify_jwt(&secret, &bearer, body, now), Err(expected), "{row}");
    }
}

#[test]
fn schemes_are_read_by_the_names_they_are_shown_by() {
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        assert_eq!(Scheme::parse(scheme.as_str()), Ok(scheme));
        let json = serde_json::to_string(&scheme).expect("a string");
        assert_eq!(json, format!("\"{}\"", scheme.as_str()));
    }
    let code = |text| Scheme::parse(text).map_err(|e| e.code);
    for text in ["standard-ed25519", "stripe", "github", "shopify", "slack", "rfc9421"] {
        assert_eq!(code(text), Err("not_supported"), "{text}");
    }
    for text in ["", "none", "Standard", "jwt "] {
        assert_eq!(code(text), Err("signature_invalid"), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_changed_byte_does_not(
        key: [u8; 32],
        id in "[A-Za-z0-9_:-]{1,128}",
        body in prop::collection::vec(any::<u8>(), 1..300),
        now_s in 0i64..1 << 40,
        at: usize,
        flip in 1u8..,
    ) {
        let (url, secret, now) = (url(), [Secret::from_random(key)], Timestamp::from_secs(now_s));
        let message = message(&id, &url, &body, now_s);
        let time = now_s.to_string();
        let standard = signed(Scheme::Standard, &secret, &message);
        let bearer = signed(Scheme::Jwt, &secret, &message);
        prop_assert_eq!(verify_standard(&secret[0], &id, &time, &standard, &body, now), Ok(()));
        prop_assert_eq!(verify_jwt(&secret[0], &bearer, &body, now), Ok(()));

        let mut changed = body.clone();
        changed[at % body.len()] ^= flip;
        let found = verify_standard(&secret[0], &id, &time, &standard, &changed, now);
        prop_assert_eq!(found, Err(VerifyError::NoMatch));
        let found = verify_jwt(&secret[0], &bearer, &changed, now);
        prop_assert_eq!(found, Err(VerifyError::BodyChanged));
    }

    #[test]
    fn any_text_for_a_header_is_refused_without_a_panic(a in ".{0,40}", b in ".{0,40}") {
        let (secret, now) = (other_secret(), Timestamp::from_secs(NOW_S));
        let time = NOW_S.to_string();
        let bearer = format!("Bearer {a}.{b}.{a}");
        let found = [
            verify_standard(&secret, &a, &time, &b, b"1", now),
            verify_standard(&secret, "evt_1", &a, &b, b"1", now),
            verify_jwt(&secret, &bearer, b"1", now),
        ];
        prop_assert!(found.iter().all(Result::is_err));
    }
}
