//! The command line over the API: webhooks and deliveries, and what each exit code means.

use serde_json::{Value, json};

use crate::harness::{MASTER_KEY, Output, Postrider, Receiver, Reply, free_port, text};

/// The subscriber answers while the command waits for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_registered_tried_paused_and_deleted_from_the_command_line() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/a");
    let printed =
        server.run(&["webhooks", "register", &url, "--events", "order.*,invoice.paid"]).ok();
    let field = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
    };
    let (id, secret) = (field("id"), field("secret"));
    assert!(id.starts_with("wh_") && secret.starts_with("whsec_"), "{printed}");
    let webhook = server.get(&format!("/v1/webhooks/{id}")).await.is(200);
    assert_eq!(webhook["event_types"], json!(["order.*", "invoice.paid"]));
    let again = server.run(&["webhooks", "register", &url, "--description", "mine"]);
    assert!(again.stderr.contains("registered before"), "{again:?}");
    assert!(!again.ok().contains("whsec_"));

    assert!(server.run(&["webhooks", "test", &id]).ok().contains("delivered: 200 in"));
    assert_eq!(receiver.wait_for("/a", 1).await[0].json()["type"], "postrider.test");
    receiver.script("/a", [Reply::status(500).body("no")]);
    let data = ["webhooks", "test", &id, "--type", "order.paid", "--data", "{\"n\": 1.0}"];
    let failed = server.run(&data);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("retrying: 500 in"), "{failed:?}");
    assert!(failed.stderr.contains("It is tried again at 20"), "{failed:?}");
    assert!(failed.stderr.contains("postrider deliveries cancel dlv_"), "{failed:?}");
    assert!(receiver.wait_for("/a", 2).await[1].text().contains("{\"n\": 1.0}"));

    let status = async || server.get(&format!("/v1/webhooks/{id}")).await.is(200)["status"].clone();
    server.run(&["webhooks", "pause", &id]).ok();
    assert_eq!(status().await, "paused");
    server.run(&["webhooks", "resume", &id]).ok();
    assert_eq!(status().await, "active");
    let rotated = server.run(&["webhooks", "rotate-secret", &id]);
    assert!(!rotated.stderr.contains("whsec_"), "{rotated:?}");
    let new = rotated.ok();
    let secrets = server.run(&["webhooks", "secret", &id]).ok();
    assert!(secrets.contains(new.trim()) && secrets.contains(&secret), "{secrets}");
    assert!(server.run(&["webhooks", "show", &id]).ok().contains("\"description\": \"mine\""));

    let kept = server.run(&["webhooks", "delete", &id]);
    assert_eq!(kept.code, Some(2), "{kept:?}");
    assert!(kept.stderr.contains("--yes") && kept.stderr.contains(&url), "{kept:?}");
    server.run(&["webhooks", "delete", &id, "--yes"]).ok();
    assert_eq!(server.run(&["webhooks", "show", &id]).code, Some(3));
}

#[tokio::test]
async fn deliveries_are_shown_as_a_story_retried_and_cancelled() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500).body("not today")]);
    server.register(&receiver.url("/a"), json!({})).await;
    let first = server.publish("a", json!(1)).await;
    let first = text(&server.delivery_that_is("retrying", &first).await, "id");
    let story = server.run(&["deliveries", "show", &first]).ok();
    for words in ["retrying", "attempt 1: 500 in", "| not today", "next attempt (backoff)"] {
        assert!(story.contains(words), "{words}: {story}");
    }
    let listed = server.run(&["deliveries", "list"]).ok();
    assert!(listed.contains(&first), "{listed}");

    server.run(&["deliveries", "retry", &first]).ok();
    receiver.wait_for("/a", 2).await;
    let path = format!("/v1/deliveries/{first}");
    crate::harness::wait_until("it is delivered", async || {
        (server.get(&path).await.is(200)["status"] == "delivered").then_some(())
    })
    .await;
    receiver.script("/a", [Reply::status(500)]);
    let second = server.publish("a", json!(2)).await;
    let second = text(&server.delivery_that_is("retrying", &second).await, "id");
    // The one that cannot be cancelled is said, the other one is cancelled all the same.
    let output = server.run(&["deliveries", "cancel", &first, &second, "--json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stderr.contains(&first) && output.stderr.contains("already_finished"),
        "{output:?}"
    );
    let cancelled: Value = serde_json::from_str(&output.stdout).expect("one line of JSON");
    assert_eq!((&cancelled["id"], &cancelled["status"]), (&json!(second), &json!("cancelled")));
    let story = server.run(&["deliveries", "show", &second]).ok();
    assert!(story.trim_end().ends_with("cancelled"), "{story}");
}

#[test]
fn what_is_mistyped_is_said_with_the_way_to_do_it() {
    let (webhook, delivery) = (format!("wh_{}", "z".repeat(25)), format!("dlv_{}", "0".repeat(51)));
    for (args, words) in [
        (&["webhooks", "show", &webhook][..], "wh_ and 26 letters and digits"),
        (&["deliveries", "show", &delivery], "dlv_ and 52 letters and digits"),
        (&["events", "list", "--type", "order.*"], "events tail --events"),
        (&["events", "list", "--limit", "10001"], "a whole number from 1 to 10000"),
        (&["log-level", "info,wroker=debug"], "worker, store, model"),
        (&["log-level", "info", "--for", "x"], "a whole number from 1 to 86400"),
        (&["serve", "--limits-retention-days", "2"], "a whole number from 31 to 36500"),
        (&["serve", "--limits-retention-days", "x"], "a whole number from 31 to 36500"),
        (&["serve", "--limits-retention-days=x"], "a whole number from 31 to 36500"),
        (&["healthcheck", "--url", "http://u:hunter2@a"], "has a user or a password in it"),
        (&["verify", "--body", "{}", "--tolerance", "x"], "a whole number from 0 to 315360000"),
        (&["receive", "--fail-rate", "101"], "a whole number from 0 to 100"),
        (&["listen", "70000"], "a port is a whole number from 1 to 65535"),
        (&["listen", "--forward-to", "70000"], "a port is a whole number from 1 to 65535"),
    ] {
        let output = Output::alone(args, &[]);
        assert_eq!(output.code, Some(2), "{args:?} {output:?}");
        assert!(output.stderr.contains(words), "{args:?} {output:?}");
    }
    let key = ("POSTRIDER_KEY", "k");
    let secret = Output::alone(&["listen", "--secret", "abc"], &[key]);
    assert_eq!(secret.code, Some(2), "{secret:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("body.json");
    std::fs::write(&file, "{}").expect("writable");
    let file = file.to_str().expect("UTF-8");
    let secret = ("POSTRIDER_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let noted = Output::alone(&["sign", "--body", file], &[secret]);
    assert!(noted.stderr.contains(&format!("write @{file}")), "{noted:?}");
    assert!(noted.ok().contains("webhook-id"));
    let keyless = Output::alone(&["webhooks", "list", "--data-dir", "/nowhere"], &[]);
    assert_eq!(keyless.code, Some(4), "{keyless:?}");
    assert!(keyless.stderr.contains("set POSTRIDER_KEY to the admin key"), "{keyless:?}");
}

#[tokio::test]
async fn every_command_tells_its_failures_apart_by_the_same_exit_codes() {
    let server = Postrider::start().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let webhook = format!("wh_{}", "0".repeat(26));
    let delivery = format!("dlv_{}", "0".repeat(52));
    for (args, exit) in [
        (&["webhooks", "show", &webhook][..], 3),
        (&["webhooks", "pause", &webhook], 3),
        (&["webhooks", "test", &webhook], 3),
        (&["webhooks", "rotate-secret", &webhook], 3),
        (&["webhooks", "delete", &webhook, "--yes"], 3),
        (&["webhooks", "show", "evt_1"], 2),
        (&["webhooks", "register", "ftp://a.example"], 2),
        (&["deliveries", "show", &delivery], 3),
        (&["deliveries", "retry", &delivery], 3),
        (&["deliveries", "cancel", &delivery], 3),
        (&["deliveries", "retry"], 2),
        (&["keys", "revoke", "nonsense"], 2),
        (&["healthcheck", "--url", "nonsense"], 2),
        (&["healthcheck", "--url", &nobody], 1),
        (&["webhooks", "list", "--url", &nobody], 1),
        (&["webhooks", "list", "--url", "nonsense"], 2),
        (&["migrate"], 2),
        (&["completions", "cobol"], 2),
        (&["nonsense"], 2),
    ] {
        let output = server.run(args);
        assert_eq!(output.code, Some(exit), "{args:?} {output:?}");
        assert!(output.stderr.trim().contains(' '), "{args:?} {output:?}");
        let stranger = server.run_with(args, &[("POSTRIDER_KEY", "wrong")]);
        if exit == 3 {
            assert_eq!(stranger.code, Some(4), "{args:?} {stranger:?}");
        }
    }
    let wrong = [("POSTRIDER_DATABASE_URL", "mysql://db/x"), ("POSTRIDER_MASTER_KEY", MASTER_KEY)];
    assert_eq!(Output::alone(&["migrate"], &wrong).code, Some(2));
    let closed = format!("postgres://a@127.0.0.1:{}/x", free_port());
    assert_eq!(Output::alone(&["migrate"], &[("POSTRIDER_DATABASE_URL", &closed)]).code, Some(1));
    let script = Output::alone(&["completions", "bash"], &[]).ok();
    assert!(script.contains("postrider") && script.contains("rotate-secret"), "{script}");
}
