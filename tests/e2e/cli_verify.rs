//! `postrider verify` and `sign`: why a request does not verify, in words, without a server and beside
//! the one that sent it.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Options, Output, Postrider, Receiver, Request, new_secret, text};

/// A request that was received, as files that a developer would have.
struct Saved {
    folder: TempDir,
    request: Request,
}

impl Saved {
    fn new(request: &Request) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let saved = Self { folder, request: request.clone() };
        let lines =
            saved.request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head: String = lines.collect();
        saved.write("headers", head.as_bytes());
        saved.write("body", &saved.request.body);
        let raw =
            [format!("POST / HTTP/1.1\r\n{head}\r\n").as_bytes(), &saved.request.body].concat();
        // As an editor would save it.
        saved.write("request", &[&raw[..], b"\n"].concat());
        saved
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).expect("a writable folder");
    }

    fn at(&self, name: &str) -> String {
        format!("@{}", self.folder.path().join(name).display())
    }

    fn headers(&self) -> Vec<String> {
        let all = self.request.headers.iter();
        let signed =
            all.filter(|(name, _)| name.starts_with("webhook-") || name == "authorization");
        signed.map(|(name, value)| format!("{name}: {value}")).collect()
    }
}

async fn delivered(
    server: &Postrider,
    receiver: &Receiver,
    path: &str,
    more: Value,
) -> (Value, Saved) {
    let webhook = server.register(&receiver.url(path), more).await;
    server.publish("order.paid", json!({ "total": 50.75, "to": "a/b é" })).await;
    let request = receiver.wait_for(path, 1).await.remove(0);
    (webhook, Saved::new(&request))
}

/// Judges by `--json`: the first code, and the exit code.
#[track_caller]
fn judged(output: &Output, code: &str, exit: i32, words: &str) {
    assert_eq!(output.code, Some(exit), "{output:?}");
    let verdict: Value = serde_json::from_str(&output.stdout).expect("--json prints JSON");
    assert_eq!(verdict["reasons"][0]["code"], code, "{verdict}");
    assert!(verdict.to_string().contains(words), "{words}: {verdict}");
}

#[tokio::test]
async fn a_request_that_was_delivered_verifies_from_whatever_is_at_hand() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    for (path, scheme) in [("/standard", "standard"), ("/jwt", "jwt")] {
        let more = json!({ "signature": { "scheme": scheme } });
        let (webhook, saved) = delivered(&server, &receiver, path, more).await;
        let secret = text(&webhook, "secret");
        let file = saved.folder.path().join("secret");
        std::fs::write(&file, format!("{secret}\n")).expect("writable");
        let file = file.to_str().expect("UTF-8");
        let headers = saved.headers();
        let mut parts = vec!["--body".to_owned(), saved.at("body")];
        parts.extend(headers.iter().flat_map(|header| ["--header".to_owned(), header.clone()]));
        let body = String::from_utf8(saved.request.body.clone()).expect("UTF-8");
        for args in [
            vec!["--request".into(), saved.at("request")],
            vec!["--headers".into(), saved.at("headers"), "--body".into(), saved.at("body")],
            vec!["--headers".into(), saved.at("headers"), "--body".into(), body],
            parts,
        ] {
            let mut all = vec!["verify", "--secret-file", file];
            all.extend(args.iter().map(String::as_str));
            let said = Output::alone(&all, &[]).ok();
            assert!(said.contains("verified: signed by") && said.contains(scheme), "{said}");
            let by_env = [&["verify"], &all[3..]].concat();
            Output::alone(&by_env, &[("POSTRIDER_SECRET", &secret)]).ok();
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_a_code_and_an_exit_code() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let (webhook, saved) = delivered(&server, &receiver, "/a", json!({})).await;
    let secret = text(&webhook, "secret");
    let verify = |secret: &str, args: &[&str]| {
        Output::alone(&[&["verify", "--json"], args].concat(), &[("POSTRIDER_SECRET", secret)])
    };
    let (request, headers, body) = (saved.at("request"), saved.at("headers"), saved.at("body"));
    let whole = ["--request", request.as_str()];

    saved.write("longer", &[&saved.request.body[..], b"\n"].concat());
    let longer = saved.at("longer");
    let found = verify(&secret, &["--headers", &headers, "--body", &longer]);
    judged(&found, "body_changed", 1, "without its trailing newline");
    saved.write("altered", &saved.request.text().replace("50.75", "50.76").into_bytes());
    let altered = saved.at("altered");
    judged(
        &verify(&secret, &["--headers", &headers, "--body", &altered]),
        "no_match",
        1,
        "another one",
    );
    judged(&verify(&new_secret("else"), &whole), "no_match", 1, "another one");
    judged(&verify("whsec_abc", &whole), "secret_malformed", 2, "too short");
    judged(&verify(&secret["whsec_".len()..], &whole), "secret_misused", 1, "lacks the whsec_");
    judged(&verify(&secret, &["--body", &body]), "header_missing", 1, "webhook-signature");
    let doubled = ["--headers", &headers, "--body", &body, "--header", "webhook-id: evt_1"];
    judged(&verify(&secret, &doubled), "header_doubled", 1, "webhook-id");

    let signed_s: i64 = saved.request.header("webhook-timestamp").parse().expect("seconds");
    let at = |off_s: i64| {
        verify(&secret, &["--request", &request, "--at", &(signed_s + off_s).to_string()])
    };
    judged(&at(1_000), "too_old", 1, "signed 1000 s ago");
    judged(&at(-1_000), "too_new", 1, "1000 s in the future");
    assert_eq!(at(299).code, Some(0));
    let tolerant =
        ["--request", &request, "--at", &(signed_s + 1_000).to_string(), "--tolerance", "1000"];
    assert_eq!(verify(&secret, &tolerant).code, Some(0));
    assert_eq!(verify(&secret, &["--request", &request, "--at", "signed"]).code, Some(0));

    for args in [
        &["--request", "@/nowhere/at/all"][..],
        &["--headers", &headers],
        &["--request", &request, "--body", &body],
        &["--headers", "-", "--body", "-"],
        &["--body", "{}", "--header", "nonsense"],
        &["--request", &request, "--at", "yesterday"],
    ] {
        let output = verify(&secret, args);
        assert_eq!(output.code, Some(2), "{args:?} {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.contains(' '), "{output:?}");
    }
    let nobody = Output::alone(&["verify", "--request", &request], &[("POSTRIDER_SECRET", "")]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.stderr.contains("POSTRIDER_SECRET"), "{nobody:?}");
}

#[tokio::test]
async fn beside_the_server_it_is_known_whether_secret_or_body_is_another_one() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let other = server.register(&receiver.url("/other"), json!({ "event_types": ["none"] })).await;
    let (webhook, saved) = delivered(&server, &receiver, "/a", json!({})).await;
    let (id, secret) = (text(&webhook, "id"), text(&webhook, "secret"));
    let request = saved.at("request");
    let verify = |secret: &str, args: &[&str]| {
        let all = [&["verify", "--json", "--webhook", &id, "--at", "signed"], args].concat();
        let key = ("POSTRIDER_KEY", crate::harness::ADMIN_KEY);
        server.run_with(&all, &[key, ("POSTRIDER_SECRET", secret)])
    };
    // Without a secret given the server's own is taken.
    let all = ["verify", "--webhook", &id, "--request", &request];
    assert!(server.run(&all).ok().contains("verified"));
    verify(&secret, &["--request", &request]).ok();

    saved.write("altered", &saved.request.text().replace("50.75", "50.76").into_bytes());
    let (headers, altered) = (saved.at("headers"), saved.at("altered"));
    let changed = verify(&secret, &["--headers", &headers, "--body", &altered]);
    let at = saved.request.text().find("50.75").expect("it is there") + 4;
    judged(&changed, "body_changed", 1, &format!("at byte {at}: expected"));
    let others = verify(&text(&other, "secret"), &["--request", &request]);
    judged(&others, "wrong_secret", 1, &format!("of another webhook, {}", text(&other, "id")));
    let nobodys = verify(&new_secret("else"), &["--request", &request]);
    judged(&nobodys, "wrong_secret", 1, "which has had one only");

    // Webhook and event may be of the same second: there was no rotation that could explain it.
    let signature = saved.request.header("webhook-signature").to_owned();
    let forged = saved.request.headers.iter().map(|(name, value)| {
        let forged = value == &signature;
        let value = if forged { format!("v1,{}=", "A".repeat(43)) } else { value.clone() };
        format!("{name}: {value}\r\n")
    });
    saved.write("forged", forged.collect::<String>().as_bytes());
    let (forged, body) = (saved.at("forged"), saved.at("body"));
    let forged = verify(&secret, &["--headers", &forged, "--body", &body]);
    judged(&forged, "signature_changed", 1, "no secret of this webhook made the signature");

    // A rotation in a later second, seen a day later: the secret of before signs no more.
    server.step(Duration::from_secs(2)).await;
    let path = format!("/v1/webhooks/{id}/secret/rotate");
    server.post(&path, json!({})).await.is(200);
    verify(&secret, &["--request", &request]).ok();
    server.step(Duration::from_secs(25 * 3_600)).await;
    let still = verify(&secret, &["--request", &request]).ok();
    assert!(still.contains("was rotated at"), "{still}");
    server.publish("order.paid", json!({})).await;
    let later = Saved::new(&receiver.wait_for("/a", 2).await[1]);
    let rotated = verify(&secret, &["--request", &later.at("request")]);
    judged(&rotated, "wrong_secret", 1, "was rotated at");
    // What was received before the rotation no longer verifies with what the server has.
    let before = server.run(&[
        "verify",
        "--json",
        "--webhook",
        &id,
        "--request",
        &request,
        "--at",
        "signed",
    ]);
    judged(&before, "wrong_secret", 1, "signed before the secret");

    let nowhere = format!("wh_{}", "0".repeat(26));
    let gone = server.run(&["verify", "--webhook", &nowhere, "--request", &request]);
    assert_eq!(gone.code, Some(3), "{gone:?}");
    let key = [("POSTRIDER_KEY", "wrong")];
    let stranger = server.run_with(&["verify", "--webhook", &id, "--request", &request], &key);
    assert_eq!(stranger.code, Some(4), "{stranger:?}");
    let encoded = &secret["whsec_".len()..];
    for output in [changed, others, nobodys, rotated, before] {
        let said = format!("{output:?}");
        assert!(!said.contains(encoded), "{said}");
        assert!(!said.contains(&saved.request.header("webhook-signature")[12..]), "{said}");
    }
}

#[tokio::test]
async fn in_production_the_same_is_asked_with_a_key_that_may_see_secrets() {
    let options = Options::default().env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8");
    let server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let (webhook, saved) = delivered(&server, &receiver, "/a", json!({})).await;
    let viewer = server.post("/v1/keys", json!({ "name": "v", "role": "viewer" })).await.is(201);
    let key = text(&viewer, "key");
    let (id, request) = (text(&webhook, "id"), saved.at("request"));
    let all = ["verify", "--webhook", &id, "--request", &request];
    let output = server.run_with(&all, &[("POSTRIDER_KEY", &key)]);
    assert_eq!(output.code, Some(4), "{output:?}");
}

#[test]
fn what_sign_prints_verifies() {
    let secret = new_secret("a secret of a test's own");
    let env = [("POSTRIDER_SECRET", secret.as_str())];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let headers = folder.path().join("headers");
    let at_headers = format!("@{}", headers.display());
    for scheme in ["standard", "jwt"] {
        let sign = ["sign", "--id", "evt_1", "--body", "{}", "--signature", scheme];
        let printed = Output::alone(&sign, &env).ok();
        assert!(printed.starts_with("webhook-id: evt_1\n"), "{printed}");
        std::fs::write(&headers, &printed).expect("writable");
        let verify = ["verify", "--headers", &at_headers, "--body", "{}"];
        Output::alone(&verify, &env).ok();
        let at = Output::alone(&[&sign[..], &["--at", "2026-01-01T00:00:00Z"]].concat(), &env).ok();
        std::fs::write(&headers, at).expect("writable");
        assert_eq!(Output::alone(&verify, &env).code, Some(1));
        let url = "http://127.0.0.1:3000/hook";
        let curl = Output::alone(&[&sign[..], &["--curl", url]].concat(), &env).ok();
        assert!(curl.starts_with(&format!("curl -i '{url}'")) || curl.contains(url), "{curl}");
        assert!(!curl.contains(&secret["whsec_".len()..]), "{curl}");
    }
    for (args, env) in [
        (&["sign", "--body", "{}"][..], &[][..]),
        (&["sign", "--body", "{}", "--id", "a.b"], &env),
        (&["sign", "--body", "@/nowhere"], &env),
        (&["sign", "--body", "{}"], &[("POSTRIDER_SECRET", "whsec_abc")]),
    ] {
        let output = Output::alone(args, env);
        assert_eq!(output.code, Some(2), "{args:?} {output:?}");
    }
}

#[test]
fn a_published_vector_is_signed_as_it_was_published() {
    let env = [("POSTRIDER_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let body = r#"{"test": 2432232314}"#;
    let sign = ["sign", "--id", id, "--at", "1614265330", "--body", body];
    let printed = Output::alone(&sign, &env).ok();
    assert!(
        printed.contains("webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n")
    );
}
