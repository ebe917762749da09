//! Keys: what each role may do, and that they take effect at once.

use serde_json::{Value, json};

use crate::harness::{Client, Postrider, text};

async fn key(server: &Postrider, role: &str) -> (Client, String) {
    let key = server.post("/v1/keys", json!({ "name": role, "role": role })).await.is(201);
    assert_eq!((&key["role"], &key["tenant"]), (&json!(role), &json!(null)));
    let (shown, id) = (text(&key, "key"), text(&key, "id"));
    assert!(shown.starts_with("prk_") && shown.len() == 47, "{}", shown.len());
    assert!(id.starts_with("key_"));
    (server.with_key(&shown), id)
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for() {
    let server = Postrider::start().await;
    let (viewer, _) = key(&server, "viewer").await;
    let (publisher, _) = key(&server, "publisher").await;
    let (admin, _) = key(&server, "admin").await;
    let webhook = admin.register("https://a.example/", json!({})).await;
    let path = format!("/v1/webhooks/{}", text(&webhook, "id"));
    let event = json!({ "type": "a", "data": 1 });

    for look in ["/v1/webhooks", "/v1/events", "/v1/deliveries", path.as_str()] {
        admin.get(look).await.is(200);
        viewer.get(look).await.is(200);
        publisher.get(look).await.refused(403, "forbidden_role");
    }
    publisher.post("/v1/events", event.clone()).await.is(202);
    publisher.post("/v1/events/batch", json!({ "events": [event.clone()] })).await.is(202);
    viewer.post("/v1/events", event.clone()).await.refused(403, "forbidden_role");
    viewer
        .post("/v1/events/batch", json!({ "events": [event] }))
        .await
        .refused(403, "forbidden_role");

    for client in [&viewer, &publisher] {
        let body = json!({ "webhook_url": "https://b.example/" });
        client.post("/v1/webhooks/register", body).await.refused(403, "forbidden_role");
        client.patch(&path, json!({ "description": "x" })).await.refused(403, "forbidden_role");
        client.delete(&path).await.refused(403, "forbidden_role");
        client.get(&format!("{path}/secret")).await.refused(403, "forbidden_role");
        for verb in ["secret/rotate", "test", "pause", "resume"] {
            let answer = client.post(&format!("{path}/{verb}"), json!({})).await;
            answer.refused(403, "forbidden_role");
        }
        client.get("/v1/keys").await.refused(403, "forbidden_role");
    }
    assert_eq!(viewer.get("/metrics").await.status, 200);
    publisher.get("/metrics").await.refused(403, "forbidden_role");
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_a_key_is_never_shown_again() {
    let mut server = Postrider::start().await;
    let (viewer, id) = key(&server, "viewer").await;
    viewer.get("/v1/webhooks").await.is(200);
    let listed = server.get("/v1/keys").await.is(200);
    assert!(!listed.to_string().contains("prk_"), "{listed}");
    let ids = |list: &Value| {
        let list = list["data"].as_array().expect("a list");
        list.iter().map(|k| text(k, "id")).collect::<Vec<_>>()
    };
    assert!(ids(&listed).contains(&id));

    server.restart().await;
    viewer.get("/v1/webhooks").await.is(200);
    server.delete(&format!("/v1/keys/{id}")).await.is(204);
    viewer.get("/v1/webhooks").await.refused(401, "unauthorized");
    server.delete(&format!("/v1/keys/{id}")).await.refused(404, "not_found");
    assert!(!ids(&server.get("/v1/keys").await.is(200)).contains(&id));
}

#[tokio::test]
async fn keys_that_make_no_sense_are_refused() {
    let server = Postrider::start().await;
    for body in [
        json!({ "name": "a", "role": "king" }),
        json!({ "name": "a", "role": "tenant" }),
        json!({ "name": "a", "role": "viewer", "tenant": "acme" }),
        json!({ "name": "a", "role": "tenant", "tenant": "no spaces" }),
        json!({ "role": "viewer" }),
        json!({ "name": "" , "role": "viewer" }),
    ] {
        let answer = server.post("/v1/keys", body.clone()).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_command_line_makes_lists_and_revokes_keys() {
    let server = Postrider::start().await;
    let made = server.run(&["keys", "create", "--name", "ci", "--role", "publisher"]).ok();
    let shown =
        made.split_whitespace().find(|w| w.starts_with("prk_")).expect("the key").to_owned();
    let client = server.with_key(shown.trim());
    client.publish("a", json!(1)).await;

    let listed = server.run(&["keys", "list"]).ok();
    assert!(listed.contains("ci") && listed.contains("publisher"), "{listed}");
    assert!(!listed.contains(&shown));
    let keys = server.get("/v1/keys").await.is(200);
    let keys = keys["data"].as_array().expect("a list");
    let id = text(keys.iter().find(|k| k["name"] == "ci").expect("listed"), "id");
    server.run(&["keys", "revoke", &id]).ok();
    client.post("/v1/events", json!({ "type": "a", "data": 1 })).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_the_same() {
    let server = Postrider::start().await;
    let (_, revoked) = key(&server, "viewer").await;
    server.delete(&format!("/v1/keys/{revoked}")).await.is(204);
    let known = crate::harness::ADMIN_KEY;
    let (first, last) = (format!("x{}", &known[1..]), format!("{}x", &known[..known.len() - 1]));
    let long = "k".repeat(10_000);
    let mut told = Vec::new();
    for given in [
        "Bearer prk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &format!("Bearer {first}"),
        &format!("Bearer {last}"),
        &format!("Bearer {known}x"),
        &format!("Bearer {}", known.to_uppercase()),
        &format!("Bearer {long}"),
        &format!("Basic {known}"),
        &format!("Bearer: {known}"),
        &format!("Bearer{known}"),
        known,
        "Bearer",
        "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.",
        "Bearer ' OR 1=1 --",
        "",
    ] {
        let headers = [("authorization", given)];
        let client = server.without_key();
        let answer = client.send(reqwest::Method::GET, "/v1/webhooks", &headers, None).await;
        answer.refused(401, "unauthorized");
        told.push(answer.text());
    }
    let answer = server.without_key().get("/v1/webhooks").await;
    told.push(answer.text());
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn thousands_of_guesses_cost_those_who_have_a_key_nothing() {
    let server = Postrider::start().await;
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..50 {
        let client = server.clone();
        guesses.spawn(async move {
            for m in 0..40 {
                let guess = client.with_key(&format!("prk_guess-{n}-{m}"));
                guess.get("/v1/webhooks").await.refused(401, "unauthorized");
            }
        });
    }
    for n in 0..50 {
        server.publish("a", json!(n)).await;
    }
    guesses.join_all().await;
    server.get("/v1/webhooks").await.is(200);
}
