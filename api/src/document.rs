//! The API's description, OpenAPI 3.1. Paths and bodies come from the handlers; what holds for all
//! of them alike (the key, the problems that any request can meet) is added here by rule, so that
//! no handler can forget it. The same document knows which methods a path takes, for 405.

use actix_web::dev::ResourceDef;
use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use bytes::Bytes;
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_actix_web::AppExt as _;

use crate::problem::{FieldError, Problem};

const DESCRIPTION: &str = "The sender side of webhooks: register URLs, publish events; Postrider \
    delivers each event to every webhook that wants it, signed, at least once, and shows what \
    became of it. Errors are problems (RFC 9457) with a stable `code`. Lists come in pages: \
    `?limit=50&cursor=…`. Times are RFC 3339, UTC. Every response carries a `Request-Id`.";

const TAGS: [(&str, &str); 7] = [
    ("events", "Publish what happened, and look at it."),
    ("webhooks", "Who wants to know."),
    ("deliveries", "What became of each event at each webhook."),
    ("keys", "Who may do what."),
    ("errors", "What the codes mean."),
    ("health", "Alive, ready, and in numbers."),
    ("dev", "With `--dev` only: inboxes and a clock that can be stepped."),
];

/// The document as it is served, and the paths in it.
pub struct Document {
    json: Bytes,
    paths: Vec<(ResourceDef, Vec<&'static str>)>,
}

impl Document {
    pub fn new(dev: bool) -> Self {
        let document = openapi(dev);
        let paths = document.paths.paths.iter();
        Self {
            paths: paths.map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item))).collect(),
            json: document.to_json().unwrap_or_default().into(),
        }
    }

    /// The methods that a path takes; none if it is not ours.
    pub fn methods_of(&self, path: &str) -> Vec<&'static str> {
        let matching = self.paths.iter().filter(|(pattern, _)| pattern.is_match(path));
        let mut methods: Vec<_> = matching.flat_map(|(_, methods)| methods).copied().collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

/// The OpenAPI document
///
/// This one. Needs no key.
#[utoipa::path(
    tag = "health",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json",
               body = serde_json::Value))
)]
#[get("/openapi.json")]
pub async fn get_document(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.json.clone())
}

/// Builds the document out of the routes.
pub fn openapi(dev: bool) -> OpenApi {
    let app = actix_web::App::new().into_utoipa_app().openapi(base());
    let (_, mut document) = app.configure(|config| crate::routes(config, dev)).split_for_parts();
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item).into_iter().flatten() {
            add_problems(path, operation);
        }
    }
    document.webhooks = Some(PathsBuilder::new().path_from::<__path_event>().build());
    if let Some(components) = &mut document.components {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, `prk_…`"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        for (name, schema) in [
            (Problem::name(), Problem::schema()),
            (FieldError::name(), FieldError::schema()),
            (StandardPayload::name(), StandardPayload::schema()),
        ] {
            components.schemas.insert(name.into_owned(), schema);
        }
    }
    document
}

fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Postrider")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    let tag = |(name, text)| TagBuilder::new().name(name).description(Some(text)).build();
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(TAGS.map(tag)))
        .security(Some([SecurityRequirement::new("bearer", Vec::<String>::new())]))
        .build()
}

fn operations(item: &mut PathItem) -> [Option<&mut Operation>; 5] {
    [
        item.get.as_mut(),
        item.post.as_mut(),
        item.put.as_mut(),
        item.patch.as_mut(),
        item.delete.as_mut(),
    ]
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| name).collect()
}

/// The problems that a request can meet because of what it is made of.
fn add_problems(path: &str, operation: &mut Operation) {
    let open = operation.security.is_some();
    let has_body = operation.request_body.is_some();
    let has_query = operation.parameters.iter().flatten().any(in_query);
    let rules: [(bool, u16, &str); 9] = [
        (has_body || has_query, 400, "The body or query cannot be read, or a cursor is not valid"),
        (!open, 401, "No valid key"),
        (!open, 403, "The key's role may not do this"),
        (path.contains('{') && !path.starts_with("/dev/"), 404, "Not found, or another tenant's"),
        (has_body, 408, "The body came too slowly"),
        (has_body, 413, "The body is too large"),
        (has_body, 415, "The body is not application/json"),
        (has_body || has_query, 422, "A field or parameter is not valid; `errors` says which"),
        (!open, 503, "The store does not answer; nothing was changed. Retry-After says when"),
    ];
    for (applies, status, description) in rules {
        if applies {
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_string()).or_insert_with(|| problem(description));
        }
    }
}

fn in_query(parameter: &RefOr<utoipa::openapi::path::Parameter>) -> bool {
    use utoipa::openapi::path::ParameterIn;
    match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    }
}

fn problem(description: &str) -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description);
    RefOr::T(response.content("application/problem+json", content).build())
}

/// What a subscriber gets, unless its webhook asks for another `payload_format`.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "documents what the sender sends")]
struct StandardPayload {
    #[serde(rename = "type")]
    #[schema(example = "order.paid")]
    event_type: String,
    /// When it happened, RFC 3339.
    #[schema(format = DateTime)]
    timestamp: String,
    /// What was published, byte for byte.
    data: serde_json::Value,
}

/// An event
///
/// The request that a subscriber gets for each event it wants. Answer with any 2xx within the
/// webhook's timeout; do the work later. The same `webhook-id` may come more than once: remember
/// it. Check the signature over the very bytes of the body before parsing it.
#[utoipa::path(
    post,
    path = "event",
    tag = "events",
    security(()),
    params(
        ("webhook-id" = String, Header, description = "The event's id: the same on every attempt"),
        ("webhook-timestamp" = String, Header,
         description = "When this attempt was made, in seconds since 1970. Refuse what is over 5 minutes old"),
        ("webhook-signature" = Option<String>, Header,
         description = "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, several separated by spaces while a secret rotates (Standard Webhooks)"),
        ("authorization" = Option<String>, Header,
         description = "With the signature scheme `jwt` instead: `Bearer` and a token with the body's SHA-256 in its claims"),
    ),
    request_body = StandardPayload,
    responses(
        (status = "2XX", description = "Delivered"),
        (status = 410, description = "Gone: the webhook is disabled"),
        (status = 429, description = "Too fast: tried again no earlier than Retry-After says"),
        (status = "5XX", description = "Tried again later, as is every other status"),
    )
)]
#[allow(dead_code, reason = "documents what the sender sends")]
fn event() {}
