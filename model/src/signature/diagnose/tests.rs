use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use proptest::prelude::*;

use super::*;
use crate::id::{Uid, WebhookId};
use crate::signature::tests::forged;
use crate::signature::{self, Message, TOLERANCE_S, decoded, verify_jwt, verify_standard};
use crate::target::TargetUrl;

const NOW_S: i64 = 1_787_392_800;
const BODY: &str = r#"{"type":"order.paid","timestamp":"2026-08-22T10:00:00Z","data":{"url":"a/b","note":"héllo 📦 <b>","n":1.0,"none":[]}}"#;

/// With bytes that the two base64 alphabets write differently.
fn secret() -> Secret {
    Secret::from_random([0xfb; 32])
}

fn headers(scheme: Scheme, secrets: &[&Secret], body: &[u8]) -> Vec<(String, String)> {
    let url = TargetUrl::parse("https://example.com/in").expect("valid");
    let message = Message {
        event_id: "evt_1",
        event_type: "order.paid",
        webhook_id: WebhookId(Uid([9; 16])),
        url: &url,
        body,
        now: Timestamp::from_secs(NOW_S),
    };
    let signed = signature::sign(scheme, secrets, &message).expect("there is a secret");
    signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn at(headers: &[(String, String)], body: &[u8], secret: &str, now_s: i64) -> Diagnosis {
    let now = Timestamp::from_secs(now_s);
    diagnose(Request { headers, body }, secret, TOLERANCE_S, now)
}

fn codes(diagnosis: &Diagnosis) -> Vec<&'static str> {
    diagnosis.reasons.iter().map(|reason| reason.code).collect()
}

/// The one reason, whose message says `words`.
#[track_caller]
fn says(diagnosis: &Diagnosis, code: &str, words: &str) {
    assert_eq!(codes(diagnosis), [code], "{diagnosis:?}");
    assert!(diagnosis.reasons[0].message.contains(words), "{words}: {diagnosis:?}");
}

#[test]
fn what_was_signed_verifies_whatever_the_case_of_its_headers() {
    let (mine, other) = (secret(), Secret::from_random([1; 32]));
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        for secrets in [&[&mine][..], &[&mine, &other]] {
            let mut headers = headers(scheme, secrets, BODY.as_bytes());
            headers.iter_mut().for_each(|(name, _)| *name = name.to_uppercase());
            let found = at(&headers, BODY.as_bytes(), mine.expose(), NOW_S);
            assert!(found.is_ok(), "{found:?}");
            assert_eq!((found.scheme, found.signed_s), (Some(scheme), Some(NOW_S)));
        }
    }
    // The second of two, during a rotation.
    let headers = headers(Scheme::Standard, &[&other, &mine], BODY.as_bytes());
    assert!(at(&headers, BODY.as_bytes(), mine.expose(), NOW_S).is_ok());
}

#[test]
fn each_header_that_is_missing_doubled_or_malformed_is_named_with_its_rule() {
    let good = headers(Scheme::Standard, &[&secret()], b"{}");
    let signature = good[2].1.clone();
    let set = |name: &str, value: &str| {
        let mut headers = good.clone();
        headers.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.to_owned());
        headers
    };
    let time = |value: &str| set("webhook-timestamp", value);
    let sign = |value: &str| set("webhook-signature", value);
    let key = BASE64_STANDARD.decode(&signature[3..]).expect("base64");
    let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
    let rows = [
        (good[1..].to_vec(), "header_missing", "no webhook-id header"),
        (vec![good[0].clone(), good[2].clone()], "header_missing", "no webhook-timestamp"),
        (good[..2].to_vec(), "header_missing", "no webhook-signature"),
        ([&good[..], &good[..1]].concat(), "header_doubled", "webhook-id header is there 2 times"),
        ([&good[..], &good[2..]].concat(), "header_doubled", "webhook-signature"),
        (set("webhook-id", ""), "header_malformed", "webhook-id is empty"),
        (set("webhook-id", " evt_1"), "header_malformed", "white space"),
        (time("1787392800000"), "header_malformed", "milliseconds"),
        (time("1787392800.25"), "header_malformed", "decimal point"),
        (time("2026-08-22T10:00:00Z"), "header_malformed", "is a date"),
        (time("soon"), "header_malformed", "no number"),
        (sign("v1a,AAAA"), "header_malformed", "versions"),
        (sign("v1,AAAA"), "header_malformed", "cut off"),
        (time("1787392800 "), "header_malformed", "white space"),
        (sign(&signature.replace("v1,", "")), "header_malformed", "does not begin with v1"),
        (sign(&format!("{signature}  {signature}")), "header_malformed", "two spaces"),
        (sign(&format!("{signature}\t{signature}")), "header_malformed", "a tab"),
        (sign(&format!("{signature},{signature}")), "header_malformed", "a comma between"),
        (sign(&format!("v1,{hex}")), "header_malformed", "in hex"),
        (sign(&format!("sha256={hex}")), "header_malformed", "GitHub"),
        (sign(&format!("t=1,v1={hex}")), "header_malformed", "Stripe"),
        (sign(signature.trim_end_matches('=')), "header_malformed", "lacks the ="),
        (sign(&format!(" {signature}")), "header_malformed", "white space around"),
    ];
    for (headers, code, words) in rows {
        let found = at(&headers, b"{}", secret().expose(), NOW_S);
        says(&found, code, words);
    }
    // Of a body whose signature the two alphabets write differently.
    let bodies = (0..1_000).map(|n| n.to_string());
    let signed =
        bodies.map(|body| (headers(Scheme::Standard, &[&secret()], body.as_bytes()), body));
    let mut differing = signed.filter(|(headers, _)| headers[2].1[3..].contains(['+', '/']));
    let (mut headers, body) = differing.next().expect("there are many");
    headers[2].1 = headers[2].1.replace('+', "-").replace('/', "_");
    let found = at(&headers, body.as_bytes(), secret().expose(), NOW_S);
    says(&found, "header_malformed", "URL-safe");
}

#[test]
fn a_clock_that_is_off_is_said_with_how_much_and_which_way() {
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        let headers = headers(scheme, &[&secret()], b"{}");
        let found = |later_s| at(&headers, b"{}", secret().expose(), NOW_S + later_s);
        assert!(found(300).is_ok() && found(-300).is_ok());
        says(&found(301), "too_old", "signed 301 s ago (5 min 1 s)");
        says(&found(-301), "too_new", "301 s in the future (5 min 1 s)");
        says(&found(3 * 86_400), "too_old", "(3 d)");
        let long = diagnose(
            Request { headers: &headers, body: b"{}" },
            secret().expose(),
            1_000,
            Timestamp::from_secs(NOW_S + 900),
        );
        assert!(long.is_ok(), "{long:?}");
    }
}

#[test]
fn what_commonly_happens_to_a_body_is_undone_and_said() {
    let value: serde_json::Value = serde_json::from_str(BODY).expect("JSON");
    let pretty = serde_json::to_string_pretty(&value["data"]).expect("JSON");
    let python = BODY.replace(':', ": ").replace("10: 00: 00", "10:00:00").replace(',', ", ");
    let ascii = BODY.replace("é", "\\u00e9").replace("📦", "\\ud83d\\udce6");
    let rows: [(&str, String, &str); 13] = [
        (BODY, format!("{BODY}\n"), "without its trailing newline"),
        (BODY, format!("{BODY}\r\n"), "without its trailing newline"),
        (&format!("{BODY}\n"), BODY.into(), "with a newline at its end"),
        (BODY, format!("\u{feff}{BODY}"), "without the byte order mark"),
        ("{\n}", "{\r\n}".into(), "LF line ends instead"),
        ("{\r\n}", "{\n}".into(), "CR LF line ends"),
        (BODY, python.clone(), "as compact JSON"),
        (BODY, BODY.replace('/', "\\/"), "with / instead of \\/"),
        (BODY, ascii.clone(), "as the characters they are"),
        (&ascii, BODY.into(), "beyond ASCII written as \\uxxxx"),
        (BODY, BODY.replace('<', "\\u003c").replace('>', "\\u003e"), "with <, > and &"),
        (BODY, ascii.replace('/', "\\/"), "they are and with / instead"),
        (BODY, format!("{}\n", BODY.replace('/', "\\/")), "trailing newline and with / instead"),
    ];
    for (signed, received, words) in rows.iter().map(|(s, r, w)| (*s, r, *w)) {
        for scheme in [Scheme::Standard, Scheme::Jwt] {
            let headers = headers(scheme, &[&secret()], signed.as_bytes());
            let found = at(&headers, received.as_bytes(), secret().expose(), NOW_S);
            says(&found, "body_changed", words);
        }
    }
    // Compact outside and as it was published inside, which a receiver made all compact.
    let published = r#"{"type":"a","timestamp":"t","data":{"total": 50.75, "of": []}}"#;
    let compact = r#"{"type":"a","timestamp":"t","data":{"total":50.75,"of":[]}}"#;
    let sorted = r#"{"data":{"total": 50.75, "of": []},"timestamp":"t","type":"a"}"#;
    let headers = |body: &str| headers(Scheme::Standard, &[&secret()], body.as_bytes());
    let found = at(&headers(published), compact.as_bytes(), secret().expose(), NOW_S);
    says(&found, "body_changed", "after the commas and colons of its data");
    let found = at(&headers(published), sorted.as_bytes(), secret().expose(), NOW_S);
    says(&found, "body_changed", "envelope in their own order and with a space after");
    let inside = format!(r#"{{"type":"a","timestamp":"t","data":{pretty}}}"#);
    let compact = rewrite::laid_out(inside.as_bytes(), rewrite::Layout::Compact).expect("JSON");
    let found = at(&headers(&inside), &compact, secret().expose(), NOW_S);
    says(&found, "body_changed", "data indented by 2");
    // What lost something cannot be undone.
    let found = at(&headers(BODY), BODY.replace("1.0", "1").as_bytes(), secret().expose(), NOW_S);
    assert_eq!(codes(&found), ["no_match"]);
}

#[test]
fn a_secret_that_is_written_or_used_wrongly_is_told_from_another_one() {
    let right = secret();
    let text = right.expose();
    let encoded = &text["whsec_".len()..];
    let hex: String = right.key().iter().map(|b| format!("{b:02x}")).collect();
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        let headers = headers(scheme, &[&right], b"{}");
        for (given, words) in [
            (format!("{text}\n"), "white space around"),
            (format!("\"{text}\""), "quotes around"),
            (encoded.to_owned(), "lacks the whsec_"),
            (format!("whsec_{}", BASE64_URL_SAFE.encode(right.key())), "URL-safe"),
            (hex.clone(), "in hex"),
        ] {
            says(&at(&headers, b"{}", &given, NOW_S), "secret_misused", words);
        }
        let other = Secret::from_random([1; 32]);
        let found = at(&headers, b"{}", other.expose(), NOW_S);
        let code = if scheme == Scheme::Standard { "no_match" } else { "wrong_secret" };
        assert_eq!(codes(&found), [code]);
        for (given, words) in [
            ("", "empty"),
            ("whsec_c2hvcnQ=", "too short: 5 bytes"),
            ("whsec_c2hvcnQ*", "not base64"),
            ("whsk_6Xb", "ed25519"),
            ("whpk_6Xb", "ed25519"),
        ] {
            let found = at(&headers, b"{}", given, NOW_S);
            says(&found, "secret_malformed", words);
            assert!(!found.reasons[0].message.contains("c2hv"), "{found:?}");
        }
        let long = format!("whsec_{}", BASE64_STANDARD.encode([7; 65]));
        says(&at(&headers, b"{}", &long, NOW_S), "secret_malformed", "too long: 65 bytes");
    }
    // A sender of one's own that uses the text as the key.
    for (key, words) in [(text, "whole text"), (encoded, "after whsec_")] {
        let mac = signature::standard_mac(key.as_bytes(), "evt_1", &NOW_S.to_string(), b"{}");
        use hmac::Mac as _;
        let mut headers = headers(Scheme::Standard, &[&right], b"{}");
        headers[2].1 = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        says(&at(&headers, b"{}", text, NOW_S), "secret_misused", words);
    }
}

#[test]
fn a_timestamp_that_was_moved_by_a_time_zone_is_said() {
    let mut headers = headers(Scheme::Standard, &[&secret()], b"{}");
    headers[1].1 = (NOW_S + 7_200).to_string();
    let found = at(&headers, b"{}", secret().expose(), NOW_S);
    assert_eq!(codes(&found), ["timestamp_changed", "too_new"]);
    assert!(found.reasons[0].message.contains("+7200 s"), "{found:?}");
}

#[test]
fn a_token_says_what_was_changed() {
    let good = headers(Scheme::Jwt, &[&secret()], b"{}");
    let with = |name: &str, value: String| {
        let mut headers = good.clone();
        headers.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.clone());
        headers
    };
    let bearer = good[2].1.clone();
    let token = bearer.strip_prefix("Bearer ").expect("a bearer token").to_owned();
    let none = BASE64_URL_SAFE.encode(r#"{"alg":"none","kid":"a","typ":"webhook+jwt"}"#);
    let none = none.trim_end_matches('=');
    let rest = token.split_once('.').expect("three parts").1.to_owned();
    // Another character that base64 allows in that place.
    let mut changed = bearer.clone();
    changed.replace_range(
        bearer.len() - 8..bearer.len() - 7,
        if bearer.as_bytes()[bearer.len() - 8] == b'A' { "B" } else { "A" },
    );
    let rows = [
        (with("webhook-id", "evt_2".into()), "id_changed", "evt_1"),
        (with("webhook-timestamp", "5".into()), "timestamp_changed", "1787392800"),
        (with("authorization", token.clone()), "header_malformed", "does not begin with Bearer"),
        (with("authorization", format!("bearer {token}")), "header_malformed", "with Bearer"),
        (
            with("authorization", format!("Bearer {none}.{rest}")),
            "header_malformed",
            "alg \"none\"",
        ),
        (with("authorization", changed), "token_changed", "names this secret"),
        ([&good[..], &good[2..]].concat(), "header_doubled", "authorization"),
    ];
    for (headers, code, words) in rows {
        says(&at(&headers, b"{}", secret().expose(), NOW_S), code, words);
    }
    let found = at(&good, b"{\"a\":1}", secret().expose(), NOW_S);
    says(&found, "body_changed", "genuine");
    // Its two hashes are one in two conventions; a receiver may look at either.
    let part = |n| {
        let json = decoded(token.split('.').nth(n).expect("three parts")).expect("base64");
        serde_json::from_slice::<serde_json::Value>(&json).expect("JSON")
    };
    for hash in ["payload_hash", "request_body_sha256"] {
        let mut claims = part(1);
        claims[hash] = "00".into();
        let headers = with("authorization", forged(&secret(), &part(0), &claims));
        says(&at(&headers, b"{}", secret().expose(), NOW_S), "body_changed", "genuine");
    }
}

#[test]
fn no_reason_repeats_a_secret_or_a_signature() {
    let right = secret();
    let encoded = &right.expose()["whsec_".len()..];
    for scheme in [Scheme::Standard, Scheme::Jwt] {
        let good = headers(scheme, &[&right], b"{}");
        let signature = good[2].1.clone();
        for given in [right.expose(), encoded, &format!("'{encoded}'"), "whsec_nonsense"] {
            for body in [&b"{}"[..], b"{ }", b"else"] {
                let found = format!("{:?}", at(&good, body, given, NOW_S + 999));
                assert!(!found.contains(encoded) && !found.contains("nonsense"), "{found}");
                assert!(!found.contains(&signature[10..]), "{found}");
            }
        }
    }
}

proptest! {
    /// Diagnosing and verifying are two ways to one verdict.
    #[test]
    fn nothing_is_said_exactly_of_what_verifies(
        jwt: bool,
        body in prop::collection::vec(any::<u8>(), 1..40),
        later_s in -400i64..400,
        flip in prop::option::of((0usize..40, 1u8..)),
        other_secret: bool,
    ) {
        let scheme = if jwt { Scheme::Jwt } else { Scheme::Standard };
        let headers = headers(scheme, &[&secret()], &body);
        let mut received = body;
        if let Some((at, by)) = flip {
            let at = at % received.len();
            received[at] ^= by;
        }
        let secret = if other_secret { Secret::from_random([1; 32]) } else { secret() };
        let now = Timestamp::from_secs(NOW_S + later_s);
        let verified = if jwt {
            verify_jwt(&secret, &headers[2].1, &received, now)
        } else {
            verify_standard(&secret, "evt_1", &headers[1].1, &headers[2].1, &received, now)
        };
        let found = at(&headers, &received, secret.expose(), NOW_S + later_s);
        prop_assert_eq!(found.is_ok(), verified.is_ok(), "{:?} {:?}", found, verified);
    }
}
