//! The first five minutes: start it, send something, see it arrive.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{Options, Postrider, text, wait_until};

/// What the built-in subscriber got, once it got something.
async fn inbox(server: &Postrider) -> Vec<Value> {
    wait_until("something arrives in the inbox", async || {
        let inbox = server.without_key().get("/dev/inbox/demo").await.is(200);
        let data = inbox["data"].as_array().expect("a list").clone();
        (!data.is_empty()).then_some(data)
    })
    .await
}

#[tokio::test]
async fn an_event_sent_from_the_command_line_is_seen_everywhere() {
    let server = Postrider::with(Options::default().with_demo()).await;
    let sent = server.run(&["send", "order.paid", r#"{"total": 50.75}"#, "--json"]).ok();
    let sent: Value = serde_json::from_str(&sent).expect("--json prints JSON");
    let id = text(&sent, "id");

    let arrived = inbox(&server).await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0]["verified"], true, "{arrived:?}");
    assert_eq!(arrived[0]["json"]["type"], "order.paid");
    assert!(text(&arrived[0], "body").contains(r#""data":{"total": 50.75}"#), "{arrived:?}");

    let delivery = server.delivery_that_is("delivered", &id).await;
    assert_eq!(delivery["last_attempt"]["status"], 200);
    let listed = server.deliveries("status=delivered").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["event_id"], id.as_str());

    let table = server.run(&["deliveries", "list"]).ok();
    assert!(table.contains("delivered") && table.contains("order.paid"), "{table}");
    let webhooks = server.run(&["webhooks", "list"]).ok();
    assert!(webhooks.contains("/dev/inbox/demo"), "{webhooks}");
}

#[tokio::test]
async fn a_first_start_makes_a_key_that_only_its_owner_can_read() {
    let server = Postrider::with(Options::default().with_demo().with_its_own_key()).await;
    let file = server.data_dir().join("dev.key");
    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let data_dir = server.data_dir().to_str().expect("a path in UTF-8");
    let sent = server.run_with(&["send", "order.paid", "{}"], &[("POSTRIDER_DATA_DIR", data_dir)]);
    sent.ok();
    assert_eq!(inbox(&server).await[0]["verified"], true);
}

#[tokio::test]
async fn send_takes_data_from_a_file_and_an_id() {
    let server = Postrider::with(Options::default().with_demo()).await;
    let file = server.data_dir().join("order.json");
    std::fs::write(&file, r#"{"from": "a file"}"#).expect("a writable folder");
    let at_file = format!("@{}", file.display());
    server.run(&["send", "order.paid", &at_file, "--id", "order-1"]).ok();

    let delivery = server.delivery_that_is("delivered", "order-1").await;
    assert_eq!(delivery["event_id"], "order-1");
    assert_eq!(inbox(&server).await[0]["json"]["data"], json!({ "from": "a file" }));
}

#[tokio::test]
async fn the_command_line_says_in_a_sentence_what_it_was_given_wrong() {
    let server = Postrider::start().await;
    for args in [
        &["send", "order.paid", "{not json"][..],
        &["send", "order paid", "{}"],
        &["send", "order.paid", "@/nowhere/at/all"],
        &["keys", "create", "--name", "a", "--role", "king"],
        &["deliveries", "list", "--status", "lost"],
    ] {
        let output = server.run(args);
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.trim().contains(' '), "{args:?}: {output:?}");
        assert!(!output.stderr.contains("panicked"), "{args:?}: {output:?}");
    }
    let output = server.run_with(&["webhooks", "list"], &[("POSTRIDER_KEY", "wrong")]);
    assert_ne!(output.code, Some(0), "{output:?}");
    let nobody = [("POSTRIDER_URL", "http://127.0.0.1:9"), ("POSTRIDER_KEY", "a")];
    let output = server.run_with(&["send", "order.paid", "{}"], &nobody);
    assert_ne!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("127.0.0.1:9"), "{output:?}");
}
