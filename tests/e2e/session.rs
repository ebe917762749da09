//! Sessions: a browser shows a key or a link once, and then a cookie that only its own pages can use.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::fleet::Fleet;
use crate::harness::{
    ADMIN_KEY, Answer, Client, Options, Postrider, Process, free_port, text, wait_until,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A browser with a cookie, on a page of the server.
struct Browser {
    client: Client,
    cookie: String,
}

impl Browser {
    /// Opens a session with what its body says.
    async fn open(client: &Client, body: Value) -> Self {
        let client = client.without_key();
        let answer = client.post("/v1/session", body).await;
        answer.is(200);
        Self { cookie: cookie(&answer), client }
    }

    /// The same cookie, shown to another process.
    fn at(&self, client: &Client) -> Self {
        Self { client: client.without_key(), cookie: self.cookie.clone() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// As the dashboard does it.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let headers = [("postrider-dashboard", "1"), ("sec-fetch-site", "same-origin")];
        self.send(method, path, &headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let own = [("cookie", self.cookie.as_str()), ("content-type", "application/json")];
        let body = body.map(|body| body.to_string().into_bytes());
        self.client.send(method, path, &[&own, headers].concat(), body).await
    }
}

/// What `Set-Cookie` gives to be sent back.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    let (pair, attributes) = set.split_once("; ").unwrap_or_else(|| panic!("no cookie: {set:?}"));
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert!(pair.starts_with("postrider_session="), "{pair}");
    pair.to_owned()
}

async fn key(server: &Client, role: Value) -> (String, String) {
    let key = server.post("/v1/keys", role).await.is(201);
    (text(&key, "key"), text(&key, "id"))
}

#[tokio::test]
async fn a_session_may_what_its_key_may() {
    let server = Postrider::start().await;
    let (admin, viewer) = (json!({ "key": ADMIN_KEY }), json!({ "name": "v", "role": "viewer" }));
    let answer = server.without_key().post("/v1/session", admin.clone()).await;
    let session = answer.is(200);
    assert_eq!((&session["role"], &session["tenant"]), (&json!("admin"), &json!(null)));
    assert_eq!(session["dev"], true);
    assert!(text(&session, "expires_at").ends_with('Z'));

    let browser = Browser { cookie: cookie(&answer), client: server.without_key() };
    assert_eq!(browser.get("/v1/session").await.is(200), session);
    let body = json!({ "webhook_url": "https://a.example/" });
    browser.ask(Method::POST, "/v1/webhooks/register", Some(body.clone())).await.is(201);
    browser.get("/v1/webhooks").await.is(200);
    browser.get("/v1/keys").await.is(200);

    let (viewer, _) = key(&server, viewer).await;
    let viewer = Browser::open(&server, json!({ "key": viewer })).await;
    viewer.get("/v1/webhooks").await.is(200);
    viewer.get("/v1/keys").await.refused(403, "forbidden_role");
    let refused = viewer.ask(Method::POST, "/v1/webhooks/register", Some(body)).await;
    refused.refused(403, "forbidden_role");

    let role = json!({ "name": "the shop of acme", "role": "tenant", "tenant": "acme" });
    let (acme, _) = key(&server, role).await;
    let acme = Browser::open(&server, json!({ "key": acme })).await;
    let session = acme.get("/v1/session").await.is(200);
    assert_eq!((&session["role"], &session["tenant"]), (&json!("tenant"), &json!("acme")));
    assert_eq!(session["key_name"], "the shop of acme");
    assert_eq!(acme.get("/v1/webhooks").await.is(200)["data"], json!([]));
    acme.get("/v1/webhooks?tenant=default").await.refused(404, "not_found");
}

#[tokio::test]
async fn without_a_key_there_is_no_session() {
    let server = Postrider::start().await;
    let nobody = server.without_key();
    nobody.get("/v1/session").await.refused(401, "unauthorized");
    nobody.delete("/v1/session").await.refused(401, "unauthorized");
    for wrong in ["", "prk_wrong", &ADMIN_KEY.to_uppercase(), &"k".repeat(100_000)] {
        let answer = nobody.post("/v1/session", json!({ "key": wrong })).await;
        answer.refused(401, "unauthorized");
        assert_eq!(answer.header("set-cookie"), "");
        nobody.post("/v1/session", json!({ "link": wrong })).await.refused(401, "link_used");
    }
    for body in [json!({}), json!({ "key": 1 }), json!({ "key": ADMIN_KEY, "link": "x" })] {
        nobody.post("/v1/session", body).await.refused(422, "schema");
    }
    for cookie in ["postrider_session=", "postrider_session=x", "postrider_session", "other=x"] {
        let browser = Browser { cookie: cookie.into(), client: nobody.clone() };
        browser.get("/v1/webhooks").await.refused(401, "unauthorized");
    }
    // A key is told who it is too, and has no end.
    let session = server.get("/v1/session").await.is(200);
    assert_eq!((&session["role"], &session["expires_at"]), (&json!("admin"), &json!(null)));
}

#[tokio::test]
async fn another_page_cannot_use_a_session() {
    let server = Postrider::start().await;
    let browser = Browser::open(&server, json!({ "key": ADMIN_KEY })).await;
    let body = || Some(json!({ "webhook_url": "https://a.example/" }));
    let register = "/v1/webhooks/register";
    for headers in [
        &[][..],
        &[("postrider-dashboard", "0")],
        &[("postrider-dashboard", "1"), ("sec-fetch-site", "cross-site")],
        &[("postrider-dashboard", "1"), ("sec-fetch-site", "same-site")],
    ] {
        let answer = browser.send(Method::POST, register, headers, body()).await;
        answer.refused(403, "csrf");
        let answer = browser.send(Method::DELETE, "/v1/session", headers, None).await;
        answer.refused(403, "csrf");
    }
    for site in ["cross-site", "same-site"] {
        let headers = [("sec-fetch-site", site)];
        browser.send(Method::GET, "/v1/webhooks", &headers, None).await.refused(403, "csrf");
        let key = Some(json!({ "key": ADMIN_KEY }));
        let nobody = Browser { cookie: "a=b".into(), client: server.without_key() };
        nobody.send(Method::POST, "/v1/session", &headers, key).await.refused(403, "csrf");
    }
    assert_eq!(server.get("/v1/webhooks").await.is(200)["data"], json!([]));
    // A key is no browser's, whatever it says of itself.
    let headers = [("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    let body = body().map(|body| body.to_string().into_bytes());
    server.send(Method::POST, register, &headers, body).await.is(201);
}

#[tokio::test]
async fn a_key_counts_before_a_session() {
    let server = Postrider::start().await;
    let browser = Browser::open(&server, json!({ "key": ADMIN_KEY })).await;
    let (viewer, _) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let cookie = [("cookie", browser.cookie.as_str())];
    let both = server.with_key(&viewer).send(Method::GET, "/v1/session", &cookie, None).await;
    assert_eq!(both.is(200)["role"], "viewer");
    let wrong = server.with_key("prk_wrong").send(Method::GET, "/v1/session", &cookie, None).await;
    wrong.refused(401, "unauthorized");
    // No header of the dashboard is asked for: it is the key that counts.
    let post = server.with_key(&viewer).send(Method::POST, "/v1/events", &cookie, None).await;
    post.refused(403, "forbidden_role");
}

#[tokio::test]
async fn a_session_ends_with_its_key_its_time_or_when_it_is_left() {
    let server = Postrider::start().await;
    let (viewer, id) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let browser = Browser::open(&server, json!({ "key": viewer })).await;
    browser.get("/v1/webhooks").await.is(200);
    server.delete(&format!("/v1/keys/{id}")).await.is(204);
    browser.get("/v1/webhooks").await.refused(401, "unauthorized");

    let browser = Browser::open(&server, json!({ "key": ADMIN_KEY })).await;
    let left = browser.ask(Method::DELETE, "/v1/session", None).await;
    left.is(204);
    let over = "postrider_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
    assert_eq!(left.header("set-cookie"), over);

    server.step(HOUR * 11).await;
    browser.get("/v1/webhooks").await.is(200);
    server.step(HOUR).await;
    browser.get("/v1/webhooks").await.refused(401, "unauthorized");
    Browser::open(&server, json!({ "key": ADMIN_KEY })).await.get("/v1/session").await.is(200);
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let server = Postrider::start().await;
    let browser = Browser::open(&server, json!({ "key": ADMIN_KEY })).await;
    let cookie = [("cookie", browser.cookie.as_str())];
    let mut stream = server.without_key().open("/v1/stream", &cookie).await;
    assert_eq!(stream.status().as_u16(), 200);
    server.step(HOUR * 13).await;
    let mut said = String::new();
    while let Some(chunk) = stream.chunk().await.expect("it goes on") {
        said.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(said.contains("event: end") && said.contains("key_revoked"), "{said}");
}

#[tokio::test]
async fn over_https_a_cookie_is_never_sent_in_the_clear() {
    let server = Postrider::start().await;
    let body = json!({ "key": ADMIN_KEY }).to_string().into_bytes();
    let headers = [("content-type", "application/json"), ("x-forwarded-proto", "https")];
    let answer = server.without_key().send(Method::POST, "/v1/session", &headers, Some(body)).await;
    assert!(answer.header("set-cookie").ends_with("; SameSite=Strict; Secure"), "{answer:?}");
}

async fn link(client: &Client) -> String {
    let made = client.post("/v1/session/links", json!(null)).await.is(201);
    assert_eq!(text(&made, "path"), format!("/dashboard/login#{}", text(&made, "link")));
    text(&made, "link")
}

#[tokio::test]
async fn a_link_opens_one_session() {
    let server = Postrider::start().await;
    let token = link(&server).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (nobody, body) = (server.without_key(), json!({ "link": token }));
        tries.spawn(async move { nobody.post("/v1/session", body).await });
    }
    let answers = tries.join_all().await;
    let (opened, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert_eq!(opened.len(), 1);
    for answer in refused {
        answer.refused(401, "link_used");
    }
    let browser = Browser { cookie: cookie(opened[0]), client: server.without_key() };
    assert_eq!(browser.get("/v1/session").await.is(200)["role"], "admin");
    // A session makes none: it would last for ever.
    let made = browser.ask(Method::POST, "/v1/session/links", None).await;
    made.refused(403, "forbidden_role");
}

#[tokio::test]
async fn a_link_is_an_admins_and_ends_with_its_hour_or_its_key() {
    let server = Postrider::start().await;
    let (viewer, _) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let viewer = server.with_key(&viewer);
    viewer.post("/v1/session/links", json!(null)).await.refused(403, "forbidden_role");

    let (admin, id) = key(&server, json!({ "name": "a", "role": "admin" })).await;
    let (of_a_key, late) = (link(&server.with_key(&admin)).await, link(&server).await);
    server.delete(&format!("/v1/keys/{id}")).await.is(204);
    let nobody = server.without_key();
    nobody.post("/v1/session", json!({ "link": of_a_key })).await.refused(401, "link_used");

    let used = link(&server).await;
    Browser::open(&server, json!({ "link": used })).await;
    // Not even when nobody remembers that it was used.
    for _ in 0..4 {
        server.step(HOUR).await;
        for token in [&late, &used] {
            nobody.post("/v1/session", json!({ "link": token })).await.refused(401, "link_used");
        }
    }
}

#[tokio::test]
async fn a_fleet_has_its_sessions_and_links_in_common() {
    let fleet = Fleet::start(2, 0).await;
    let [one, two] = [&fleet.apis[0].client, &fleet.apis[1].client];
    let browser = Browser::open(one, json!({ "key": ADMIN_KEY })).await;
    let session = browser.get("/v1/session").await.is(200);
    assert_eq!(browser.at(two).get("/v1/session").await.is(200), session);
    assert_eq!(session["dev"], false);

    let token = link(one).await;
    Browser::open(two, json!({ "link": token })).await;
    for api in [one, two] {
        let again = api.without_key().post("/v1/session", json!({ "link": token })).await;
        again.refused(401, "link_used");
    }
}

#[tokio::test]
async fn the_command_line_prints_a_link() {
    let server = Postrider::start().await;
    let said = server.run(&["dashboard"]).ok();
    let (place, token) = said.trim_end().split_once('#').expect("a fragment");
    assert_eq!(place, server.url("/dashboard/login"));
    Browser::open(&server, json!({ "link": token })).await;

    let made = server.run(&["dashboard", "--json"]).ok();
    let made: Value = serde_json::from_str(&made).expect("--json prints JSON");
    Browser::open(&server, json!({ "link": made["link"] })).await;

    let (viewer, _) = key(&server, json!({ "name": "v", "role": "viewer" })).await;
    let refused = server.run_with(&["dashboard"], &[("POSTRIDER_KEY", &viewer)]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
}

/// The tokens of the links that a server printed, once it said of so many starts where it is.
async fn printed(server: &Postrider, starts: usize) -> Vec<String> {
    wait_until("it says where it is", async || {
        let log = server.log();
        let banners = log.matches(" is at http://").count();
        let begin = server.url("/dashboard/login#");
        let links = log.split(begin.as_str()).skip(1).map(str::to_owned);
        (banners == starts).then(|| {
            links.filter_map(|rest| rest.split_whitespace().next().map(str::to_owned)).collect()
        })
    })
    .await
}

#[tokio::test]
async fn with_dev_every_start_prints_a_link() {
    let mut server = Postrider::start().await;
    assert_eq!(printed(&server, 1).await.len(), 1);
    server.restart().await;
    let links = printed(&server, 2).await;
    assert_eq!(links.len(), 2);
    for link in links {
        Browser::open(&server, json!({ "link": link })).await;
    }
}

#[tokio::test]
async fn without_dev_a_link_is_printed_with_a_new_key_alone() {
    let given = Postrider::with(Options::default().without_dev()).await;
    assert_eq!(printed(&given, 1).await, [""; 0]);

    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let data_dir = folder.path().to_str().expect("a path in UTF-8");
    let listen = format!("127.0.0.1:{port}");
    let args = ["serve", "--listen", &listen, "--data-dir", data_dir, "--log-format", "json"];
    let mut own = Process::start(args.map(str::to_owned).to_vec(), Vec::new());
    let client = Client::new(format!("http://{listen}"), None);
    for starts in 1..=2 {
        let banners = wait_until("it says where it is", async || {
            let lines: Vec<Value> =
                own.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let is_banner = |line: &&Value| line["message"] == "the server is up";
            let banners: Vec<_> = lines.iter().filter(is_banner).cloned().collect();
            (banners.len() == starts).then_some(banners)
        })
        .await;
        if starts == 1 {
            let link = text(&banners[0], "dashboard.link");
            let (place, token) = link.split_once('#').expect("a fragment");
            assert_eq!(place, format!("http://{listen}/dashboard/login"));
            Browser::open(&client, json!({ "link": token })).await;
            own.stop().await;
            own.start_again();
        } else {
            assert_eq!(banners[1]["dashboard.link"], Value::Null);
        }
    }
}
