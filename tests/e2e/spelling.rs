//! Spellings of hosts and URLs through the real API. The tables of all of them are with the rules
//! (`model/src/target`, `model/src/egress`); here: their codes reach the caller, nothing is kept,
//! nobody is asked or called, and what is accepted is kept in one form.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Options, Postrider, Receiver, text};

const REFUSED: &[(&str, &str)] = &[
    ("https://127.1/", "host_forbidden"),
    ("https://2130706433/", "host_forbidden"),
    ("https://0x7f000001/", "host_forbidden"),
    ("https://017700000001/", "host_forbidden"),
    ("https://127.0.0.1./", "host_forbidden"),
    ("https://127\u{3002}0\u{3002}0\u{3002}1/", "host_forbidden"),
    ("https://0/", "host_forbidden"),
    ("https://[::]/", "host_forbidden"),
    ("https://[0:0:0:0:0:ffff:a9fe:a9fe]/", "host_forbidden"),
    ("https://[64:ff9b::a9fe:a9fe]/", "host_forbidden"),
    ("https://[2002:a9fe:a9fe::1]/", "host_forbidden"),
    ("https://[fe80::1%25eth0]/", "url_invalid"),
    ("https://[fec0::1]/", "host_forbidden"),
    ("https://[fd00:ec2::254]/", "host_forbidden"),
    ("https://100.100.100.200/", "host_forbidden"),
    ("https://168.63.129.16/", "host_forbidden"),
    ("https://255.255.255.255/", "host_forbidden"),
    ("https://LOCALHOST./", "host_forbidden"),
    ("https://metadata.google.internal/", "host_forbidden"),
    ("https://kubernetes.default.svc/", "host_forbidden"),
    ("https://redis/", "host_forbidden"),
    ("https://1.1.1.1.1/", "url_invalid"),
    ("https://foo.127.1/", "url_invalid"),
    ("ftp://example.com/", "scheme"),
    ("gopher://127.0.0.1:6379/_SET", "scheme"),
    ("unix:/var/run/docker.sock", "scheme"),
    ("http://example.com/", "scheme"),
    ("https://user:pass@example.com/", "userinfo"),
    ("https://example.com:0/", "port"),
    ("https://example.com:6379/", "port"),
    ("https://[::1]:80:80/", "port"),
    ("https://evil.com#@example.com/", "fragment"),
    (" https://example.com/", "url_invalid"),
    ("https://exa\tmple.com/", "url_invalid"),
    ("https://example.com/\0", "url_invalid"),
    ("https://example.com%00.evil.com/", "url_invalid"),
    ("https://exa\u{202e}mple.com/", "url_invalid"),
    ("https://xn--a/", "url_invalid"),
];

const ACCEPTED: &[(&str, &str)] = &[
    ("https://172.15.255.255", "https://172.15.255.255/"),
    ("https://172.32.0.1/", "https://172.32.0.1/"),
    ("https://100.63.255.254/", "https://100.63.255.254/"),
    ("https://0x08080808/", "https://8.8.8.8/"),
    ("https://fa\u{df}.de/", "https://xn--fa-hia.de/"),
    ("https://\u{212f}xample.com/", "https://example.com/"),
    ("https://example.org:/", "https://example.org/"),
    ("https://example.net:00443/a/../b", "https://example.net/b"),
];

#[tokio::test]
async fn a_refused_url_is_named_and_nothing_of_it_is_kept() {
    let server = Postrider::with(Options::default().without_dev()).await;
    let kept = server.register("https://kept.example/", json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&kept, "id"));
    for (url, code) in REFUSED {
        let body = json!({ "webhook_url": url });
        for answer in [
            server.post("/v1/webhooks/register", body.clone()).await,
            server.patch(&path, body).await,
        ] {
            let problem = answer.refused(422, code);
            assert_eq!(problem["errors"][0]["pointer"], "/webhook_url", "{url:?}");
            assert!(!problem.to_string().contains("pass@"), "{problem}");
        }
    }
    let long = format!("https://example.com/{}", "a".repeat(2_029));
    let body = json!({ "webhook_url": long });
    server.post("/v1/webhooks/register", body).await.refused(422, "url_too_long");
    for wrong in [json!(["https://a.example/"]), json!(null), json!(7), json!({}), json!(true)] {
        let body = json!({ "webhook_url": wrong });
        server.post("/v1/webhooks/register", body.clone()).await.refused(422, "schema");
        server.patch(&path, body).await.refused(422, "schema");
    }
    let twice = r#"{"webhook_url":"https://a.example/","webhook_url":"https://10.0.0.1/"}"#;
    server.post_text("/v1/webhooks/register", twice).await.refused(400, "duplicate_key");
    assert_eq!(server.walk("/v1/webhooks").await.len(), 1);
    assert_eq!(server.get(&path).await.is(200)["webhook_url"], "https://kept.example/");
}

#[tokio::test]
async fn an_accepted_url_has_one_form_however_it_is_spelled() {
    let server = Postrider::with(Options::default().without_dev()).await;
    for (given, kept) in ACCEPTED {
        let webhook = server.register(given, json!({})).await;
        assert_eq!(webhook["webhook_url"], *kept, "{given}");
        let again = json!({ "webhook_url": kept });
        let again = server.post("/v1/webhooks/register", again).await.is(200);
        assert_eq!(again["id"], webhook["id"], "{given}");
    }
    assert_eq!(server.walk("/v1/webhooks").await.len(), ACCEPTED.len());
}

#[tokio::test]
async fn registering_asks_no_resolver_and_calls_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let calls = folder.path().join("calls");
    let options = Options::default().on_a_data_directory().without_dev();
    let options = options.env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8,::1/128");
    let options = options.env("POSTRIDER_TEST_CALLS", calls.to_str().expect("UTF-8"));
    let server = Postrider::with(options.env("LD_PRELOAD", &shim(folder.path()))).await;
    let called = || std::fs::read_to_string(&calls).unwrap_or_default();
    let urls = REFUSED.iter().chain(ACCEPTED).map(|(url, _)| *url);
    for url in urls.chain(["https://a.test.invalid/", "http://localhost:8123/"]) {
        let body = json!({ "webhook_url": url });
        server.send_json(Method::POST, "/v1/webhooks/register", &body).await;
        assert_eq!(called(), "", "{url}");
    }

    // What would be seen: an attempt asks and calls.
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({ "event_types": ["a"] })).await;
    assert_eq!(called(), "");
    server.publish("a", json!(1)).await;
    receiver.wait_for("/a", 1).await;
    assert!(called().contains("connect"), "{}", called());
}

impl Postrider {
    /// Whatever the answer is.
    async fn send_json(&self, method: Method, path: &str, body: &Value) {
        let answer = self.json(method, path, body.clone()).await;
        assert!(answer.status < 500, "{}", answer.text());
    }
}

/// Writes down every call to another address.
fn shim(folder: &Path) -> String {
    let shim = folder.join("calls.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/harness/calls.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).arg("-ldl");
    assert!(cc.status().expect("cc is installed").success());
    shim.to_str().expect("a path in UTF-8").to_owned()
}
