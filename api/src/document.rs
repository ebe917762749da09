//! The API's description, OpenAPI 3.1. Paths and bodies come from the handlers; what holds for all
//! of them alike (who may, the headers, the problems that any request can meet) is added by rule
//! (`rules`), so that no handler can forget it. The same document knows which methods a path takes,
//! for 405.

mod rules;
pub mod schema;

use actix_web::dev::ResourceDef;
use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use bytes::Bytes;
use serde::Serialize;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::schema::{AdditionalProperties, Object, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr};
use utoipa::{PartialSchema as _, ToSchema};
use utoipa_actix_web::AppExt as _;

use crate::Door;
use crate::problem::{FieldError, Problem, known_codes};
use crate::session;

const DESCRIPTION: &str = "The sender side of webhooks: register URLs, publish events; Postrider \
    delivers each event to every webhook that wants it, signed, at least once, and shows what \
    became of it. Errors are problems (RFC 9457) with a stable `code`. Lists come in pages: \
    `?limit=50&cursor=…`. Times are RFC 3339, UTC. Every response carries a `Request-Id`. A path \
    that is not here is 404, and one with another method 405 with `Allow`; what is not HTTP at all \
    is 400, 408 or 431 all the same.";

const SESSION: &str = "For browsers: what `POST /v1/session` set. It may what its key may; with it all but \
    GET needs the header `Postrider-Dashboard: 1`, and pages of other sites are refused. A bearer \
    counts before it.";

const TAGS: [(&str, &str); 11] = [
    ("events", "Publish what happened, and look at it."),
    ("webhooks", "Who wants to know."),
    ("deliveries", "What became of each event at each webhook."),
    ("stream", "What happens, as it happens."),
    ("statistics", "How much of what happened, and what wants a look."),
    ("keys", "Who may do what."),
    ("session", "The way in for browsers, which keep a cookie and no key."),
    ("errors", "What the codes mean."),
    ("health", "Alive, ready, and in numbers."),
    ("operations", "Who delivers, what it stands on, how it is set."),
    ("dev", "With `--dev` only: inboxes and a clock that can be stepped."),
];

/// What has fields that may be left out: what callers send, and problems. Everything else is what
/// we answer, where null is said and not left out.
const MAY_LEAVE_OUT: [&str; 18] = [
    "BulkBody",
    "Publish",
    "Batch",
    "RegisterBody",
    "PatchBody",
    "PreviewBody",
    "SignatureBody",
    "ExponentialBody",
    "ScheduleBody",
    "RotateBody",
    "TestBody",
    "LogBody",
    "InstallationKeyBody",
    "TenantKeyBody",
    "SessionKeyBody",
    "SessionLinkBody",
    "StepBody",
    "Problem",
];

/// The document as it is served, and the paths in it.
pub struct Document {
    json: Bytes,
    paths: Vec<(ResourceDef, Vec<&'static str>)>,
}

impl Document {
    pub fn new(door: Door, dev: bool) -> Self {
        let document = openapi(door, dev);
        let paths = document.paths.paths.iter();
        Self {
            paths: paths
                .map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item)))
                .collect(),
            json: sorted(&document).to_string().into(),
        }
    }

    /// The methods that a path takes; none if it is not ours. A path that is written out counts
    /// before the patterns that it happens to fit.
    pub fn methods_of(&self, path: &str) -> Vec<&'static str> {
        let exact = self.paths.iter().find(|(known, _)| known.pattern() == Some(path));
        let fitting = || self.paths.iter().find(|(known, _)| known.is_match(path));
        exact.or_else(fitting).map(|(_, methods)| methods.clone()).unwrap_or_default()
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
    // Open to everybody and large: one connection gets it once, so that a client that asks and
    // does not read cannot pile up answers.
    HttpResponse::Ok().force_close().content_type("application/json").body(document.json.clone())
}

/// The document of a server without `--dev`, to be read and compared.
pub fn pretty() -> String {
    format!("{:#}", sorted(&openapi(Door::Everything, false)))
}

/// As JSON with its fields in the order of their names: the same document is the same text.
fn sorted(document: &OpenApi) -> serde_json::Value {
    serde_json::to_value(document).unwrap_or_default()
}

/// Builds the document out of the routes.
fn openapi(door: Door, dev: bool) -> OpenApi {
    let app = actix_web::App::new().into_utoipa_app().openapi(base());
    let (_, mut document) =
        app.configure(|config| crate::routes(config, door, dev)).split_for_parts();
    document.webhooks = Some(PathsBuilder::new().path_from::<__path_event>().build());
    if let Some(components) = &mut document.components {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, `prk_…`"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(session::COOKIE, SESSION);
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for (name, schema) in [
            (Problem::name(), Problem::schema()),
            (FieldError::name(), FieldError::schema()),
            (StandardPayload::name(), StandardPayload::schema()),
        ] {
            components.schemas.insert(name.into_owned(), schema);
        }
        for name in ["Problem", "FieldError", "ItemError"] {
            components.schemas.entry(name.to_owned()).and_modify(name_codes);
        }
        for (name, schema) in &mut components.schemas {
            merge_all(schema);
            schema::name_words(schema);
            if !MAY_LEAVE_OUT.contains(&name.as_str()) {
                require_all(schema);
            }
        }
    }
    for item in document.paths.paths.values_mut() {
        for (_, operation) in rules::operations(item) {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema.iter_mut().for_each(schema::name_words);
                }
            }
        }
    }
    rules::apply(&mut document);
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
        .security(Some(
            ["bearer", "session"].map(|way| SecurityRequirement::new(way, Vec::<String>::new())),
        ))
        .build()
}

/// Makes one object out of what a body is composed of, so that the document can say, as the API
/// does, that there are no other fields.
fn merge_all(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::AllOf(all)) = schema else {
        return;
    };
    let mut merged = Object::new();
    merged.description.clone_from(&all.description);
    for item in &all.items {
        let RefOr::T(Schema::Object(object)) = item else {
            return;
        };
        merged.properties.extend(object.properties.clone());
        merged.required.extend(object.required.clone());
    }
    merged.schema_type = Type::Object.into();
    merged.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    *schema = RefOr::T(Schema::Object(merged));
}

/// Names every code that can be in a problem.
fn name_codes(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    if let Some(RefOr::T(Schema::Object(code))) = object.properties.get_mut("code") {
        code.enum_values = Some(known_codes().map(Into::into).collect());
    }
}

/// Marks every field of an object as one that is always there.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.required = object.properties.keys().cloned().collect();
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(require_all),
        _ => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::web;
    use model::attempt::ErrorClass;
    use model::delivery::{EndedBy, Status};
    use model::webhook::WebhookStatus;

    #[test]
    fn the_document_is_openapi_3_1_and_complete() {
        let json: serde_json::Value =
            serde_json::from_slice(&Document::new(Door::Everything, true).json)
                .expect("the document is JSON");
        assert_eq!(json["openapi"], "3.1.0");
        assert!(json["webhooks"]["event"]["post"]["requestBody"].is_object());
        assert_eq!(json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_eq!(json["components"]["securitySchemes"]["session"]["in"], "cookie");
        let missing: Vec<_> = references(&json)
            .into_iter()
            .filter(|r| json.pointer(r.trim_start_matches('#')).is_none())
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "schemas that are referred to but not there");
    }

    fn references(json: &serde_json::Value) -> Vec<String> {
        match json {
            serde_json::Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| match (name.as_str(), value) {
                    ("$ref", serde_json::Value::String(to)) => vec![to.clone()],
                    _ => references(value),
                })
                .collect(),
            serde_json::Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_operation_says_what_it_does_and_what_can_go_wrong() {
        let mut document = openapi(Door::Everything, true);
        for (path, item) in &mut document.paths.paths {
            for (_, operation) in rules::operations(item) {
                let id = operation.operation_id.as_deref().unwrap_or_default();
                assert!(operation.summary.is_some() && operation.tags.is_some(), "{path} {id}");
                let responses = &operation.responses.responses;
                assert!(responses.keys().any(|status| status.starts_with('2')), "{path} {id}");
                let open = operation.security.as_ref().is_some_and(Vec::is_empty);
                let verb = operation.extensions.as_ref().and_then(|said| said.get("x-verb"));
                assert_eq!(open, verb.is_none(), "{path} {id}: `security(())` or an `x-verb`");
                for status in ["401", "403", "500", "503"] {
                    assert!(open || responses.contains_key(status), "{path} {id} {status}");
                }
            }
        }
    }

    #[test]
    fn words_are_those_of_the_model() {
        let json = sorted(&openapi(Door::Everything, true));
        let words = |schema: &str, field: &str| {
            let words = &json["components"]["schemas"][schema]["properties"][field]["enum"];
            let words = words.as_array().expect("an enumeration").iter();
            words.filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let statuses = Status::ALL.map(Status::as_str);
        assert_eq!(words("DeliveryView", "status"), statuses);
        assert_eq!(words("DeliveryView", "ended_by"), EndedBy::ALL.map(EndedBy::as_str));
        let classes = ErrorClass::ALL.map(ErrorClass::as_str);
        assert_eq!(words("AttemptError", "class"), classes);
        assert_eq!(words("LastAttemptView", "error"), classes);
        assert_eq!(words("WebhookView", "status"), WebhookStatus::ALL.map(WebhookStatus::as_str));
        assert!(words("Problem", "code").contains(&"internal".to_owned()));
    }

    #[test]
    fn without_dev_there_are_no_dev_paths() {
        assert!(
            openapi(Door::Everything, false)
                .paths
                .paths
                .keys()
                .all(|path| !path.starts_with("/dev"))
        );
        assert!(
            openapi(Door::Everything, true).paths.paths.keys().any(|path| path.starts_with("/dev"))
        );
    }

    #[actix_web::test]
    async fn every_operation_is_routed_and_other_methods_are_405() {
        let document = Document::new(Door::Everything, true);
        let app = actix_web::App::new()
            .app_data(Data::new(Document::new(Door::Everything, true)))
            .into_utoipa_app()
            .configure(|config| crate::routes(config, Door::Everything, true))
            .into_app()
            .default_service(web::to(crate::no_route));
        let app = init_service(app).await;
        let status_of = async |method: &str, path: &str| {
            let method = method.parse().expect("a method");
            let request = TestRequest::default().method(method).uri(path);
            let request = request.insert_header(("host", "localhost:8080")).to_request();
            call_service(&app, request).await.status().as_u16()
        };
        for (path, item) in &openapi(Door::Everything, true).paths.paths {
            // What explains itself would find nothing under a name that is none.
            let path = path.replace("{code}", "internal").replace(['{', '}'], "");
            let taken = methods(item);
            let is_no_id =
                ["/v1/webhooks/register", "/v1/deliveries/retry", "/v1/deliveries/cancel"]
                    .contains(&path.as_str());
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
                let status = status_of(method, &path).await;
                let fits = |known: &ResourceDef| known.is_match(&path);
                let mut known = document.paths.iter().filter(|(known, _)| fits(known));
                let by_pattern = !is_no_id && known.any(|(_, methods)| methods.contains(&method));
                if by_pattern || taken.contains(&method) {
                    assert!(!matches!(status, 404 | 405), "{method} {path} {status}");
                } else {
                    assert_eq!(status, 405, "{method} {path} {taken:?}");
                }
            }
        }
        assert_eq!(status_of("GET", "/v1/nothing").await, 404);
    }
}
