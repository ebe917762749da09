//! The log: one line per attempt, never in the way, in one shape, at the level that is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::fleet::Fleet;
use crate::harness::{
    ADMIN_KEY, Client, Options, Output, Postrider, Receiver, Reply, free_port, text, wait_or_tell,
    wait_until,
};

const OLD_KEY: &str = "11112222333344445555666677778888111122223333444455556666777788ff";
const NEW_KEY: &str = "aaaabbbbccccddddeeeeffff00001111aaaabbbbccccddddeeeeffff00001111";
/// Long enough to do something to a delivery that is on the wire.
const A_WHILE: Duration = Duration::from_millis(700);

fn json_lines(level: &str) -> Options {
    Options::default().env("POSTRIDER_LOG_FORMAT", "json").env("POSTRIDER_LOG", level)
}

/// The lines that tell of attempts, by delivery.
fn attempts(server: &Postrider) -> BTreeMap<String, Vec<Value>> {
    let mut by_delivery = BTreeMap::<_, Vec<_>>::new();
    for line in server.lines().into_iter().filter(|line| line["message"] == "delivery.attempted") {
        by_delivery.entry(text(&line, "delivery.id")).or_default().push(line);
    }
    by_delivery
}

/// What the lines of a delivery say of its attempts, and the API says of them, in one form.
fn told(lines: &[Value]) -> Vec<String> {
    let recorded = lines.iter().filter(|line| line["attempt.recorded"] == true);
    let mut told: Vec<_> = recorded
        .map(|line| {
            let came = line.get("http.status").unwrap_or(&line["attempt.class"]);
            let total = &line["attempt.duration_ms"];
            format!("{} {came} {total}", line["attempt.trigger"])
        })
        .collect();
    told.sort();
    told
}

fn shown(delivery: &Value) -> Vec<String> {
    let attempts = delivery["attempts"].as_array().expect("a list").iter();
    let mut shown: Vec<_> = attempts
        .map(|attempt| {
            let status = &attempt["status"];
            let came = if status.is_null() { &attempt["error"]["class"] } else { status };
            format!("{} {came} {}", attempt["trigger"], attempt["timings"]["total_ms"])
        })
        .collect();
    shown.sort();
    shown
}

/// The only delivery of a new event of that type, which goes to one webhook.
async fn begin(server: &Postrider, kind: &str) -> String {
    server.publish(kind, json!(1)).await
}

async fn register(server: &Postrider, kind: &str, url: &str, more: Value) -> String {
    let mut body = json!({
        "event_types": [kind], "retry": { "max_attempts": 1 }, "timeout_ms": 1_000,
        "headers": { "authorization": "Bearer hush-hush" },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    text(&server.register(url, body).await, "id")
}

#[tokio::test]
async fn every_attempt_is_one_line_whatever_becomes_of_it() {
    let options = |keys: &str| {
        let options = json_lines("debug").env("POSTRIDER_MASTER_KEY", keys);
        options.env("POSTRIDER_ENGINE_SHUTDOWN_GRACE_MS", "200")
    };
    let mut server = Postrider::with(options(OLD_KEY)).await;
    let receiver = Receiver::start().await;
    let url = |kind: &str| receiver.url(&format!("/{kind}?token=hush-hush"));
    for (kind, replies, more) in [
        ("ok", vec![Reply::status(200)], json!({})),
        (
            "again",
            vec![Reply::status(500), Reply::status(503)],
            json!({ "retry": { "policy": "schedule", "delays_ms": [100, 100] } }),
        ),
        ("gone", vec![Reply::status(410)], json!({})),
        (
            "final",
            vec![Reply::status(404)],
            json!({ "retry": { "max_attempts": 3, "final_statuses": [404] } }),
        ),
        ("hangs", vec![Reply::hang()], json!({})),
        ("breaks", vec![Reply::close()], json!({})),
        ("talks", vec![Reply::garbage()], json!({})),
        ("drips", vec![Reply::endless()], json!({})),
        ("manual", vec![Reply::status(500)], json!({})),
        ("cancelled", vec![Reply::status(500).after(A_WHILE)], json!({ "timeout_ms": 9_000 })),
        ("won", vec![Reply::status(200).after(A_WHILE)], json!({ "timeout_ms": 9_000 })),
        ("deleted", vec![Reply::status(500).after(A_WHILE)], json!({ "timeout_ms": 9_000 })),
    ] {
        receiver.script(&format!("/{kind}"), replies);
        register(&server, kind, &url(kind), more).await;
    }
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    register(&server, "nobody", &nobody, json!({})).await;
    for (kind, status) in [
        ("ok", "delivered"),
        ("again", "delivered"),
        ("gone", "failed"),
        ("final", "failed"),
        ("hangs", "failed"),
        ("breaks", "failed"),
        ("talks", "failed"),
        ("drips", "delivered"),
        ("nobody", "failed"),
        ("manual", "failed"),
    ] {
        let event = begin(&server, kind).await;
        let delivery = server.delivery_that_is(status, &event).await;
        if kind == "manual" {
            server
                .post(&format!("/v1/deliveries/{}/retry", text(&delivery, "id")), json!({}))
                .await;
            server.delivery_that_is("delivered", &event).await;
        }
    }
    // Somebody ends them while they are on the wire.
    for (kind, status) in [("cancelled", "cancelled"), ("won", "delivered")] {
        let event = begin(&server, kind).await;
        receiver.wait_for(&format!("/{kind}"), 1).await;
        let id = text(&server.delivery_of(&event).await, "id");
        server.post(&format!("/v1/deliveries/{id}/cancel"), json!({})).await.is(200);
        wait_until("its answer is on record", async || {
            let delivery = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
            (delivery["attempt_count"] == 1).then_some(())
        })
        .await;
        server.delivery_that_is(status, &event).await;
    }
    let event = begin(&server, "deleted").await;
    receiver.wait_for("/deleted", 1).await;
    let delivery = server.delivery_of(&event).await;
    server.delete(&format!("/v1/webhooks/{}", text(&delivery, "webhook_id"))).await.is(204);
    // By its attempt, or by the deletion if somebody looked before the answer came.
    wait_until("it has ended, with its attempt", async || {
        let delivery = server.delivery_of(&event).await;
        (delivery["attempt_count"] == 1 && !delivery["ended_at"].is_null()).then_some(())
    })
    .await;

    // A stop breaks this one off, and the next start sends it.
    receiver.script("/stopped", [Reply::hang()]);
    register(&server, "stopped", &url("stopped"), json!({ "timeout_ms": 9_000 })).await;
    let event = begin(&server, "stopped").await;
    receiver.wait_for("/stopped", 1).await;
    server.stop().await;
    server.start_again_with(options(&format!("{NEW_KEY},{OLD_KEY}"))).await;
    let stopped = text(&server.delivery_that_is("delivered", &event).await, "id");

    // Now the key is missing that encrypted all secrets but the newest, and this machine is closed.
    register(&server, "newer", &url("newer"), json!({})).await;
    server.stop().await;
    server.start_again_with(options(NEW_KEY).without_dev()).await;
    let event = begin(&server, "newer").await;
    server.delivery_that_is("failed", &event).await;
    server.stop().await;
    server.start_again_with(options(NEW_KEY)).await;
    let event = begin(&server, "ok").await;
    let unsigned = server.delivery_that_is("failed", &event).await;
    assert_eq!(unsigned["attempts"][0]["error"]["class"], "signing", "{unsigned}");

    let mut classes = Vec::new();
    for delivery in server.walk("/v1/deliveries?limit=200").await {
        let id = text(&delivery, "id");
        let what = format!("the lines of {id} are those of its attempts");
        let lines = wait_or_tell(&what, async || {
            let delivery = server.get(&format!("/v1/deliveries/{id}")).await.is(200);
            let lines = attempts(&server).remove(&id).unwrap_or_default();
            if told(&lines) == shown(&delivery) && !lines.is_empty() {
                return Ok(lines);
            }
            Err(format!("{lines:#?} {delivery:#}"))
        })
        .await;
        for line in &lines {
            assert_eq!(line["webhook.id"], delivery["webhook_id"], "{line}");
            assert_eq!(line["event.id"], delivery["event_id"], "{line}");
            assert_eq!(line["tenant.id"], delivery["tenant"], "{line}");
            classes.push(format!("{} {}", line["attempt.outcome"], line["attempt.class"]));
        }
        // What was decided in time is what the delivery says, and how often.
        let last = lines.last().filter(|line| line["attempt.late"] == false);
        if let Some(last) = last.filter(|_| delivery["ended_by"] != "webhook_deleted") {
            assert_eq!(last["delivery.ended_by"], delivery["ended_by"], "{last}");
            assert_eq!(last["attempt.number"], delivery["attempt_count"], "{last}");
        }
        let broken_off = lines.iter().filter(|line| line["attempt.outcome"] == "interrupted");
        assert_eq!(broken_off.count(), usize::from(id == stopped), "{lines:#?}");
    }
    classes.sort();
    classes.dedup();
    let expected = [
        "failure \"4xx\"",
        "failure \"5xx\"",
        "failure \"connect\"",
        "failure \"connection\"",
        "failure \"forbidden\"",
        "failure \"protocol\"",
        "failure \"signing\"",
        "failure \"timeout\"",
        "interrupted null",
        "success \"2xx\"",
    ];
    let classes: Vec<_> = classes.iter().map(|class| class.replacen('"', "", 2)).collect();
    assert_eq!(classes, expected);
    let log = server.log();
    for secret in ["hush-hush", "whsec_", ADMIN_KEY, OLD_KEY, NEW_KEY] {
        assert!(!log.contains(secret), "{secret} was logged");
    }
}

#[tokio::test]
async fn under_load_too_there_are_as_many_lines_as_attempts() {
    const EVENTS: usize = 3_000;
    let server = Postrider::with(json_lines("error,worker=debug")).await;
    let receiver = Receiver::start().await;
    receiver.script("/a", (0..EVENTS).map(|n| Reply::status(if n % 9 == 8 { 503 } else { 200 })));
    let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 20] });
    server.register(&receiver.url("/a"), json!({ "retry": retry, "max_in_flight": 64 })).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 1_000] });
    for _ in 0..EVENTS / 1_000 {
        server.post("/v1/events/batch", batch.clone()).await.is(202);
    }
    wait_or_tell("all are delivered", async || {
        let answered = receiver.requests("/a").iter().filter(|r| r.answered == 200).count();
        if answered == EVENTS { Ok(()) } else { Err(format!("{answered}")) }
    })
    .await;
    let expected: BTreeMap<_, _> = wait_or_tell("all are on record", async || {
        let deliveries = server.walk("/v1/deliveries?limit=200").await;
        let open = deliveries.iter().filter(|delivery| delivery["status"] != "delivered").count();
        let counts = deliveries.iter().map(|d| (text(d, "id"), d["attempt_count"].as_u64()));
        if open == 0 { Ok(counts.collect()) } else { Err(format!("{open} are not")) }
    })
    .await;
    assert_eq!(expected.len(), EVENTS);
    wait_or_tell("every attempt has its line", async || {
        let counted = attempts(&server);
        let lines: usize = counted.values().map(Vec::len).sum();
        let numbered = |lines: &Vec<Value>| {
            let mut numbers: Vec<_> = lines.iter().map(|l| l["attempt.number"].as_u64()).collect();
            numbers.sort();
            numbers.into_iter().eq((1..=lines.len() as u64).map(Some))
        };
        let agree = counted.len() == EVENTS
            && counted.iter().all(|(id, lines)| {
                expected.get(id) == Some(&Some(lines.len() as u64)) && numbered(lines)
            });
        if agree { Ok(()) } else { Err(format!("{lines} lines of {} deliveries", counted.len())) }
    })
    .await;
    assert!(receiver.count() > EVENTS, "some were tried twice");
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    const BATCH: usize = 1_000;
    let mut server = Postrider::with(json_lines("trace").unread()).await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({ "max_in_flight": 64 })).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); BATCH] });
    let mut published = 0;
    let lost = loop {
        server.post("/v1/events/batch", batch.clone()).await.is(202);
        published += BATCH;
        wait_or_tell("they are delivered", async || match receiver.count() {
            count if count >= published => Ok(()),
            count => Err(format!("{count} of {published}")),
        })
        .await;
        match dropped(&server).await {
            0 => assert!(published < 30 * BATCH, "nothing is dropped and the pipe is not read"),
            lost => break lost,
        }
    };
    server.read_log();
    // Lines come again, and say how many did not.
    let ended = wait_until("it says that dropping is over", async || {
        let mut lines = server.lines().into_iter();
        lines.find(|line| line["message"] == "log lines are no longer dropped")
    })
    .await;
    let messages = server.lines();
    let began = messages.iter().find(|line| {
        line["message"].as_str().is_some_and(|m| m.starts_with("log lines are dropped"))
    });
    assert!(began.is_some_and(|line| line["log.lines_dropped"].as_u64() >= Some(1)));
    assert!(ended["log.lines_dropped"].as_u64() >= Some(lost), "{ended} {lost}");
    assert_eq!(ended["log.lines_dropped"].as_u64(), Some(dropped(&server).await));
    let event = server.publish("a", json!(2)).await;
    wait_until("its line comes", async || {
        let lines = server.lines();
        lines.iter().any(|line| line["event.id"] == event.as_str()).then_some(())
    })
    .await;
}

async fn dropped(server: &Postrider) -> u64 {
    let metrics = server.get("/metrics").await.text();
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix("postrider_log_lines_dropped_total "));
    value.expect("the metric is there").parse().expect("a whole number")
}

#[tokio::test]
async fn a_process_whose_log_nobody_reads_stops_when_it_is_told_to() {
    let mut server = Postrider::with(json_lines("trace").unread()).await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    // More than a pipe holds.
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 500] });
    server.post("/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/a", 500).await;
    let status = server.stop().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn everything_is_written_before_a_process_ends() {
    let mut server = Postrider::with(json_lines("debug")).await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 300] });
    server.post("/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/a", 300).await;
    server.stop().await;
    wait_until("the last line is there", async || {
        server.lines().last().is_some_and(|line| line["message"] == "stopped").then_some(())
    })
    .await;
    assert_eq!(attempts(&server).len(), 300);

    // At a start that fails, too.
    let (taken, data) = (Receiver::start().await, tempfile::tempdir().expect("a folder"));
    let (address, data) = (taken.url("").replace("http://", ""), data.path().display().to_string());
    let env = [("POSTRIDER_LOG_FORMAT", "json"), ("POSTRIDER_LOG", "off")];
    let failed = Output::alone(&["serve", "--listen", &address, "--data-dir", &data], &env);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let line: Value = serde_json::from_str(&failed.stderr).expect("one line of JSON");
    assert_eq!(line["message"], "the process failed", "{line}");
    assert!(text(&line, "error").contains(&address), "{line}");
}

#[tokio::test]
async fn what_a_subscriber_answers_cannot_forge_a_line() {
    let level = Options::default().env("POSTRIDER_LOG", "trace");
    let server = Postrider::with(level).await;
    let receiver = Receiver::start().await;
    let hostile = "x\u{1b}[2J\r\n2026-01-01T00:00:00.000000Z ERROR worker: forged\n\u{85}";
    let refusal = || Reply::status(503).header("x-note", "\u{1b}[31mred").body(hostile);
    receiver.script("/a", [refusal(), Reply::garbage(), refusal()]);
    let retry = json!({ "policy": "schedule", "delays_ms": [100, 100] });
    server.register(&receiver.url("/a"), json!({ "retry": retry })).await;
    // Whoever calls may be a stranger as well.
    let headers = [("request-id", "a\"forged=1")];
    let unknown = server.send("WHAT".parse().expect("a method"), "/x%0aERROR", &headers, None);
    assert_eq!(unknown.await.status, 404);
    let event = server.publish("a", json!(hostile)).await;
    server.delivery_that_is("failed", &event).await;
    let lines = wait_until("three lines of attempts", async || {
        let log = server.log();
        (log.matches("delivery.attempted").count() == 3).then_some(log)
    })
    .await;
    for line in lines.lines().filter(|line| line.contains(": ") && line.starts_with("20")) {
        let mut words = line.split_whitespace();
        let (at, level) = (words.next().expect("a word"), words.next().expect("a word"));
        assert!(model::time::Timestamp::parse(at).is_ok() && at.ends_with('Z'), "{line}");
        assert!(["INFO", "WARN", "DEBUG", "TRACE"].contains(&level), "{line}");
    }
    assert!(!lines.contains("forged\n") && !lines.contains('\u{1b}'), "{lines}");
}

#[tokio::test]
async fn the_level_changes_while_a_process_runs_and_falls_back() {
    let server = Postrider::with(json_lines("info")).await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let seen = async |server: &Postrider| {
        let event = server.publish("a", json!(1)).await;
        server.delivery_that_is("delivered", &event).await;
        // A line that every level has and that comes after.
        let before = server.lines().len();
        server
            .put("/v1/log", json!({ "level": text(&level(server).await, "level") }))
            .await
            .is(200);
        wait_until("the next line", async || (server.lines().len() > before).then_some(())).await;
        server.lines().iter().any(|line| line["event.id"] == event.as_str())
    };
    assert_eq!(
        level(&server).await,
        json!({ "level": "info", "configured": "info", "for_ms": null })
    );
    assert!(!seen(&server).await);
    let changed = server.put("/v1/log", json!({ "level": "info,worker=debug" })).await.is(200);
    assert_eq!(changed["level"], "info,worker=debug");
    assert!(seen(&server).await);
    server.put("/v1/log", json!({ "level": "info" })).await.is(200);
    assert!(!seen(&server).await);

    let for_a_while = json!({ "level": "debug", "for_ms": 60_000 });
    let left = server.put("/v1/log", for_a_while).await.is(200)["for_ms"].as_u64();
    assert!(left.is_some_and(|ms| (1..=60_000).contains(&ms)), "{left:?}");
    server.put("/v1/log", json!({ "level": "worker=debug", "for_ms": 50 })).await.is(200);
    wait_until("it falls back", async || (level(&server).await["level"] == "info").then_some(()))
        .await;
    assert_eq!(level(&server).await["for_ms"], json!(null));
    assert!(!seen(&server).await);
}

async fn level(client: &Client) -> Value {
    client.get("/v1/log").await.is(200)
}

#[tokio::test]
async fn only_an_admin_changes_the_level_and_only_to_a_level() {
    let server = Postrider::start().await;
    for body in [
        json!({ "name": "a", "role": "viewer" }),
        json!({ "name": "b", "role": "publisher" }),
        json!({ "name": "c", "role": "tenant", "tenant": "acme" }),
    ] {
        let key = text(&server.post("/v1/keys", body).await.is(201), "key");
        let other = server.with_key(&key);
        other.get("/v1/log").await.refused(403, "forbidden_role");
        let answer = other.put("/v1/log", json!({ "level": "debug" })).await;
        answer.refused(403, "forbidden_role");
    }
    for (body, code) in [
        (json!({}), "schema"),
        (json!({ "level": 1 }), "schema"),
        (json!({ "level": "loud" }), "log_level_invalid"),
        (json!({ "level": "" }), "log_level_invalid"),
        (json!({ "level": "info,worker=loud" }), "log_level_invalid"),
        (json!({ "level": "info,a\nb=debug" }), "log_level_invalid"),
        (json!({ "level": format!("info,{}=debug", "x".repeat(2_000)) }), "log_level_invalid"),
        (json!({ "level": "info", "for_ms": 0 }), "for_ms_invalid"),
        (json!({ "level": "info", "for_ms": 86_400_001u64 }), "for_ms_invalid"),
        (json!({ "level": "info", "for_ms": "1" }), "schema"),
        (json!({ "level": "info", "colour": 1 }), "unknown_field"),
    ] {
        server.put("/v1/log", body).await.refused(422, code);
    }
    assert_eq!(level(&server).await["level"], "info");
    server.post("/v1/log", json!({})).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn the_command_line_shows_and_changes_the_level() {
    let server = Postrider::start().await;
    assert_eq!(server.run(&["log-level"]).ok(), "info\n");
    assert_eq!(server.run(&["log-level", "info,store=trace"]).ok(), "info,store=trace\n");
    let said = server.run(&["log-level", "debug", "--for", "60"]).ok();
    assert_eq!(said, "debug, for 60 s more, then info\n");
    assert_eq!(server.run(&["log-level", "loud"]).code, Some(2));
    assert_eq!(level(&server).await["level"], "debug");
}

#[tokio::test]
async fn each_process_of_a_fleet_has_its_own_level() {
    let mut fleet = Fleet::start(1, 0).await;
    let worker = fleet.start_worker_with_a_door();
    wait_until("it answers", async || {
        let asked = worker.try_send(reqwest::Method::GET, "/readyz", &[], None).await.ok()?;
        (asked.status == 200).then_some(())
    })
    .await;
    worker.put("/v1/log", json!({ "level": "debug" })).await.is(200);
    assert_eq!(level(&worker).await["level"], "debug");
    assert_eq!(level(fleet.client()).await["level"], "info");
    worker.without_key().get("/v1/log").await.refused(401, "unauthorized");
}
