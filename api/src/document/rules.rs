//! What holds for every operation alike: who may call it, the headers of its answers, and the
//! problems that a request can meet because of what it is made of. Said here by rule, once.

use std::collections::BTreeMap;

use model::key::{Role, Verb, allow};
use utoipa::ToSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{Components, Object, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::problem::Problem;

/// The extension by which an operation says what its caller wants to do: a [`Verb`].
const VERB: &str = "x-verb";

/// Needs no key to be called, but takes one: it looks for it as those do that need one.
const TAKES_A_KEY: (&str, &str) = ("POST", "/v1/session");

/// A problem that many operations share: its name, its status, when it comes.
type Shared = (&'static str, u16, &'static str);

const UNREADABLE: Shared =
    ("Unreadable", 400, "The body or query cannot be read, or a cursor is not valid");
const UNAUTHORIZED: Shared = ("Unauthorized", 401, "No valid key");
const FORBIDDEN: Shared = (
    "Forbidden",
    403,
    "The key's role may not do this; or a session was used by something else than the dashboard",
);
const NOT_FOUND: Shared = ("NotFound", 404, "Not found, or another tenant's");
const SLOW: Shared = ("Slow", 408, "The body came too slowly");
const TOO_LARGE: Shared = ("TooLarge", 413, "The body is too large");
const NOT_JSON: Shared = ("NotJson", 415, "The body is not application/json");
const NOT_VALID: Shared =
    ("NotValid", 422, "A field or parameter is not valid; `errors` says which field");
const INTERNAL: Shared = ("Internal", 500, "Our mistake; the log has it under this Request-Id");
const UNAVAILABLE: Shared =
    ("Unavailable", 503, "The store does not answer; nothing was changed. Retry-After says when");
const FULL: Shared = ("Full", 507, "The store has no space left; nothing was changed");

const SHARED: [Shared; 11] = [
    UNREADABLE,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    SLOW,
    TOO_LARGE,
    NOT_JSON,
    NOT_VALID,
    INTERNAL,
    UNAVAILABLE,
    FULL,
];

/// Adds it all to a document whose paths and schemas are there.
pub fn apply(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    for (name, header) in headers() {
        components.headers.insert(name.to_owned(), RefOr::T(header));
    }
    for shared in SHARED {
        components.responses.insert(shared.0.to_owned(), RefOr::T(problem(shared)));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            add_problems(path, method, operation, components);
            say_who_may(operation);
            for response in operation.responses.responses.values_mut() {
                complete(response);
            }
        }
    }
}

/// The operations of a path, each with its method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", item.get.as_mut()),
        ("POST", item.post.as_mut()),
        ("PUT", item.put.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation?)))
}

/// Needs no key: it says so by a requirement that requires nothing, or by none.
fn is_open(operation: &Operation) -> bool {
    let nothing = |needed: &SecurityRequirement| *needed == SecurityRequirement::default();
    operation.security.as_ref().is_some_and(|all| all.iter().all(nothing))
}

fn add_problems(path: &str, method: &str, operation: &mut Operation, components: &Components) {
    let open = is_open(operation);
    let has_body = operation.request_body.is_some();
    let has_query = operation.parameters.iter().flatten().any(in_query);
    let names_a_thing = path.contains('{') && !path.starts_with("/dev/");
    let takes_a_tenant = !open && takes_tenant(operation, components);
    let looks_for_a_key = !open || (method, path) == TAKES_A_KEY;
    let rules = [
        (has_body || has_query, UNREADABLE),
        (looks_for_a_key, UNAUTHORIZED),
        (looks_for_a_key, FORBIDDEN),
        (names_a_thing || takes_a_tenant, NOT_FOUND),
        (has_body, SLOW),
        (has_body, TOO_LARGE),
        (has_body, NOT_JSON),
        (has_body || has_query, NOT_VALID),
        (looks_for_a_key, INTERNAL),
        (looks_for_a_key, UNAVAILABLE),
        (looks_for_a_key && method != "GET", FULL),
    ];
    for (applies, (name, status, _)) in rules {
        if applies {
            let responses = &mut operation.responses.responses;
            responses
                .entry(status.to_string())
                .or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

/// A key of the role tenant that names another tenant is told that there is none.
fn takes_tenant(operation: &Operation, components: &Components) -> bool {
    let is_tenant =
        |p: &RefOr<Parameter>| in_query(p) && matches!(p, RefOr::T(p) if p.name == "tenant");
    let Some(RefOr::T(RequestBody { content, .. })) = &operation.request_body else {
        return operation.parameters.iter().flatten().any(is_tenant);
    };
    content.values().any(|content| {
        let RefOr::T(content) = content else { return false };
        let Some(RefOr::Ref(to)) = &content.schema else { return false };
        let name = to.ref_location.trim_start_matches("#/components/schemas/");
        match components.schemas.get(name) {
            Some(RefOr::T(Schema::Object(body))) => body.properties.contains_key("tenant"),
            _ => false,
        }
    })
}

fn in_query(parameter: &RefOr<Parameter>) -> bool {
    match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    }
}

/// One requirement for each role that may and each way to show it: any of them is enough. None at all
/// where no key is needed. An operation that does not say its verb is nobody's.
fn say_who_may(operation: &mut Operation) {
    if is_open(operation) {
        operation.security = Some(Vec::new());
        return;
    }
    let said = operation.extensions.as_ref().and_then(|said| said.get(VERB)?.as_str());
    let roles = said.and_then(Verb::parse).map(roles_that_may).unwrap_or_default();
    let ways = |role: &&'static str| {
        let role = *role;
        ["bearer", "session"].map(|way| SecurityRequirement::new(way, [role]))
    };
    operation.security = Some(roles.iter().flat_map(ways).collect());
    let text = operation.description.take().unwrap_or_default();
    let named: Vec<String> = roles.iter().map(|role| format!("`{role}`")).collect();
    let text = format!("{text}\n\nFor keys of the roles {}.", named.join(", "));
    operation.description = Some(text.trim().to_owned());
}

fn roles_that_may(verb: Verb) -> Vec<&'static str> {
    let roles = [Role::Admin, Role::Publisher, Role::Viewer, Role::Tenant(Default::default())];
    let may = roles.iter().filter(|role| allow(role, verb, role.tenant()));
    may.map(Role::as_str).collect()
}

/// Every answer says something, and carries its Request-Id.
fn complete(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if response.description.is_empty() {
        "Done".clone_into(&mut response.description);
    }
    response.headers.insert("Request-Id".into(), header("RequestId"));
}

fn problem((_, status, description): Shared) -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description);
    let mut response = response.content("application/problem+json", content).build();
    response.headers = BTreeMap::from([("Request-Id".to_owned(), header("RequestId"))]);
    match status {
        401 => drop(response.headers.insert("WWW-Authenticate".into(), header("WwwAuthenticate"))),
        503 => drop(response.headers.insert("Retry-After".into(), header("RetryAfter"))),
        _ => {}
    }
    response
}

fn header(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

fn headers() -> [(&'static str, Header); 3] {
    let header = |kind: Type, description: &str, refine: fn(&mut Object)| {
        let mut schema = Object::with_type(kind);
        refine(&mut schema);
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
    };
    [
        (
            "RequestId",
            header(
                Type::String,
                "The request's own Request-Id if it is fit to be repeated, else a new one",
                |schema| {
                    schema.pattern = Some("^[!-~]{1,128}$".into());
                },
            ),
        ),
        (
            "RetryAfter",
            header(Type::Integer, "In how many seconds to try again", |schema| {
                schema.minimum = Some(0.into());
            }),
        ),
        (
            "WwwAuthenticate",
            header(Type::String, "How to authenticate", |schema| {
                schema.enum_values = Some(vec!["Bearer".into()]);
            }),
        ),
    ]
}
