//! Connections of strangers: bytes that are no request, requests that two readers would read
//! differently, and clients that never come to an end.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{ADMIN_KEY, Postrider, Raw, RawAnswer, let_pass, wait_or_tell};

const EVENT: &str = r#"{"type":"a","data":1}"#;

/// A request's first lines, with the admin's key.
fn head(first: &str) -> String {
    format!(
        "{first} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\
         Content-Type: application/json\r\n"
    )
}

/// A request that must never be read out of the body of another one.
fn hidden() -> String {
    let body = r#"{"id":"hidden","type":"a","data":1}"#;
    format!("{}Content-Length: {}\r\n\r\n{body}", head("POST /v1/events"), body.len())
}

/// Sends it on a connection of its own; the answers until the server closes it.
async fn said(server: &Postrider, bytes: &[u8]) -> Vec<RawAnswer> {
    let mut raw = Raw::connect(server).await;
    raw.say(bytes).await;
    raw.until_closed().await
}

#[tokio::test]
async fn a_body_that_two_readers_would_end_differently_is_refused_and_nothing_is_read_out_of_it() {
    let server = Postrider::start().await;
    let chunks = format!("0\r\n\r\n{}", hidden());
    let event = format!("{EVENT}{}", hidden());
    let rows: &[(&str, &str)] = &[
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", &chunks),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", &chunks),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", &chunks),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", &chunks),
        ("Transfer-Encoding: chunked, chunked", &chunks),
        ("Transfer-Encoding: chunked, identity", &chunks),
        ("Transfer-Encoding: gzip, chunked", &chunks),
        ("Transfer-Encoding: xchunked", &chunks),
        ("Transfer-Encoding: \x0bchunked", &chunks),
        ("Transfer-Encoding: identity", &chunks),
        ("Transfer-Encoding : chunked", &chunks),
        ("X: a\r\n Transfer-Encoding: chunked", &chunks),
        ("Content-Length: 21\r\nContent-Length: 5", &event),
        ("Content-Length: 21\r\nContent-Length: 21", &event),
        ("Content-Length: 21, 21", &event),
        ("Content-Length: -1", &event),
        ("Content-Length: +21", &event),
        ("Content-Length: 0x15", &event),
        ("Content-Length: 21 ; a", &event),
        ("Content-Length: 99999999999999999999999", &event),
        ("Content-Length:", &event),
        ("Content-Length : 21", &event),
    ];
    for (framing, body) in rows {
        let request = format!("{}{framing}\r\n\r\n{body}", head("POST /v1/events"));
        let answers = said(&server, request.as_bytes()).await;
        assert_eq!(answers.len(), 1, "{framing:?}: {answers:?}");
        answers[0].refused(400, "http_invalid");
    }
    let old = head("POST /v1/events").replace("HTTP/1.1", "HTTP/1.0");
    let old = format!("{old}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    said(&server, old.as_bytes()).await[0].refused(400, "http_invalid");
    assert!(server.walk("/v1/events").await.is_empty());
}

#[tokio::test]
async fn chunks_that_are_not_what_they_say_are_refused_and_the_connection_is_closed() {
    let server = Postrider::start().await;
    let rows = [
        format!("-15\r\n{EVENT}\r\n0\r\n\r\n"),
        format!("0x15\r\n{EVENT}\r\n0\r\n\r\n"),
        format!("15\n{EVENT}\n0\n\n"),
        format!("15;a\nb\r\n{EVENT}\r\n0\r\n\r\n"),
        format!("10\r\n{EVENT}\r\n0\r\n\r\n"),
        format!("FFFFFFFFFFFFFFFFF\r\n{EVENT}\r\n0\r\n\r\n"),
        format!("\r\n{EVENT}\r\n0\r\n\r\n"),
    ];
    for chunks in rows {
        let request = head("POST /v1/events") + "Transfer-Encoding: chunked\r\n\r\n";
        let request = format!("{request}{chunks}{}", hidden());
        let answers = said(&server, request.as_bytes()).await;
        assert_eq!(answers[0].status, 400, "{chunks:?}: {answers:?}");
        answers[0].refused(400, "body_incomplete");
        for more in &answers[1..] {
            more.refused(400, "http_invalid");
        }
    }
    assert!(server.walk("/v1/events").await.is_empty());
}

#[tokio::test]
async fn no_refusal_leaves_a_body_behind_to_be_read_as_a_request() {
    let server = Postrider::start().await;
    let stranger = |first: &str| head(first).replace(ADMIN_KEY, "prk_no_such_key");
    for (first, status) in [
        (head("GET /healthz"), 200),
        (head("PUT /healthz"), 405),
        (head("POST /v1/nothing"), 404),
        (stranger("POST /v1/events"), 401),
        (head("GET /v1/webhooks?limit=0"), 422),
        (head("POST /v1/events").replace("application/json", "text/plain"), 415),
        (head("POST /v1/events") + "Content-Encoding: gzip\r\n", 415),
        (head("POST /v1/events") + "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", 415),
        (head("POST /v1/events") + "Content-Type: text/plain\r\n", 415),
        (head("GET /v1/events") + "Authorization: Bearer another\r\n", 401),
    ] {
        let (body, hidden) = (hidden(), hidden());
        let length = format!("{first}Content-Length: {}\r\n\r\n{body}", body.len());
        let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let chunked = format!("{first}Transfer-Encoding: chunked\r\n\r\n{chunk}");
        for request in [length, chunked] {
            let mut raw = Raw::connect(&server).await;
            raw.say(request.as_bytes()).await;
            // The second answer is to a request that was meant as one, if there is one at all.
            raw.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let answers = raw.until_closed().await;
            assert_eq!(answers[0].status, status, "{request}: {answers:?}");
            assert!(answers.len() <= 2, "{request}: {answers:?}");
            assert!(answers[1..].iter().all(|a| a.body == r#"{"status":"ok"}"#), "{answers:?}");
        }
    }
    assert!(server.walk("/v1/events").await.is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_request_get_a_problem_and_a_closed_connection() {
    let server = Postrider::start().await;
    let many: String = (0..10_000).map(|n| format!("x-{n}: a\r\n")).collect();
    let rows: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\rHost: a\r\r".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX@(: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"G@T /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400, "http_invalid"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").into(), 431, "head_too_large"),
    ];
    for (bytes, status, code) in rows {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let answers = said(&server, &bytes).await;
        assert_eq!(answers.len(), 1, "{shown:?}: {answers:?}");
        answers[0].refused(status, code);
    }
    // So long that the connection may be reset under what is still being sent.
    for long in [format!("GET /{}", "a".repeat(1 << 20)), format!("X: {}", "a".repeat(1 << 20))] {
        let first = if long.starts_with("GET") { "" } else { "GET / HTTP/1.1\r\nHost: a\r\n" };
        let answers = said(&server, format!("{first}{long}").as_bytes()).await;
        answers.iter().for_each(|answer| answer.refused(431, "head_too_large"));
    }
}

#[tokio::test]
async fn unusual_requests_are_answered_as_what_they_say() {
    let server = Postrider::start().await;
    let key = format!("Host: a\r\nAuthorization: Bearer {ADMIN_KEY}\r\n");
    let body = |more: &str, body: &str| format!("{}{more}\r\n\r\n{body}", head("POST /v1/events"));
    let chunks =
        format!("5;a=\"b\"\r\n{}\r\n10\r\n{}\r\n0\r\nX-T: 1\r\n\r\n", &EVENT[..5], &EVENT[5..]);
    let rows: Vec<(String, u16, &str)> = vec![
        ("GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(), 200, ""),
        ("GET http://169.254.169.254/healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(), 200, ""),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 404, "not_found"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(), 404, "not_found"),
        ("TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(), 405, "method_not_allowed"),
        ("FOO /healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(), 405, "method_not_allowed"),
        (format!("GET /v1/webhooks/%zz HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (format!("GET /v1/webhooks/%ff%00 HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (format!("GET /v1/events/%ff%fe HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (format!("GET /v1/../v1/keys HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (format!("GET //v1//keys HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (format!("GET /v1%2fkeys HTTP/1.1\r\n{key}\r\n"), 404, "not_found"),
        (body("Transfer-Encoding: chunked", &chunks), 202, ""),
        (body("Transfer-Encoding: Chunked", &chunks), 202, ""),
        (body("Content-Length: 0021", EVENT), 202, ""),
        (body("Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 21", EVENT), 202, ""),
        // RFC 9112 section 2.2 lets a line end so; within a chunk's frame it is refused.
        (body("Content-Length: 21", EVENT).replace("\r\n", "\n"), 202, ""),
    ];
    let accepted = rows.iter().filter(|(_, status, _)| *status == 202).count();
    for (request, status, code) in rows {
        let mut raw = Raw::connect(&server).await;
        raw.say(request.as_bytes()).await;
        let answer = raw.answers(1).await.remove(0);
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        if !code.is_empty() {
            answer.refused(status, code);
        }
    }
    let mut waits = Raw::connect(&server).await;
    waits.say(body("Expect: 100-continue\r\nContent-Length: 21", "").as_bytes()).await;
    assert_eq!(waits.answers(1).await[0].status, 100);
    waits.say(EVENT.as_bytes()).await;
    assert_eq!(waits.answers(2).await[1].status, 202);
    assert_eq!(server.walk("/v1/events").await.len(), accepted + 1);
}

#[tokio::test]
async fn a_thousand_requests_in_one_breath_are_answered_in_order() {
    let server = Postrider::start().await;
    let mut raw = Raw::connect(&server).await;
    let mut all = String::new();
    for n in 0..1_000 {
        let body = format!(r#"{{"id":"n-{n}","type":"a","data":{n}}}"#);
        let length = body.len();
        all += &format!("{}Content-Length: {length}\r\n\r\n{body}", head("POST /v1/events"));
    }
    raw.say(all.as_bytes()).await;
    for (n, answer) in raw.answers(1_000).await.iter().enumerate() {
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(answer.body.contains(&format!("\"n-{n}\"")), "{n}: {answer:?}");
    }
}

#[tokio::test]
async fn who_sends_a_body_without_end_is_cut_off() {
    let server = Postrider::start().await;
    let block = "a".repeat(64 << 10);
    let rows = [
        (head("POST /v1/events") + "Content-Length: 10000000000\r\n\r\n", block.clone()),
        (
            head("POST /v1/events") + "Transfer-Encoding: chunked\r\n\r\n",
            format!("10000\r\n{block}\r\n"),
        ),
        (
            head("GET /healthz") + "Transfer-Encoding: chunked\r\n\r\n",
            format!("10000\r\n{block}\r\n"),
        ),
        (
            "POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            format!("10000\r\n{block}\r\n"),
        ),
    ];
    let mut floods = JoinSet::new();
    for (head, block) in rows {
        let mut raw = Raw::connect(&server).await;
        floods.spawn(async move {
            raw.say(head.as_bytes()).await;
            raw.say_until_cut(block.as_bytes(), Duration::ZERO).await;
        });
    }
    all_end(floods, 4).await;
    assert!(server.walk("/v1/events").await.is_empty());
}

#[tokio::test]
async fn a_thousand_slow_clients_hold_up_nobody_and_are_cut_off() {
    let server = Postrider::start().await;
    let healthz = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let rows = [
        // The head of a first request, and of a second one, which drips or stops.
        ("GET /healthz HTTP/1.1\r\nX-".to_owned(), "a"),
        (format!("{healthz}GET /heal"), "a"),
        // Nine bytes of ten; a byte a second; a chunk a second.
        (head("POST /v1/events") + "Content-Length: 10\r\n\r\n123456789", ""),
        (head("POST /v1/events") + "Content-Length: 1000\r\n\r\n", "a"),
        (head("POST /v1/events") + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        (head("POST /v1/events") + "Transfer-Encoding: chunked\r\n\r\n15;", "a"),
        // Of a body that was refused long ago.
        (
            "POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            "1\r\na\r\n",
        ),
        (head("POST /nothing") + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"),
    ];
    let mut clients = JoinSet::new();
    for n in 0..1_000 {
        let mut raw = Raw::connect(&server).await;
        let (first, drip) = rows[n % rows.len()].clone();
        clients.spawn(async move {
            raw.say(first.as_bytes()).await;
            if drip.is_empty() {
                let answers = raw.until_closed().await;
                answers.last().expect("an answer").refused(408, "request_timeout");
            } else {
                raw.say_until_cut(drip.as_bytes(), Duration::from_secs(1)).await;
            }
        });
    }
    let mut publishing = 0;
    while publishing < 50 {
        server.publish("a", json!(publishing)).await;
        publishing += 1;
    }
    assert!(clients.len() == 1_000, "they were there all the time");
    all_end(clients, 1_000).await;
    server.publish("a", json!("after them")).await;
}

/// Each ends by itself: within ten seconds, and as many again for what is said before it.
async fn all_end(mut clients: JoinSet<()>, count: usize) {
    let mut ended = 0;
    wait_or_tell("every one of them is cut off", async || {
        while let Some(client) = clients.try_join_next() {
            client.expect("it does not panic");
            ended += 1;
        }
        if ended == count { Ok(()) } else { Err(format!("{ended} of {count}")) }
    })
    .await;
}

#[tokio::test]
async fn silence_is_no_crime_for_a_while() {
    let server = Postrider::start().await;
    let mut raw = Raw::connect(&server).await;
    raw.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.answers(1).await;
    let_pass(Duration::from_secs(12)).await;
    raw.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(raw.answers(2).await[1].status, 200);
}
