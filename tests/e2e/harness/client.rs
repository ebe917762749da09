//! Speaking to the API: one method per HTTP verb, and an answer that says what it was asked.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::wait::{wait_or_tell, wait_until};

/// Speaks to one server with one key.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Client {
    pub fn new(base: String, key: Option<&str>) -> Self {
        // Err: another client of this process installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without TLS roots");
        Self { http, base, key: key.map(str::to_owned) }
    }

    /// The same server, spoken to with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, body).await
    }

    pub async fn json(&self, method: Method, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(method, path, &headers, Some(body.to_string().into_bytes())).await
    }

    /// Sends exactly these bytes as JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(Method::POST, path, &headers, Some(body.as_bytes().to_vec())).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let asked = format!("{method} {path}");
        self.try_send(method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{asked} was not answered: {error:?}"))
    }

    /// The status alone, of an answer that need not end.
    pub async fn status_of(&self, method: Method, path: &str, body: Option<Value>) -> u16 {
        let asked = format!("{method} {path}");
        let mut request = self.http.request(method, self.url(path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{asked} was not answered: {error:?}"));
        answer.status().as_u16()
    }

    /// For those who expect the server to die under their hands.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let asked = format!("{method} {path}");
        let mut request = self.http.request(method, self.url(path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer { asked, status, headers, body })
    }
}

impl Client {
    /// Asks and reads no further than the head.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.http.get(self.url(path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("it is answered")
    }
}

/// What the tests do most.
impl Client {
    /// Registers a webhook for `url` with more fields, and returns it.
    pub async fn register(&self, url: &str, more: Value) -> Value {
        let mut body = more;
        body["webhook_url"] = url.into();
        self.post("/v1/webhooks/register", body).await.is(201)
    }

    /// Publishes an event and returns its id.
    pub async fn publish(&self, event_type: &str, data: Value) -> String {
        let body = serde_json::json!({ "type": event_type, "data": data });
        text(&self.post("/v1/events", body).await.is(202), "id")
    }

    /// The one delivery of an event, once it was made.
    pub async fn delivery_of(&self, event_id: &str) -> Value {
        wait_until("a delivery is made", async || {
            self.deliveries(&format!("event_id={event_id}")).await.into_iter().next()
        })
        .await
    }

    /// The one delivery of an event with its attempts, once it has this status.
    pub async fn delivery_that_is(&self, status: &str, event_id: &str) -> Value {
        let id = text(&self.delivery_of(event_id).await, "id");
        let what = format!("{id} is {status}");
        wait_or_tell(&what, async || {
            let delivery = self.get(&format!("/v1/deliveries/{id}")).await.is(200);
            if delivery["status"] == status { Ok(delivery) } else { Err(delivery.to_string()) }
        })
        .await
    }

    /// The first page of deliveries.
    pub async fn deliveries(&self, query: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/deliveries?limit=200&{query}")).await.is(200);
        page["data"].as_array().expect("a list").clone()
    }

    /// Every item of a list, by its cursors.
    pub async fn walk(&self, path: &str) -> Vec<Value> {
        let (mut all, mut next) = (Vec::new(), path.to_owned());
        loop {
            let page = self.get(&next).await.is(200);
            all.extend(page["data"].as_array().expect("a list").iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return all };
            let joint = if path.contains('?') { '&' } else { '?' };
            next = format!("{path}{joint}cursor={cursor}");
        }
    }
}

/// A field that is a text.
pub fn text(value: &Value, field: &str) -> String {
    let found = value[field].as_str();
    found.unwrap_or_else(|| panic!("{field} is no text in {value}")).to_owned()
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Asserts the status and returns the body.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// Asserts a refusal: a problem of RFC 9457 with this status and stable code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{}: {problem}", self.asked);
        assert_eq!(problem["status"], status, "{}: {problem}", self.asked);
        assert_eq!(problem["type"], format!("/errors/{code}"), "{}: {problem}", self.asked);
        for field in ["title", "detail"] {
            let filled = problem[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(filled, "{}: no {field} in {problem}", self.asked);
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.asked);
        problem
    }
}
