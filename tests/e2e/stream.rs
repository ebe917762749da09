//! The stream: every event as it is accepted, and nothing missed by who comes back.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use store::world::Stopwatch;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::fleet::Fleet;
use crate::harness::{
    ADMIN_KEY, Client, Options, Postrider, Stream, text, wait_or_tell, wait_until,
};

async fn key(server: &Postrider, role: Value) -> (Client, String) {
    let key = server.post("/v1/keys", role).await.is(201);
    (server.with_key(&text(&key, "key")), text(&key, "id"))
}

async fn streams_open(server: &Client) -> usize {
    let metrics = server.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("postrider_streams_open "));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no gauge in {metrics}"))
}

/// Publishes as several clients do at once, one by one and in batches; returns the ids.
async fn publish_load(doors: &[Client], publishers: usize) -> HashSet<String> {
    let mut tasks = JoinSet::new();
    for n in 0..publishers {
        let door = doors[n % doors.len()].clone();
        tasks.spawn(async move {
            let mut ids = Vec::new();
            for round in 0..50 {
                ids.push(door.publish("load.one", json!(round)).await);
                if round % 10 == 0 {
                    let event = json!({ "type": "load.many", "data": round });
                    let body = json!({ "events": vec![event; 100] });
                    let answer = door.post("/v1/events/batch", body).await.is(202);
                    let results = answer["results"].as_array().expect("a list").clone();
                    ids.extend(results.iter().map(|result| text(result, "id")));
                }
            }
            ids
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn an_event_is_shown_byte_for_byte_as_it_is_accepted() {
    let server = Postrider::start().await;
    server.publish("before", json!(1)).await;
    let mut stream = Stream::open(&server, "").await;
    const DATA: &str = "{ \"n\":1.0,\n\t\"n\" : 1e2,\n\n \"h\\u00e9\":\"📦\" }";
    let body = format!(
        r#"{{"type":"order.paid","id":"o-1","timestamp":"2026-08-22T12:00:00+02:00","data":{DATA}}}"#
    );
    server.post_text("/v1/events", &body).await.is(202);
    let message = stream.next().await.expect("a message");
    assert_eq!(message.event_id(), "o-1");
    assert!(message.data.contains(&format!("\"data\":{DATA},")), "{}", message.data);

    let mut shown = message.json();
    assert_eq!(shown["data_base64"], Value::Null);
    let listed = server.get("/v1/events/o-1").await.is(200);
    for field in ["uid", "tenant", "type", "timestamp", "accepted_at"] {
        assert_eq!(shown[field].take(), listed[field], "{field}");
    }

    // What this form of text has no place for comes beside it.
    const CARRIAGE: &str = "[1,\r\n2]";
    let body = format!(r#"{{"type":"a","data":{CARRIAGE}}}"#);
    server.post_text("/v1/events", &body).await.is(202);
    let shown = stream.next().await.expect("a message").json();
    assert_eq!(shown["data"], json!([1, 2]));
    let exact = BASE64_STANDARD.decode(text(&shown, "data_base64")).expect("base64");
    assert_eq!(exact, CARRIAGE.as_bytes());
}

#[tokio::test]
async fn a_stream_has_what_it_asks_for_and_what_its_key_may_see() {
    let server = Postrider::start().await;
    let tenant_role = json!({ "name": "t", "role": "tenant", "tenant": "acme" });
    let (acme, _) = key(&server, tenant_role).await;
    let (viewer, _) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let (publisher, _) = key(&server, json!({ "name": "p", "role": "publisher" })).await;
    publisher.get("/v1/stream").await.refused(403, "forbidden_role");
    acme.get("/v1/stream?tenant=other").await.refused(404, "not_found");

    let mut streams = [
        (Stream::open(&server, "").await, vec!["1", "2", "3", "4"]),
        (Stream::open(&viewer, "?tenant=acme").await, vec!["2", "3"]),
        (Stream::open(&acme, "").await, vec!["2", "3"]),
        (Stream::open(&acme, "?tenant=acme&event_types=order.paid").await, vec!["2"]),
        (Stream::open(&viewer, "?event_types=order.*,x").await, vec!["1", "2", "4"]),
    ];
    for (id, tenant, kind) in [
        ("1", "other", "order.paid"),
        ("2", "acme", "order.paid"),
        ("3", "acme", "orders"),
        ("4", "default", "x"),
    ] {
        let event = json!({ "id": id, "tenant": tenant, "type": kind, "data": 1 });
        server.post("/v1/events", event).await.is(202);
    }
    // The last that everybody sees: whatever else would have come came before it.
    for tenant in ["acme", "other"] {
        let last = json!({ "id": "last", "tenant": tenant, "type": "order.paid", "data": 1 });
        server.post("/v1/events", last).await.is(202);
    }
    for (stream, expected) in &mut streams {
        let seen = stream.ids(expected.len() + 1).await;
        assert_eq!(seen[..expected.len()], expected[..]);
        assert_eq!(seen[expected.len()], "last");
    }
}

#[tokio::test]
async fn what_a_stream_is_asked_for_is_checked() {
    let server = Postrider::start().await;
    for (query, status, code) in [
        ("colour=red", 422, "unknown_field"),
        ("tenant=no%20spaces", 422, "tenant_invalid"),
        ("event_types=", 422, "event_types_invalid"),
        ("event_types=order.paid,*.x", 422, "event_types_invalid"),
        ("after=x", 400, "cursor_invalid"),
        ("event_types=a&event_types=b", 400, "duplicate_key"),
    ] {
        server.get(&format!("/v1/stream?{query}")).await.refused(status, code);
    }
    let header = [("last-event-id", "1")];
    let answer = server.send(reqwest::Method::GET, "/v1/stream", &header, None).await;
    answer.refused(400, "cursor_invalid");
    assert_eq!(streams_open(&server).await, 0);
}

#[tokio::test]
async fn who_comes_back_misses_nothing_though_the_server_was_killed() {
    let mut server = Postrider::start().await;
    let mut stream = Stream::open(&server, "").await;
    let seen = server.publish("a", json!(0)).await;
    assert_eq!(stream.ids(1).await, [seen]);
    let mut missed = vec![server.publish("a", json!(1)).await];
    server.kill_9();
    let last_id = stream.last_id.clone();
    server.start_again().await;
    for n in 2..20 {
        missed.push(server.publish("a", json!(n)).await);
    }
    let mut again = Stream::after(&server, "", &last_id).await;
    let live = server.publish("a", json!(20)).await;
    assert_eq!(again.ids(missed.len()).await, missed);
    assert_eq!(again.ids(1).await, [live]);

    // The same for who cannot set a header, and from the middle of what was missed.
    let mut third = Stream::after(&server, "", &last_id).await;
    third.ids(7).await;
    let mut fourth = Stream::open(&server, &format!("?after={}", third.last_id)).await;
    assert_eq!(fourth.ids(missed.len() - 7).await, missed[7..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_each_event_comes_once() {
    let server = Postrider::start().await;
    let mut first = Stream::open(&server, "").await;
    let mut ones = Stream::open(&server, "?event_types=load.one").await;
    let begin = first.last_id.clone();
    let all = tokio::spawn({
        let doors = [(*server).clone()];
        async move { publish_load(&doors, 4).await }
    });
    // One that comes in the middle of it and goes on from the beginning.
    first.ids(300).await;
    let mut late = Stream::after(&server, "", &begin).await;
    let published = all.await.expect("no panic");
    assert_eq!(published.len(), 4 * 550);
    late.takes_exactly(published.clone()).await;
    assert_eq!(ones.ids(200).await.into_iter().collect::<HashSet<_>>().len(), 200);
    let mut again = Stream::after(&server, "", &begin).await;
    again.takes_exactly(published).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_accepted_by_one_process_is_in_the_streams_of_all() {
    let mut fleet = Fleet::start(3, 0).await;
    let [first, second, third] = [0, 1, 2].map(|n| fleet.apis[n].client.clone());
    let mut here = Stream::open(&first, "").await;
    let mut there = Stream::open(&third, "").await;
    let begin = here.last_id.clone();
    let published = publish_load(&[first.clone(), second.clone()], 6).await;
    here.takes_exactly(published.clone()).await;
    there.takes_exactly(published.clone()).await;

    // What the one left off the other goes on with.
    let dead = fleet.apis.remove(0);
    drop(dead);
    let last = second.publish("last", json!(1)).await;
    let mut on = Stream::after(&third, "", &here.last_id).await;
    let mut seen = on.ids(1).await;
    while !seen.contains(&last) {
        // What is told apart by its id may come twice, when it was committed late.
        let id = on.ids(1).await.remove(0);
        assert!(published.contains(&id) || id == last, "{id}");
        seen.push(id);
    }
    let mut all = published;
    all.insert(last);
    Stream::after(&second, "", &begin).await.takes_exactly(all).await;
}

#[tokio::test]
async fn who_missed_too_much_is_told_of_the_gap() {
    let server = Postrider::start().await;
    let stream = Stream::open(&server, "").await;
    let of_acme = Stream::open(&server, "?tenant=acme").await;
    let (begin, acme) = (stream.last_id.clone(), of_acme.last_id.clone());
    drop((stream, of_acme));
    let event = |tenant| json!({ "type": "a", "tenant": tenant, "data": 1 });
    let id = text(&server.post("/v1/events", event("acme")).await.is(202), "id");
    for _ in 0..10 {
        let body = json!({ "events": vec![event("many"); 1_000] });
        server.post("/v1/events/batch", body).await.is(202);
    }
    let mut stream = Stream::after(&server, "", &begin).await;
    let gap = stream.next().await.expect("a message");
    assert_eq!((gap.name.as_str(), &gap.json()["reason"]), ("gap", &json!("too_many")));
    assert!(text(&gap.json(), "since") <= text(&gap.json(), "until"), "{gap:?}");
    // It goes on from there, also for who comes back with the gap's id.
    let mut again = Stream::after(&server, "", &stream.last_id).await;
    let last = server.publish("a", json!(2)).await;
    assert_eq!(stream.ids(1).await[0], last);
    assert_eq!(again.ids(1).await[0], last);
    // Who wants little missed little.
    assert_eq!(Stream::after(&server, "?tenant=acme", &acme).await.ids(1).await, [id]);
}

#[tokio::test]
async fn who_was_away_for_long_or_comes_from_elsewhere_is_told_of_the_gap() {
    let server = Postrider::with(Options::default().on_a_data_directory()).await;
    server.publish("a", json!(1)).await;
    let begin = Stream::open(&server, "").await.last_id;
    server.publish("a", json!(2)).await;
    server.step(Duration::from_secs(601)).await;
    let mut stream = Stream::after(&server, "", &begin).await;
    let gap = stream.next().await.expect("a message");
    assert_eq!((gap.name.as_str(), &gap.json()["reason"]), ("gap", &json!("too_old")));
    let other = Postrider::with(Options::default().on_a_data_directory()).await;
    let mut stream = Stream::after(&other, "", &stream.last_id).await;
    let gap = stream.next().await.expect("a message");
    assert_eq!((gap.name.as_str(), &gap.json()["reason"]), ("gap", &json!("unknown")));
    let id = other.publish("a", json!(3)).await;
    assert_eq!(stream.ids(1).await, [id]);
}

/// A client that asks and does not read.
async fn silent(server: &Postrider) -> TcpStream {
    let place = server.url("").replace("http://", "");
    let mut stream = TcpStream::connect(&place).await.expect("a connection");
    let asked = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {place}\r\nauthorization: Bearer {ADMIN_KEY}\r\n\r\n"
    );
    stream.write_all(asked.as_bytes()).await.expect("it is sent");
    let open = async || (streams_open(server).await > 0).then_some(());
    wait_until("its stream is open", open).await;
    stream
}

async fn publish_much(server: &Client) -> HashSet<String> {
    let event = json!({ "type": "a", "data": "x".repeat(40_000) });
    let body = json!({ "events": vec![event; 100] });
    let mut ids = HashSet::new();
    for _ in 0..6 {
        let answer = server.post("/v1/events/batch", body.clone()).await.is(202);
        let results = answer["results"].as_array().expect("a list").clone();
        ids.extend(results.iter().map(|result| text(result, "id")));
    }
    ids
}

#[tokio::test]
async fn a_slow_client_holds_up_nobody_and_goes_on_where_it_was() {
    let server = Postrider::start().await;
    let mut slow = Stream::open(&server, "").await;
    let mut quick = Stream::open(&server, "").await;
    // More than connections and the ring hold.
    let ids = publish_much(&server).await;
    quick.takes_exactly(ids.clone()).await;
    slow.takes_exactly(ids).await;
}

#[tokio::test]
async fn a_stop_waits_for_no_stream() {
    let mut server = Postrider::start().await;
    let mut stream = Stream::open(&server, "").await;
    let _silent = silent(&server).await;
    let reading = tokio::spawn(async move {
        let mut last = None;
        while let Some(message) = stream.next().await {
            last = Some(message);
        }
        last.expect("messages")
    });
    publish_much(&server).await;
    let watch = Stopwatch::start();
    assert!(server.stop().await.success());
    // A request that is answered may take 20 s.
    assert!(watch.elapsed() < Duration::from_secs(10), "{:?}", watch.elapsed());
    let last = reading.await.expect("no panic");
    assert_eq!((last.name.as_str(), &last.json()["reason"]), ("end", &json!("shutdown")));
}

#[tokio::test]
async fn a_process_has_so_many_streams_and_no_more() {
    let server = Postrider::with(Options::default().env("POSTRIDER_LIMITS_STREAMS", "2")).await;
    let first = Stream::open(&server, "").await;
    let mut second = Stream::open(&server, "").await;
    assert_eq!(streams_open(&server).await, 2);
    let refused = server.get("/v1/stream").await;
    refused.refused(503, "too_many_streams");
    assert_eq!(refused.header("retry-after"), "1");
    drop(first);
    wait_or_tell("the place of a client that went is free", async || {
        let open = streams_open(&server).await;
        if open == 1 { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    let mut third = Stream::open(&server, "").await;
    let id = server.publish("a", json!(1)).await;
    assert_eq!(second.ids(1).await[0], id);
    assert_eq!(third.ids(1).await[0], id);
}

#[tokio::test]
async fn a_tenant_has_its_share_of_the_streams_and_leaves_some_to_operators() {
    let server = Postrider::with(Options::default().env("POSTRIDER_LIMITS_STREAMS", "10")).await;
    let mut tenants = Vec::new();
    for n in 0..9 {
        let tenant = format!("t{n}");
        let role = json!({ "name": tenant, "role": "tenant", "tenant": tenant });
        tenants.push(key(&server, role).await.0);
    }
    let mut open = vec![Stream::open(&tenants[0], "").await];
    tenants[0].get("/v1/stream").await.refused(503, "too_many_streams");
    for tenant in &tenants[1..8] {
        open.push(Stream::open(tenant, "").await);
    }
    tenants[8].get("/v1/stream").await.refused(503, "too_many_streams");
    let _operators = [Stream::open(&server, "").await, Stream::open(&server, "?tenant=t0").await];
    server.get("/v1/stream").await.refused(503, "too_many_streams");
    // A share that is free again is taken again.
    drop(open);
    wait_until("the place of a client that went is free", async || {
        (streams_open(&server).await == 2).then_some(())
    })
    .await;
    Stream::open(&tenants[0], "").await;
}

#[tokio::test]
async fn the_id_of_a_message_says_nothing_and_is_of_use_to_its_tenant_alone() {
    let server = Postrider::start().await;
    let [acme, globex] = ["acme", "globex"]
        .map(|tenant| json!({ "name": tenant, "role": "tenant", "tenant": tenant }));
    let (acme, globex) = (key(&server, acme).await.0, key(&server, globex).await.0);
    for tenant in ["acme", "globex"] {
        let event = json!({ "type": "a", "tenant": tenant, "data": 1 });
        server.post("/v1/events", event).await.is(202);
    }
    // As it would be without encryption: from the first event on, and young.
    let now = store::world::Clock::system().now().0;
    let forged = [&[1][..], &0i64.to_be_bytes(), &now.to_be_bytes()].concat();
    let forged = BASE64_URL_SAFE_NO_PAD.encode(forged);
    acme.get(&format!("/v1/stream?after={forged}")).await.refused(400, "cursor_invalid");
    let mut last_ids = Vec::new();
    for _ in 0..2 {
        last_ids.push(Stream::open(&acme, "").await.last_id);
    }
    assert_ne!(last_ids[0], last_ids[1], "nothing happened, and still they are not the same");

    let missed = json!({ "type": "a", "data": 2 });
    let missed = text(&acme.post("/v1/events", missed).await.is(202), "id");
    let mut touched = BASE64_URL_SAFE_NO_PAD.decode(&last_ids[0]).expect("base64");
    touched[30] ^= 1;
    let touched = BASE64_URL_SAFE_NO_PAD.encode(touched);
    for (client, id) in [(&globex, &last_ids[0]), (&*server, &last_ids[0]), (&acme, &touched)] {
        let mut stream = Stream::after(client, "", id).await;
        let gap = stream.next().await.expect("a message");
        assert_eq!((gap.name.as_str(), &gap.json()["reason"]), ("gap", &json!("unknown")));
        assert_eq!(gap.json()["since"], Value::Null);
    }
    assert_eq!(Stream::after(&acme, "", &last_ids[0]).await.ids(1).await, [missed]);
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let server = Postrider::start().await;
    let (viewer, id) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let mut stream = Stream::open(&viewer, "").await;
    let mut other = Stream::open(&server, "").await;
    server.delete(&format!("/v1/keys/{id}")).await.is(204);
    let end = stream.next().await.expect("a message");
    assert_eq!((end.name.as_str(), &end.json()["reason"]), ("end", &json!("key_revoked")));
    assert!(stream.next().await.is_none());
    let id = server.publish("a", json!(1)).await;
    assert_eq!(other.ids(1).await, [id]);
}
