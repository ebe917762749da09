//! `postrider receive`: a receiver on this machine that says what it gets.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Client, Output, Postrider, Process, free_port, new_secret, text, wait_until};

/// A receiver with more flags, and where it is.
async fn receive(flags: &[&str], env: &[(&str, &str)]) -> (Process, String) {
    let port = free_port();
    let mut args = vec!["receive".to_owned(), "--port".into(), port.to_string()];
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let process = Process::start(args, env.collect());
    wait_until("it listens", async || process.log().contains("Listening on").then_some(())).await;
    (process, format!("http://127.0.0.1:{port}/hook"))
}

async fn logged(process: &Process, words: &str) -> String {
    wait_until(words, async || Some(process.log()).filter(|log| log.contains(words))).await
}

#[tokio::test]
async fn a_delivery_is_shown_and_verified_and_its_signature_is_not_shown_whole() {
    let server = Postrider::start().await;
    let secret = new_secret("of a receiver");
    let (right, url) = receive(&[], &[("POSTRIDER_SECRET", &secret)]).await;
    let (wrong, other_url) = receive(&[], &[("POSTRIDER_SECRET", &new_secret("else"))]).await;
    for url in [&url, &other_url] {
        server.register(url, json!({ "secret": secret })).await;
    }
    server.publish("order.paid", json!({ "total": 50.75 })).await;
    let log = logged(&right, "verified").await;
    assert!(log.contains("POST /hook → 200, verified\n"), "{log}");
    assert!(log.contains("  webhook-id: evt_") && log.contains(r#""total":50.75"#), "{log}");
    let signature =
        log.lines().find(|line| line.contains("webhook-signature")).expect("it is there");
    assert!(signature.ends_with('…') && signature.len() < 50, "{signature}");
    let client = Client::new(url.replace("/hook", ""), None);
    let token = "tell-nobody-about-this-one";
    client.send(reqwest::Method::POST, "/hook", &[("x-api-key", token)], None).await;
    let log = logged(&right, "x-api-key").await;
    assert!(!log.contains(token), "{log}");
    let log = logged(&wrong, "not verified").await;
    assert!(log.contains("not verified (no_match): no signature matches"), "{log}");
}

#[tokio::test]
async fn what_it_prints_as_json_can_be_verified_later() {
    let server = Postrider::start().await;
    let (mut process, url) = receive(&["--json", "--count", "1"], &[]).await;
    let webhook = server.register(&url, json!({})).await;
    server.publish("order.paid", json!({ "total": 50.75 })).await;
    let ended = wait_until("it ends after one", async || process.ended()).await;
    assert!(ended.success(), "{}", process.log());
    let log = logged(&process, "webhook-id").await;
    let line = log.lines().find(|line| line.starts_with('{')).expect("a line of JSON").to_owned();
    let got: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        (&got["method"], &got["answered"], &got["verified"]),
        (&json!("POST"), &json!(200), &Value::Null)
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file: PathBuf = folder.path().join("line.json");
    std::fs::write(&file, line).expect("writable");
    let secret = text(&webhook, "secret");
    let at = format!("@{}", file.display());
    Output::alone(&["verify", "--request", &at], &[("POSTRIDER_SECRET", &secret)]).ok();
}

#[tokio::test]
async fn it_answers_as_it_is_told_and_takes_no_more_than_a_bound() {
    let (_process, url) = receive(&["--status", "418"], &[]).await;
    let told = Client::new(url, None);
    assert_eq!(told.post("", json!({})).await.status, 418);
    let (process, url) = receive(&["--fail-rate", "100"], &[]).await;
    let failing = Client::new(url, None);
    assert_eq!(failing.patch("", json!({})).await.status, 500);
    let large = vec![b' '; 1024 * 1024 + 1];
    // It may also be cut off while it is sent.
    let refused = failing.try_send(reqwest::Method::POST, "", &[], Some(large)).await;
    assert!(refused.map_or(true, |answer| answer.status == 413));
    logged(&process, "was refused with 413").await;
    for args in [
        &["receive", "--status", "99"][..],
        &["receive", "--delay", "1h"],
        &["receive", "--fail-rate", "101"],
    ] {
        assert_eq!(Output::alone(args, &[]).code, Some(2), "{args:?}");
    }
    let malformed = Output::alone(&["receive"], &[("POSTRIDER_SECRET", "whsec_abc")]);
    assert_eq!(malformed.code, Some(2), "{malformed:?}");
}
