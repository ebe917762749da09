//! A whole life with every kind of secret in it; afterwards each is looked for wherever something
//! is written down, shown or sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    ADMIN_KEY, Answer, Client, MASTER_KEY, Options, Postrider, Receiver, Reply, new_secret, text,
};

const AUTHORIZATION: &str = "sesame-open-up-0123456789";
const PASSWORD: &str = "a-password-of-both-servers-4711";
/// Not a secret: what is found by this search if anything is.
const MARKER: &str = "this-is-to-be-found-anywhere";

/// Secrets, by what they are, in every spelling that is looked for.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<Vec<u8>>)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{what} would be found anywhere");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let url: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
        let minimal = url::form_urlencoded::byte_serialize(secret).collect::<String>();
        let mut spellings = vec![secret.to_vec(), hex.to_uppercase().into(), hex.into()];
        spellings.extend([url.to_lowercase().into_bytes(), url.into(), minimal.into()]);
        // Where it stands in what was encoded decides how: three ways, each without its ends.
        for before in 0..3 {
            let shifted = [&vec![0; before][..], secret].concat();
            for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
                spellings.push(encoded.as_bytes()[from..to].to_vec());
            }
        }
        self.0.push((what.to_owned(), spellings));
    }

    /// The text `whsec_…` and the key that it stands for.
    fn add_signing(&mut self, what: &str, secret: &str) {
        let encoded = secret.strip_prefix("whsec_").expect("a signing secret");
        self.add(what, encoded.as_bytes());
        let key = STANDARD_NO_PAD.decode(encoded.trim_end_matches('='));
        self.add(&format!("the key of {what}"), &key.expect("base64"));
    }

    /// What is in there.
    fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let place = searchable(bytes);
        let is_there = |spelling: &Vec<u8>| place.contains(&searchable(spelling));
        let found = self.0.iter().filter(|(_, spellings)| spellings.iter().any(is_there));
        found.map(|(what, _)| what.as_str()).collect()
    }
}

/// A character for each byte, because text is searched fast.
fn searchable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Where secrets must not be.
#[derive(Default)]
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    fn keep(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((what.into(), bytes.into()));
    }

    fn keep_answer(&mut self, what: &str, answer: &Answer) {
        let shown = format!("{:?}\n{}", answer.headers, answer.text());
        self.keep(format!("the answer to {what}"), shown);
    }

    /// Asks, and keeps the answer.
    async fn ask(&mut self, client: &Client, method: Method, path: &str, body: Value) -> Answer {
        let answer = client.json(method.clone(), path, body).await;
        self.keep_answer(&format!("{method} {path}"), &answer);
        answer
    }
}

#[test]
fn each_spelling_is_found_wherever_it_stands() {
    let mut secrets = Secrets::default();
    secrets.add("it", b"a secret with ?/+ in it");
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}a secret with ?/+ in it{before}");
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let url = url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        for shown in
            [&text, &hex, &url, &STANDARD_NO_PAD.encode(&text), &URL_SAFE_NO_PAD.encode(&text)]
        {
            assert_eq!(secrets.found_in(shown.as_bytes()), ["it"], "{shown}");
        }
    }
    assert!(secrets.found_in(b"another secret with ?/+ in it's place, a").is_empty());
}

#[tokio::test]
async fn no_secret_is_written_down_shown_or_sent_in_a_whole_life() {
    let options = Options::default().without_dev().with_password(PASSWORD);
    let options = options.env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8");
    let options = options.env("POSTRIDER_MASTER_KEY", MASTER_KEY);
    let options = options.env("POSTRIDER_LOG", "trace").env("POSTRIDER_LOG_FORMAT", "json");
    let mut server = Postrider::with(options).await;
    let receiver = Receiver::start().await;
    let (mut secrets, mut places) = (Secrets::default(), Places::default());
    secrets.add("the admin's key", ADMIN_KEY.as_bytes());
    secrets.add("the master key", MASTER_KEY.as_bytes());
    let bytes = |n: usize| u8::from_str_radix(&MASTER_KEY[2 * n..2 * n + 2], 16).expect("hex");
    secrets.add("the bytes of the master key", &(0..32).map(bytes).collect::<Vec<_>>());
    secrets.add("the authorization of a webhook", AUTHORIZATION.as_bytes());
    secrets.add("the servers' password", PASSWORD.as_bytes());

    live(&server, &receiver, &mut secrets, &mut places).await;
    strangers(&server, &secrets, &mut places).await;
    for path in [
        "/metrics",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/errors",
        "/errors/unauthorized",
        "/v1/keys",
        "/v1/webhooks",
        "/v1/events",
        "/v1/deliveries",
    ] {
        places.ask(&server, Method::GET, path, Value::Null).await;
    }
    for request in receiver.all() {
        // A webhook's own authorization is to arrive, and nowhere else.
        let meant = |(_, value): &&(String, String)| !value.ends_with(AUTHORIZATION);
        let headers: Vec<_> = request.headers.iter().filter(meant).collect();
        let head = format!("{} {} {headers:?}\n", request.method, request.target);
        let shown = [head.as_bytes(), &request.body].concat();
        places.keep(format!("a request to {}", request.target), shown);
    }
    server.stop().await;
    places.keep("the log", server.log());
    match server.services() {
        Some(services) => {
            places.keep("PostgreSQL", services.dump_of_postgres());
            places.keep("Redis", services.dump_of_redis());
        }
        None => {
            for entry in std::fs::read_dir(server.data_dir()).expect("a folder").flatten() {
                let bytes = std::fs::read(entry.path()).expect("a file");
                places.keep(format!("{:?}", entry.file_name()), bytes);
            }
        }
    }

    let (mut marker, mut marked) = (Secrets::default(), 0);
    marker.add("the marker", MARKER.as_bytes());
    for (place, bytes) in &places.0 {
        assert_eq!(secrets.found_in(bytes), [""; 0], "in {place}");
        marked += marker.found_in(bytes).len();
    }
    assert!(marked >= 6, "what was published is found where it is kept, shown and sent: {marked}");
    assert!(server.log().lines().filter(|line| line.contains("\"DEBUG\"")).count() > 20);
    assert!(secrets.0.len() >= 20, "{}", secrets.0.len());
}

/// Registers, rotates, publishes, delivers, fails, retries; makes and revokes keys.
async fn live(server: &Postrider, receiver: &Receiver, secrets: &mut Secrets, places: &mut Places) {
    let own = new_secret("a secret brought along, twice as long");
    let retry = json!({ "policy": "schedule", "delays_ms": [100, 100] });
    receiver.script("/own", [Reply::status(500).body("no"), Reply::close(), Reply::garbage()]);
    let mut webhooks = Vec::new();
    for (path, more) in [
        (
            "/own",
            json!({ "secret": own, "retry": retry,
            "headers": { "Authorization": format!("Bearer {AUTHORIZATION}"), "x-api-key": AUTHORIZATION } }),
        ),
        ("/made", json!({ "payload_format": "raw" })),
        ("/jwt", json!({ "signature": "jwt" })),
    ] {
        let webhook = server.register(&receiver.url(path), more).await;
        secrets.add_signing(path, &text(&webhook, "secret"));
        webhooks.push(format!("/v1/webhooks/{}", text(&webhook, "id")));
    }
    // Says everything that it got.
    let echo =
        Reply::status(400).header("x-echo", AUTHORIZATION).body(format!("{own} {AUTHORIZATION}"));
    receiver.script("/own", [echo]);

    let data = json!({ "marker": MARKER });
    let event = json!({ "id": "life-1", "type": "life", "data": data });
    places.ask(server, Method::POST, "/v1/events", event.clone()).await.is(202);
    places.ask(server, Method::POST, "/v1/events", event.clone()).await.is(202);
    let batch = json!({ "events": [event, { "type": "life" }] });
    places.ask(server, Method::POST, "/v1/events/batch", batch).await.is(202);
    receiver.wait_for("/own", 3).await;
    for webhook in &webhooks {
        for rotation in
            [json!({}), json!({ "secret": new_secret(&format!("the next one {webhook}")) })]
        {
            let rotated = server.post(&format!("{webhook}/secret/rotate"), rotation).await.is(200);
            secrets.add_signing("a rotated one", &text(&rotated, "secret"));
        }
        server.get(&format!("{webhook}/secret")).await.is(200);
        places.ask(server, Method::POST, &format!("{webhook}/test"), json!({})).await;
        let patch = json!({ "description": "changed", "headers": { "x-token": AUTHORIZATION } });
        places.ask(server, Method::PATCH, webhook, patch).await.is(200);
        places.ask(server, Method::POST, &format!("{webhook}/pause"), json!({})).await.is(200);
        places.ask(server, Method::POST, &format!("{webhook}/resume"), json!({})).await.is(200);
        places.ask(server, Method::GET, webhook, Value::Null).await.is(200);
    }
    let differs = json!({ "webhook_url": receiver.url("/own"), "secret": own });
    places
        .ask(server, Method::POST, "/v1/webhooks/register", differs)
        .await
        .refused(409, "secret_differs");
    for (role, tenant) in
        [("admin", None), ("publisher", None), ("viewer", None), ("tenant", Some("acme"))]
    {
        let body = json!({ "name": role, "role": role, "tenant": tenant });
        let made = server.post("/v1/keys", body).await.is(201);
        let key = text(&made, "key");
        secrets.add(&format!("a key of the role {role}"), key.as_bytes());
        session(server, json!({ "key": key }), secrets, places).await;
        let client = server.with_key(&key);
        let event = json!({ "type": "life", "data": MARKER });
        places.ask(&client, Method::POST, "/v1/events", event).await;
        places.ask(&client, Method::GET, "/v1/webhooks", Value::Null).await;
        places.ask(&client, Method::GET, &webhooks[0], Value::Null).await;
        let path = format!("/v1/keys/{}", text(&made, "id"));
        places.ask(server, Method::DELETE, &path, Value::Null).await.is(204);
        places
            .ask(&client, Method::GET, "/v1/events", Value::Null)
            .await
            .refused(401, "unauthorized");
    }
    let link = server.post("/v1/session/links", Value::Null).await.is(201);
    secrets.add("a link", text(&link, "link").as_bytes());
    session(server, json!({ "link": link["link"] }), secrets, places).await;
    receiver.wait_for("/jwt", 2).await;
    for delivery in server.walk("/v1/deliveries").await {
        let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
        places.ask(server, Method::GET, &path, Value::Null).await.is(200);
        places.ask(server, Method::POST, &format!("{path}/retry"), json!({})).await;
        places.ask(server, Method::POST, &format!("{path}/cancel"), json!({})).await;
    }
    places.ask(server, Method::GET, "/v1/events/life-1", Value::Null).await.is(200);
    places.ask(server, Method::DELETE, &webhooks[2], Value::Null).await.is(204);
}

/// A browser comes and goes.
async fn session(server: &Postrider, body: Value, secrets: &mut Secrets, places: &mut Places) {
    let browser = server.without_key();
    let opened = browser.post("/v1/session", body).await;
    let cookie = opened.header("set-cookie").split(';').next().expect("a cookie");
    let (_, value) = cookie.split_once('=').expect("a value");
    secrets.add("a session", value.as_bytes());
    let headers = [("cookie", cookie), ("postrider-dashboard", "1")];
    for (method, path) in [(Method::GET, "/v1/webhooks"), (Method::DELETE, "/v1/session")] {
        let answer = browser.send(method, path, &headers, None).await;
        places.keep_answer(path, &answer);
    }
}

/// Secrets in the wrong place: nothing repeats them.
async fn strangers(server: &Postrider, secrets: &Secrets, places: &mut Places) {
    let texts = secrets.0.iter().filter_map(|(_, spellings)| str::from_utf8(&spellings[0]).ok());
    for secret in texts.filter(|text| text.is_ascii() && !text.contains(char::is_control)) {
        let whsec = format!("whsec_{secret}");
        let url = "https://a.example/";
        for (path, body) in [
            ("/v1/webhooks/register", json!({ "webhook_url": whsec })),
            (
                "/v1/webhooks/register",
                json!({ "webhook_url": format!("https://u:x{secret}@a.example/") }),
            ),
            (
                "/v1/webhooks/register",
                json!({ "webhook_url": format!("https://10.0.0.1/?t={secret}") }),
            ),
            ("/v1/webhooks/register", json!({ "webhook_url": url, "timeout_ms": secret })),
            ("/v1/webhooks/register", json!({ "webhook_url": url, "secret": format!("{whsec}!") })),
            (
                "/v1/webhooks/register",
                json!({ "webhook_url": url, "method": secret, "signature": secret }),
            ),
            (
                "/v1/webhooks/register",
                json!({ "webhook_url": url, "headers": { "x-a": format!("{secret}\n") } }),
            ),
            ("/v1/webhooks/register", json!({ "webhook_url": url, "headers": { "host": secret } })),
            (
                "/v1/webhooks/register",
                json!({ "webhook_url": url, "event_types": [format!("{secret}!")] }),
            ),
            ("/v1/webhooks/register", json!({ "webhook_url": url, "metadata": secret })),
            ("/v1/events", json!({ "type": format!("{secret}!"), "data": 1 })),
            ("/v1/events", json!({ "type": "a", "data": 1, "id": format!("{secret}!") })),
            ("/v1/events", json!({ "type": "a", "data": 1, "tenant": format!("{secret} ") })),
            ("/v1/events", json!({ "type": "a", "data": 1, "timestamp": secret })),
            ("/v1/keys", json!({ "name": "a", "role": secret })),
        ] {
            let answer = places.ask(server, Method::POST, path, body).await;
            assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        }
        let broken = format!("{{\"secret\":\"{secret}");
        places
            .keep_answer("broken JSON", &server.post_text("/v1/webhooks/register", &broken).await);
        for path in ["/v1/webhooks", "/v1/events", "/v1/deliveries", "/errors", "/nothing"] {
            places.ask(server, Method::GET, &format!("{path}/{secret}"), Value::Null).await;
            places.ask(server, Method::GET, &format!("{path}?key={secret}"), Value::Null).await;
            places.ask(server, Method::GET, &format!("{path}?cursor={secret}"), Value::Null).await;
        }
        let wrong = server.with_key(&format!("{secret}x"));
        places
            .ask(&wrong, Method::GET, "/v1/events", Value::Null)
            .await
            .refused(401, "unauthorized");
        let basic = [("authorization", &*format!("Basic {secret}"))];
        let answer = server.without_key().send(Method::GET, "/v1/events", &basic, None).await;
        places.keep_answer("another scheme", &answer);
    }
}
