//! Subscribers that mean harm: whatever they answer has an outcome in words, costs its attempt no
//! more than its time and its memory, and nobody else anything.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::scripted::{Scripted, Step, send};
use crate::harness::{Options, Postrider, Receiver, Reply, never, text, wait_until};

const MIB: u64 = 1_024 * 1_024;

/// What has to come of an attempt.
#[derive(Debug, Clone)]
enum Outcome {
    /// This status, whatever came after it.
    Status(u16),
    /// This status, and something about the rest.
    StatusBut(u16, &'static str),
    /// An error of one of these classes (several where the kernel decides which), and a word of its
    /// detail.
    Error(&'static [&'static str], &'static str),
}
use Outcome::{Error, Status, StatusBut};

fn ok(more: &str) -> Step {
    send(format!("HTTP/1.1 200 OK\r\n{more}"))
}

/// Answers a request with exactly these bytes and closes.
fn says(bytes: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::Request, send(bytes)]
}

fn status(line: &str) -> Vec<Step> {
    says(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"))
}

/// Serves every row from a port of its own, publishes one event for all, and compares.
async fn compare(rows: Vec<(&'static str, Vec<Step>, Outcome)>) {
    let server = Postrider::start().await;
    let mut raws = Vec::new();
    for (name, steps, outcome) in rows {
        let raw = Scripted::start(steps).await;
        let more = json!({ "timeout_ms": 1_000, "description": name });
        let webhook = server.register(&raw.url("/a"), more).await;
        raws.push((name, raw, text(&webhook, "id"), outcome));
    }
    let event = server.publish("a", json!("x".repeat(1_000))).await;
    for (name, raw, webhook, outcome) in &raws {
        let attempt = wait_until(name, async || {
            let query = format!("event_id={event}&webhook_id={webhook}");
            let delivery = server.deliveries(&query).await.into_iter().next()?;
            let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
            server.get(&path).await.is(200)["attempts"].get(0).cloned()
        })
        .await;
        let error = |class: &str| attempt["error"]["class"] == class;
        match outcome {
            Status(code) => assert_eq!(attempt["status"], *code, "{name}: {attempt}"),
            StatusBut(code, words) => {
                assert_eq!(attempt["status"], *code, "{name}: {attempt}");
                assert!(text(&attempt, "note").contains(words), "{name}: {attempt}");
            }
            Error(classes, words) => {
                assert!(classes.iter().any(|class| error(class)), "{name}: {attempt}");
                let detail = text(&attempt["error"], "detail");
                assert!(detail.contains(words), "{name}: {detail}");
            }
        }
        let took = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
        assert!(took < 3_000.0, "{name}: {took} ms");
        // Sent once, and not again behind anybody's back before the retry is due.
        assert!(raw.connections() <= 1, "{name}: {} connections", raw.connections());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_that_is_none_has_its_outcome() {
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50);
    let lines = |n: usize| (0..n).map(|n| format!("x-{n}: a\r\n")).collect::<String>();
    let protocol = |words| Error(&["protocol"], words);
    compare(vec![
        ("hangs", vec![Step::Request, Step::Hang], Error(&["timeout"], "within 1000 ms")),
        ("reads nothing", vec![Step::Hang], Error(&["timeout"], "within 1000 ms")),
        (
            "drips its head",
            vec![Step::Request, ok(""), Step::Drip(b"x-slow: a\r\n".to_vec())],
            Error(&["timeout"], "within 1000 ms"),
        ),
        ("floods with 1xx", vec![Step::Request, Step::Forever(flood)], protocol("1xx")),
        (
            "sends hints before its answer",
            says([hints, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()].concat()),
            Status(200),
        ),
        ("floods its head", vec![Step::Request, ok(""), Step::Forever(b"x: y\r\n".repeat(1_000))], protocol("")),
        ("switches protocols", says("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"), protocol("101")),
        ("has 100 headers", says(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", lines(99))), Status(200)),
        ("has 101 headers", says(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", lines(100))), protocol("")),
        ("has a header of 1 MiB", says(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20))), protocol("")),
        ("has a control in a header", says("HTTP/1.1 200 OK\r\nx: a\x01b\r\n\r\n"), protocol("")),
        ("has NUL in a header", says("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"), protocol("")),
        ("has a space in a header's name", says("HTTP/1.1 200 OK\r\nx y: a\r\n\r\n"), protocol("")),
        ("folds a header", says("HTTP/1.1 200 OK\r\nx: a\r\n  b\r\n\r\n"), protocol("")),
        ("has bytes above ASCII in a header", says(b"HTTP/1.1 200 OK\r\nx: \xff\xfe\r\ncontent-length: 0\r\n\r\n".to_vec()), Status(200)),
        ("speaks HTTP/0.9", says("hello\r\n"), protocol("")),
        ("speaks HTTP/2", says("HTTP/2 200\r\n\r\n"), protocol("")),
        ("speaks TLS", says(b"\x16\x03\x03\x00\x02\x01\x02".to_vec()), protocol("")),
        ("is a mail server", says("220 mail.example ESMTP\r\n"), protocol("")),
        ("status 000", status("000 No"), protocol("")),
        ("status 99", status("99 No"), protocol("")),
        ("status 1000", status("1000 No"), protocol("")),
        ("status 0x200", status("0x200 No"), protocol("")),
        ("status 199", status("199 No"), Error(&["connection"], "")),
        ("status 999", status("999 No"), Status(999)),
        ("two lengths", says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), protocol("")),
        ("a negative length", says("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nab"), protocol("")),
        ("closes before anything", vec![], Error(&["connection", "connect"], "")),
        ("resets before anything", vec![Step::Reset], Error(&["connection", "connect"], "")),
        ("closes after the request", vec![Step::Request], Error(&["connection"], "")),
        ("resets in the request", vec![Step::Head, Step::Reset], Error(&["connection"], "")),
        ("resets after the request", vec![Step::Request, Step::Reset], Error(&["connection"], "")),
    ])
    .await;
}

/// 50 KiB that are 50 MiB when they are inflated.
fn gzip_bomb() -> Vec<u8> {
    let zeros = "head -c 52428800 /dev/zero | gzip -9";
    let bomb = Command::new("sh").args(["-c", zeros]).output().expect("gzip is installed").stdout;
    assert!(bomb.len() > 50_000 && bomb.len() < 60_000, "{} bytes", bomb.len());
    bomb
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_decides_whatever_becomes_of_the_body() {
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let broke = "the body broke off";
    let late = "did not end in time";
    let long = "content-length: 2147483648\r\n\r\n";
    let kib = vec![b'x'; 64 * 1_024];
    let chunk = [b"10000\r\n".to_vec(), kib.clone(), b"\r\n".to_vec()].concat();
    let bomb = gzip_bomb();
    let encoded = |coding: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        says([head.as_bytes(), body].concat())
    };
    compare(vec![
        ("drips its body", vec![Step::Request, ok(long), Step::Drip(vec![b'x'])], StatusBut(200, late)),
        ("2 GB with a length", vec![Step::Request, ok(long), Step::Forever(kib)], Status(200)),
        ("2 GB in chunks", vec![Step::Request, ok(chunked), Step::Forever(chunk)], Status(200)),
        ("2 GB without either", vec![Step::Request, ok("\r\n"), Step::Forever(vec![b'x'; 4_096])], Status(200)),
        ("a gzip bomb", encoded("gzip", &bomb), Status(200)),
        ("brotli that is none", encoded("br", &[0xff; 100]), Status(200)),
        ("deflate that is none", encoded("deflate", &[0; 100]), Status(200)),
        ("ten codings", encoded("gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip", &bomb), Status(200)),
        ("a chunk of 2^64-1", vec![Step::Request, ok(chunked), send("FFFFFFFFFFFFFFFF\r\nx"), Step::Hang], StatusBut(200, "")),
        ("a chunk of 2^68", vec![Step::Request, ok(chunked), send("FFFFFFFFFFFFFFFFF\r\nx"), Step::Hang], StatusBut(200, broke)),
        ("a chunk of no size", vec![Step::Request, ok(chunked), send("zzz\r\nx"), Step::Hang], StatusBut(200, broke)),
        ("extensions of 1 MiB", vec![Step::Request, ok(chunked), send(format!("1;{}\r\nx", "e".repeat(1 << 20))), Step::Hang], StatusBut(200, broke)),
        ("extensions without end", vec![Step::Request, ok(chunked), send("1;"), Step::Forever(b"e".repeat(4_096))], StatusBut(200, broke)),
        ("a million tiny chunks", vec![Step::Request, ok(chunked), Step::Forever(b"1;eeeeeeeeeeeeeeee\r\nx\r\n".repeat(1_000))], StatusBut(200, broke)),
        ("trailers without end", vec![Step::Request, ok(chunked), send("0\r\n"), Step::Forever(b"x: y\r\n".repeat(1_000))], StatusBut(200, broke)),
        ("fewer bytes than it said", says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), StatusBut(200, broke)),
        ("more bytes than it said", says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc"), Status(200)),
        ("a length and chunks", says("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), Status(200)),
        ("another answer behind it", says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n"), Status(200)),
        ("resets in the body", vec![Step::Request, ok("content-length: 10\r\n\r\nabc"), Step::Pause(Duration::from_millis(100)), Step::Reset], StatusBut(200, broke)),
        (
            "answers before it reads",
            vec![Step::Head, ok("content-length: 0\r\n\r\n"), Step::Pause(Duration::from_millis(100)), Step::Reset],
            Status(200),
        ),
        ("204 with a body", says("HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nabc"), Status(204)),
        ("205", status("205 Reset Content"), Status(205)),
        ("206", status("206 Partial Content"), Status(206)),
        ("299", status("299 Fine"), Status(299)),
        ("200 and wait", says("HTTP/1.1 200 OK\r\nretry-after: 9999\r\ncontent-length: 0\r\n\r\n"), Status(200)),
        ("300", status("300 Choose"), Status(300)),
        ("304", status("304 Same"), Status(304)),
        ("416", status("416 No"), Status(416)),
        ("501", status("501 No"), Status(501)),
    ])
    .await;
}

#[tokio::test]
async fn nothing_that_an_answer_points_to_is_asked() {
    let server = Postrider::start().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let there = elsewhere.url("/there");
    let port = there.split(['/', ':']).nth(4).expect("a port");
    for status in [300, 301, 302, 303, 305, 307, 308, 200] {
        let path = format!("/{status}");
        let reply = Reply::status(status)
            .header("location", &there)
            .header("refresh", &format!("0; url={there}"))
            .header("alt-svc", &format!("h2=\"127.0.0.1:{port}\"; ma=3600, h3=\":{port}\""))
            .header("link", &format!("<{there}>; rel=preload"))
            .header("set-cookie", "session=stolen; Path=/")
            .header("www-authenticate", "Basic realm=\"x\"")
            .header("clear-site-data", "\"*\"")
            .header("strict-transport-security", "max-age=9999");
        receiver.always(&path, reply);
        let retry = json!({ "policy": "schedule", "delays_ms": [100] });
        server.register(&receiver.url(&path), json!({ "retry": retry })).await;
        let second =
            if status == 200 { server.publish("a", json!(2)).await } else { String::new() };
        let event = server.publish("a", json!(1)).await;
        for event in [event, second].iter().filter(|event| !event.is_empty()) {
            server.delivery_of(event).await;
        }
        for request in receiver.wait_for(&path, 2).await {
            assert_eq!(
                (request.header("cookie"), request.header("accept-encoding")),
                ("", "identity")
            );
            assert!(!request.header("authorization").starts_with("Basic"));
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

/// Whether a request that met a connection as it closed is sent again is not the client's to decide:
/// the subscriber may have taken it.
#[tokio::test]
async fn a_request_on_a_connection_that_closes_under_it_is_not_sent_again_in_secret() {
    let server = Postrider::start().await;
    let first = || vec![Step::Request, ok("content-length: 2\r\n\r\nok"), Step::Request];
    for end in [vec![], vec![Step::Reset], vec![send("HTT")]] {
        let raw = Scripted::start(first().into_iter().chain(end).collect()).await;
        let retry = json!({ "policy": "schedule", "delays_ms": [60_000] });
        let webhook = server.register(&raw.url("/a"), json!({ "retry": retry })).await;
        let event = server.publish("a", json!(1)).await;
        server.delivery_that_is("delivered", &event).await;
        let event = server.publish("a", json!(2)).await;
        let retrying = server.delivery_that_is("retrying", &event).await;
        assert_eq!(retrying["attempts"][0]["error"]["class"], "connection", "{retrying}");
        let sent_again = async || (raw.heads().len() > 2).then(|| raw.heads());
        never("it is sent again", Duration::from_millis(300), sent_again).await;
        assert_eq!((raw.heads().len(), raw.connections()), (2, 1));
        server.delete(&format!("/v1/webhooks/{}", text(&webhook, "id"))).await.is(204);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_none_and_the_next_attempt_has_the_same_id() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let slow = |ms| Reply::status(200).after(Duration::from_millis(ms));
    receiver.script("/late", [slow(1_800), slow(300)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [100] });
    let more = json!({ "timeout_ms": 1_000, "retry": retry });
    server.register(&receiver.url("/late"), more).await;
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    assert_eq!(delivery["attempts"][0]["error"]["class"], "timeout", "{delivery}");
    assert_eq!(
        (&delivery["attempts"][1]["status"], &delivery["attempt_count"]),
        (&json!(200), &json!(2))
    );
    let ids: Vec<_> =
        receiver.requests("/late").iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, [event.clone(), event]);
}

#[tokio::test]
async fn many_who_are_gone_at_once_disable_their_webhook_once() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    receiver.always("/a", Reply::status(410).after(Duration::from_millis(100)));
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let batch = json!({ "events": vec![json!({ "type": "a", "data": 1 }); 100] });
    server.post("/v1/events/batch", batch).await.is(202);
    wait_until("all are failed", async || {
        (server.deliveries("status=failed").await.len() == 100).then_some(())
    })
    .await;
    let disabled = server.get(&path).await.is(200);
    assert_eq!(disabled["status"], "disabled");
    assert!(text(&disabled, "status_reason").contains("410"), "{disabled}");
    let requests = receiver.requests("/a").len();
    // As many as it has places, and those that were begun until the first 410 was on record.
    assert!(requests < 50, "{requests} requests");
    for delivery in server.deliveries("status=failed").await {
        let by = text(&delivery, "ended_by");
        assert!(["gone", "disabled"].contains(&by.as_str()), "{delivery}");
    }
    // Nor does one that answers 200 later bring it back.
    receiver.always("/a", Reply::status(200));
    server.publish("a", json!(2)).await;
    assert_eq!(server.get(&path).await.is(200)["status"], "disabled");
}

#[tokio::test]
async fn whatever_a_body_holds_is_kept_and_shown_as_text() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    for (body, shown) in [
        (&b"<script>alert(1)</script>"[..], "<script>alert(1)</script>"),
        (b"\x1b[2J\x1b]0;owned\x07", "\x1b[2J\x1b]0;owned\x07"),
        (b"a\0b", "a\0b"),
        (b"\xff\xfe\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ("\u{1f4e6}\u{202e}".as_bytes(), "\u{1f4e6}\u{202e}"),
        (b"{\"error\":\"x\"}", "{\"error\":\"x\"}"),
        (b"'; DROP TABLE attempts; --", "'; DROP TABLE attempts; --"),
    ] {
        let reply = Reply::status(200).body(body).header("x-odd", "<b>\u{e9}</b>");
        receiver.script("/a", [reply]);
        let event = server.publish("a", json!(1)).await;
        let id = text(&server.delivery_that_is("delivered", &event).await, "id");
        let answer = server.get(&format!("/v1/deliveries/{id}")).await;
        assert_eq!(answer.header("content-type"), "application/json");
        let response = &answer.is(200)["attempts"][0]["response"];
        assert_eq!(
            (response["body"].as_str(), &response["truncated"]),
            (Some(shown), &json!(false))
        );
        // As JSON writes them: a terminal or a log that shows the answer shows no control.
        assert!(!answer.body.iter().any(|b| *b < 0x20), "{}", answer.text());
    }
}

/// What it grows to is not known before it is inflated, so it is not.
#[tokio::test]
async fn an_encoded_body_is_kept_as_it_came() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let bomb = gzip_bomb();
    receiver.always("/a", Reply::status(200).header("content-encoding", "gzip").body(bomb.clone()));
    let event = server.publish("a", json!(1)).await;
    let delivery = server.delivery_that_is("delivered", &event).await;
    let response = &delivery["attempts"][0]["response"];
    assert_eq!(text(response, "body"), String::from_utf8_lossy(&bomb[..16 * 1_024]));
    assert_eq!(
        (&response["truncated"], &response["headers"]["content-encoding"]),
        (&json!(true), &json!("gzip"))
    );
}

/// So many of each at once cost so much each, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_end_take_a_bounded_memory() {
    const AT_ONCE: u64 = 50;
    let server = Postrider::start().await;
    let long = ok("content-length: 2147483648\r\n\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 64 * 1_024], b"\r\n".to_vec()].concat();
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    let mut before = 0;
    for (n, steps) in [
        vec![Step::Request, ok("content-length: 0\r\n\r\n")],
        vec![Step::Request, long, Step::Forever(vec![b'x'; 64 * 1_024])],
        vec![Step::Request, ok("transfer-encoding: chunked\r\n\r\n"), Step::Forever(chunk)],
        vec![Step::Request, ok(""), Step::Forever(b"x: y\r\n".repeat(10_000))],
        vec![Step::Request, Step::Forever(flood)],
    ]
    .into_iter()
    .enumerate()
    {
        let raw = Scripted::start(steps).await;
        let event_type = format!("kind.k{n}");
        for m in 0..AT_ONCE {
            let more = json!({ "event_types": [event_type], "timeout_ms": 5_000 });
            server.register(&raw.url(&format!("/{m}")), more).await;
        }
        let event = server.publish(&event_type, json!(1)).await;
        wait_until("all were tried", async || {
            let all = server.deliveries(&format!("event_id={event}")).await;
            let tried = all.iter().filter(|d| d["attempt_count"] != 0).count();
            (tried as u64 == AT_ONCE).then_some(())
        })
        .await;
        let peak = server.peak_memory();
        if n == 0 {
            before = peak;
        }
        assert!(peak - before < AT_ONCE * MIB, "kind {n}: {} MiB more", (peak - before) / MIB);
        println!("kind {n}: {} MiB at most", peak / MIB);
    }
}

/// Every kind at once, more of each than a webhook has places, and another's deliveries go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kind_of_misbehaviour_stops_anybody_elses_deliveries() {
    let server = Postrider::with(Options::default().env("POSTRIDER_ENGINE_SLOTS", "256")).await;
    let receiver = Receiver::start().await;
    let long = ok("content-length: 2147483648\r\n\r\n");
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    let mut raws = Vec::new();
    for (kind, tls, steps) in [
        ("hangs", false, vec![Step::Request, Step::Hang]),
        ("drips", false, vec![Step::Request, ok(""), Step::Drip(b"x: y\r\n".to_vec())]),
        ("floods", false, vec![Step::Request, Step::Forever(flood)]),
        ("never ends", false, vec![Step::Request, long, Step::Forever(vec![b'x'; 4_096])]),
        ("resets", false, vec![Step::Request, Step::Reset]),
        ("talks nonsense", false, says("220 mail.example ESMTP\r\n")),
        ("never shakes hands", true, vec![Step::Hang]),
    ] {
        let raw = Scripted::start(steps).await;
        let url = raw.url("/a");
        let url = if tls { url.replace("http:", "https:") } else { url };
        let retry = json!({ "policy": "schedule", "delays_ms": vec![100; 50] });
        let more = json!({ "event_types": ["bad"], "timeout_ms": 30_000, "retry": retry });
        server.register(&url, more).await;
        raws.push((kind, raw));
    }
    server.register(&receiver.url("/good"), json!({ "event_types": ["good"] })).await;
    let batch = |of: &str, n| json!({ "events": vec![json!({ "type": of, "data": 1 }); n] });
    server.post("/v1/events/batch", batch("bad", 30)).await.is(202);
    for (kind, raw) in &raws {
        wait_until(kind, async || (raw.connections() > 0).then_some(())).await;
    }
    for n in 1..=10 {
        server.post("/v1/events/batch", batch("good", 20)).await.is(202);
        receiver.wait_for("/good", 20 * n).await;
    }
    // That was not because they had given up: those that take their time still do.
    for (kind, raw) in &raws {
        assert!(raw.open() > 0 || !["hangs", "drips"].contains(kind), "{kind} is over");
    }
    wait_until("all are recorded", async || {
        let delivered = server.deliveries("status=delivered&event_type=good").await;
        (delivered.len() == 200).then_some(())
    })
    .await;
}
