//! What belongs to another tenant is, on every route, as if it were not there: the answers are
//! those to ids that never existed, byte for byte, and nothing of it changes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::document::{Document, Operation};
use crate::harness::{Answer, Client, Options, Postrider, Receiver, Reply, text, wait_until};
use crate::tenants::key_of;

/// Longer than any answer takes: one that does not end is none of those asked for here.
const DEADLINE: Duration = Duration::from_secs(30);
/// Whose things nobody else is to see.
const OTHER: &str = "globex";

/// A value that leads to something of the other tenant, and one of its kind that leads to nothing.
#[derive(Clone)]
struct Pair {
    foreign: String,
    unknown: String,
}

/// Everything of the other tenant that can be named.
struct Things {
    webhooks: Vec<Pair>,
    events: Vec<Pair>,
    deliveries: Vec<Pair>,
    keys: Vec<Pair>,
    tenants: Vec<Pair>,
    types: Vec<Pair>,
    cursors: Vec<(String, String)>,
}

impl Things {
    /// What a path's parameter can name, by the word before it. None: nothing of a tenant.
    fn of_path(&self, operation: &Operation<'_>, parameter: &str) -> Option<&[Pair]> {
        let (before, _) =
            operation.path.split_once(&format!("/{{{parameter}}}")).expect("it is in the path");
        match before.rsplit('/').next().unwrap_or_default() {
            "webhooks" => Some(&self.webhooks),
            "events" => Some(&self.events),
            "deliveries" => Some(&self.deliveries),
            "keys" => Some(&self.keys),
            "errors" => None,
            other => panic!(
                "{}: say here which {other} of another tenant {{{parameter}}} can name",
                operation.name()
            ),
        }
    }

    /// The same of a parameter of a query or a field of a body, by its name. None: it names nothing.
    fn of_name(&self, operation: &Operation<'_>, name: &str) -> Option<&[Pair]> {
        match name {
            "webhook_id" | "webhook_ids" => Some(&self.webhooks),
            "event_id" | "event_ids" => Some(&self.events),
            "delivery_id" | "delivery_ids" => Some(&self.deliveries),
            "key_id" => Some(&self.keys),
            "tenant" | "tenants" => Some(&self.tenants),
            "type" | "event_type" => Some(&self.types),
            _ if operation.parameters("query").contains(&name) => match name {
                // Lists have a test of their own for these.
                "cursor" => None,
                "limit" | "since" | "until" | "status" | "dry_run" => None,
                // Of a stream, which has tests of its own: it never ends, and who may not see a
                // tenant is refused before any of this counts.
                "event_types" | "after" => None,
                // Of what may be seen: how much of it, and of which kind.
                "answer" | "min_attempts" | "min_duration_ms" | "include" | "of" => None,
                "interval_ms" | "group_by" | "attempt" => None,
                "q" => None,
                _ => panic!("{}: say here what {name} can name", operation.name()),
            },
            _ if name.ends_with("_id") || name.ends_with("_ids") => {
                panic!("{}: say here what {name} can name", operation.name())
            }
            _ => None,
        }
    }

    /// Texts that no answer to a stranger may contain.
    fn marks(&self) -> Vec<&str> {
        let named = [&self.webhooks, &self.events, &self.deliveries, &self.keys, &self.types];
        named.into_iter().flatten().map(|value| value.foreign.as_str()).collect()
    }
}

/// A webhook that is active and one that is paused, and deliveries that ended well, ended badly and
/// wait, so that every verb has something that it could do.
async fn things(server: &Postrider, receiver: &Receiver, other: &Client) -> Things {
    receiver.always("/bad", Reply::status(500));
    let never_again = json!({ "policy": "schedule", "delays_ms": [] });
    let more = json!({ "retry": never_again, "event_types": ["globex.bad"] });
    let bad = text(&other.register(&receiver.url("/bad"), more).await, "id");
    let good = json!({ "event_types": ["globex.good", "globex.bad"], "description": "globex's" });
    let good = text(&other.register(&receiver.url("/good"), good).await, "id");
    let paused = other.register(&receiver.url("/paused"), json!({})).await;
    let paused = text(&paused, "id");
    other.post(&format!("/v1/webhooks/{paused}/pause"), json!({})).await.is(200);
    other.post(&format!("/v1/webhooks/{good}/secret/rotate"), json!({})).await.is(200);

    let own_id = json!({ "id": "order-1", "type": "globex.good", "data": { "of": OTHER } });
    other.post("/v1/events", own_id).await.is(202);
    let made = other.publish("globex.bad", json!({ "of": OTHER })).await;
    let uid = text(&other.get("/v1/events/order-1").await.is(200), "uid");
    let deliveries = wait_until("all that can end has ended", async || {
        let all = other.deliveries("").await;
        let waits = |d: &Value| d["webhook_id"] == paused.as_str();
        let fine = all.len() == 5 && all.iter().all(|d| waits(d) || !d["ended_at"].is_null());
        fine.then_some(all)
    })
    .await;

    let keys = server.get("/v1/keys").await.is(200);
    let keys = keys["data"].as_array().expect("a list").clone();
    let keys: Vec<_> = keys.iter().filter(|key| key["tenant"] == OTHER).collect();
    let zeros = |prefix: &str, n: usize| format!("{prefix}_{}", "0".repeat(n));
    let pairs = |foreign: Vec<String>, unknown: String| {
        let pair = |foreign| Pair { foreign, unknown: unknown.clone() };
        foreign.into_iter().map(pair).collect::<Vec<_>>()
    };
    let mut events = pairs(vec![made, uid], zeros("evt", 26));
    events.extend(pairs(vec!["order-1".into()], "order-0".into()));
    let mut cursors = Vec::new();
    for list in ["/v1/webhooks", "/v1/events", "/v1/deliveries"] {
        let page = other.get(&format!("{list}?limit=1")).await.is(200);
        cursors.push((list.to_owned(), text(&page, "next_cursor")));
    }
    Things {
        webhooks: pairs(vec![bad, good, paused], zeros("wh", 26)),
        events,
        deliveries: pairs(deliveries.iter().map(|d| text(d, "id")).collect(), zeros("dlv", 52)),
        keys: pairs(keys.iter().map(|key| text(key, "id")).collect(), zeros("key", 26)),
        tenants: pairs(vec![OTHER.to_owned()], "nobodys".into()),
        types: pairs(vec!["globex.good".into()], "nobodys.good".into()),
        cursors,
    }
}

/// Everything there is of the other tenant, as it sees it itself.
async fn state(server: &Postrider, receiver: &Receiver, other: &Client) -> Value {
    let mut state = Vec::new();
    for webhook in other.walk("/v1/webhooks").await {
        let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
        state.push(other.get(&path).await.is(200));
        state.push(other.get(&format!("{path}/secret")).await.is(200));
    }
    for (list, id) in [("/v1/events", "uid"), ("/v1/deliveries", "id")] {
        for entry in other.walk(list).await {
            state.push(other.get(&format!("{list}/{}", text(&entry, id))).await.is(200));
        }
    }
    state.push(server.get("/v1/keys").await.is(200));
    let received = ["/good", "/bad", "/paused"].map(|path| receiver.requests(path).len());
    json!({ "state": state, "received": received })
}

/// As `OTHER` is seen by a key of another tenant.
struct Stranger<'a> {
    client: Client,
    things: &'a Things,
}

impl Stranger<'_> {
    async fn ask(&self, operation: &Operation<'_>, path: &str, body: Option<Value>) -> Answer {
        let method = operation.method.clone();
        let answer = async {
            match body {
                Some(body) => self.client.json(method, path, body).await,
                None => self.client.send(method, path, &[], None).await,
            }
        };
        let answer = timeout(DEADLINE, answer).await;
        answer.unwrap_or_else(|_| panic!("{} goes on answering {path}", operation.name()))
    }

    /// Every path that names something of the other tenant; how many were asked for.
    async fn name_by_path(&self, operation: &Operation<'_>) -> usize {
        let mut asked = 0;
        for parameter in operation.parameters("path") {
            let Some(values) = self.things.of_path(operation, parameter) else {
                assert!(operation.is_open(), "{}", operation.name());
                continue;
            };
            assert!(!operation.is_open(), "{} is open to everybody", operation.name());
            for value in values {
                let path = |id: &str| operation.path.replace(&format!("{{{parameter}}}"), id);
                let foreign = self.ask(operation, &path(&value.foreign), operation.body()).await;
                self.is_refused(operation, &foreign);
                let unknown = self.ask(operation, &path(&value.unknown), operation.body()).await;
                are_the_same(operation, &foreign, &unknown);
                asked += 1;
            }
        }
        asked
    }

    /// Every parameter of a query that names something of it.
    async fn name_by_query(&self, operation: &Operation<'_>) -> usize {
        let mut asked = 0;
        let base = operation.path.replace("{id}", "order-1");
        for name in operation.parameters("query") {
            let values = self.things.of_name(operation, name).unwrap_or_default();
            // Of an answer that does not end only a refusal can be read.
            let readable = operation.endless().is_none() || name == "tenant";
            for value in values.iter().filter(|_| readable) {
                let path = |value: &str| format!("{base}?{name}={value}");
                let foreign = self.ask(operation, &path(&value.foreign), operation.body()).await;
                if name == "tenant" {
                    self.is_refused(operation, &foreign);
                }
                self.mentions_nothing(operation, &foreign);
                let unknown = self.ask(operation, &path(&value.unknown), operation.body()).await;
                are_the_same(operation, &foreign, &unknown);
                asked += 1;
            }
        }
        for (list, cursor) in self.things.cursors.iter().filter(|(list, _)| *list == base) {
            for path in [
                format!("{list}?cursor={cursor}"),
                format!("{list}?limit=1&cursor={cursor}"),
                format!("{list}?tenant={OTHER}&cursor={cursor}"),
            ] {
                let answer = self.ask(operation, &path, None).await;
                self.mentions_nothing(operation, &answer);
                asked += 1;
            }
        }
        asked
    }

    /// Every field of a body that names something of it.
    async fn name_by_body(&self, operation: &Operation<'_>) -> usize {
        let mut asked = 0;
        if !operation.roles().contains(&"tenant") {
            return asked;
        }
        for field in operation.body_fields() {
            if matches!(field.as_str(), "type" | "event_type") {
                continue;
            }
            for value in self.things.of_name(operation, &field).unwrap_or_default() {
                let path = operation.path.replace("{id}", "order-1");
                let body = |value: &str| operation.body_with(&field, &json!(value));
                let foreign = self.ask(operation, &path, body(&value.foreign)).await;
                self.mentions_nothing(operation, &foreign);
                let results = foreign.status == 202 && foreign.is(202)["results"].is_array();
                if results {
                    let refused = foreign.is(202)["results"].as_array().is_some_and(|results| {
                        results.iter().all(|result| result["error"]["code"] == "not_found")
                    });
                    assert!(refused, "{}: {}", operation.name(), foreign.text());
                } else if !narrows(operation) || field == "tenant" {
                    foreign.refused(404, "not_found");
                }
                let unknown = self.ask(operation, &path, body(&value.unknown)).await;
                are_the_same(operation, &foreign, &unknown);
                asked += 1;
            }
        }
        asked
    }

    #[track_caller]
    fn is_refused(&self, operation: &Operation<'_>, answer: &Answer) {
        if operation.roles().contains(&"tenant") {
            answer.refused(404, "not_found");
        } else {
            answer.refused(403, "forbidden_role");
        }
    }

    #[track_caller]
    fn mentions_nothing(&self, operation: &Operation<'_>, answer: &Answer) {
        let (name, text) = (operation.name(), answer.text());
        for mark in self.things.marks().into_iter().chain([OTHER]) {
            assert!(!text.contains(mark), "{name} shows {mark} to a stranger: {text}");
        }
    }
}

/// Whether the fields of its body narrow a choice, as the parameters of a list do.
fn narrows(operation: &Operation<'_>) -> bool {
    ["/v1/deliveries/retry", "/v1/deliveries/cancel"].contains(&operation.path)
}

/// Some answers say until when they are.
fn but_for_the_time(answer: &Answer) -> String {
    let text = answer.text();
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&text) else { return text };
    if fields.remove("now").or(fields.remove("until")).is_none() {
        return text;
    }
    Value::Object(fields).to_string()
}

/// But for what is new in every answer.
#[track_caller]
fn are_the_same(operation: &Operation<'_>, one: &Answer, other: &Answer) {
    let name = operation.name();
    assert_eq!(one.status, other.status, "{name}");
    assert_eq!(but_for_the_time(one), but_for_the_time(other), "{name}");
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        for new in ["date", "request-id"] {
            assert!(headers.remove(new).is_some(), "{name} has no {new}");
        }
        headers
    };
    assert_eq!(headers(one), headers(other), "{name}");
}

#[tokio::test]
async fn nothing_of_another_tenant_is_seen_or_changed_by_any_operation_of_the_document() {
    let options = Options::default().without_dev();
    let server = Postrider::with(options.env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8")).await;
    let receiver = Receiver::start().await;
    let (own, other) = (key_of(&server, "acme").await, key_of(&server, OTHER).await);
    let things = things(&server, &receiver, &other).await;
    own.register("https://acme.invalid/", json!({ "event_types": ["acme.a"] })).await;
    own.publish("acme.b", json!("acme's")).await;
    let before = state(&server, &receiver, &other).await;

    let document = Document::of(&server).await;
    let stranger = Stranger { client: own, things: &things };
    let (mut paths, mut queries, mut bodies) = (0, 0, 0);
    for operation in document.operations() {
        paths += stranger.name_by_path(&operation).await;
        if operation.is_open() {
            continue;
        }
        queries += stranger.name_by_query(&operation).await;
        bodies += stranger.name_by_body(&operation).await;
        let after = state(&server, &receiver, &other).await;
        assert_eq!(before, after, "{} changed something of another tenant", operation.name());
        let is_list = operation.method == Method::GET && operation.endless().is_none();
        if is_list && operation.parameters("path").is_empty() {
            let answer = stranger.ask(&operation, operation.path, None).await;
            stranger.mentions_nothing(&operation, &answer);
        }
    }
    assert!(paths > 30 && queries > 20 && bodies >= 3, "{paths} {queries} {bodies} were asked");
}
