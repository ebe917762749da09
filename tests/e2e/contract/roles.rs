//! Who may call what: the document, the table `allow` and the answers say the same.

use model::key::{Role, allow};
use model::tenant::Tenant;
use serde_json::json;

use super::document::{Document, Operation};
use crate::harness::{Client, Options, Postrider, text};

/// Every role, with a key of it.
async fn keys(server: &Postrider) -> Vec<(Role, Client)> {
    let acme = Tenant::parse("acme").expect("a tenant");
    let mut keys = Vec::new();
    for role in [Role::Admin, Role::Publisher, Role::Viewer, Role::Tenant(acme)] {
        let tenant = role.tenant().map(Tenant::as_str);
        let body = json!({ "name": "a role's", "role": role.as_str(), "tenant": tenant });
        let key = server.post("/v1/keys", body).await.is(201);
        keys.push((role, server.with_key(&text(&key, "key"))));
    }
    keys
}

/// Asks for what does not exist, so that whoever may changes nothing.
async fn status(client: &Client, operation: &Operation<'_>) -> u16 {
    let path = operation.path.replace("{code}", "internal").replace("{id}", "nothing");
    assert!(!path.contains('{'), "{}: name what its parameter stands for here", operation.name());
    let body = operation.body();
    if operation.endless().is_some() {
        return client.status_of(operation.method.clone(), &path, body).await;
    }
    let answer = match body {
        Some(body) => client.json(operation.method.clone(), &path, body).await,
        None => client.send(operation.method.clone(), &path, &[], None).await,
    };
    match answer.status {
        401 => drop(answer.refused(401, "unauthorized")),
        403 => drop(answer.refused(403, "forbidden_role")),
        _ => {}
    }
    answer.status
}

#[tokio::test]
async fn each_role_may_what_the_document_and_the_table_say_and_nothing_else() {
    let server = Postrider::with(Options::default().without_dev()).await;
    let document = Document::of(&server).await;
    let keys = keys(&server).await;
    let mut refused = 0;
    for operation in document.operations() {
        let name = operation.name();
        if operation.is_open() {
            continue;
        }
        let verb = operation.verb();
        for (role, client) in &keys {
            let may = allow(role, verb, role.tenant());
            let says_so = operation.roles().contains(&role.as_str());
            assert_eq!(says_so, may, "{name}: what is documented of {role:?} is not the table's");
            let status = status(client, &operation).await;
            assert!(operation.says(status), "{name} as {role:?}: {status} is not documented");
            assert_eq!(status != 403, may, "{name} as {role:?}: {status}");
            assert_ne!(status, 401, "{name} as {role:?}");
            // Whoever may was understood: what is wrong, if anything, is that nothing was found.
            let fine = !may || matches!(status, 200..=299 | 404);
            assert!(fine, "{name} as {role:?}: {status}; does its body lack an example?");
            refused += usize::from(!may);
        }
        let stranger = server.without_key();
        assert_eq!(status(&stranger, &operation).await, 401, "{name} without a key");
    }
    assert!(refused >= 30, "only {refused} refusals were seen");
}

#[tokio::test]
async fn what_needs_no_key_says_so_and_answers_without_one() {
    let server = Postrider::with(Options::default().without_dev()).await;
    let document = Document::of(&server).await;
    let open: Vec<_> = document.operations().into_iter().filter(Operation::is_open).collect();
    let names: Vec<_> = open.iter().map(Operation::name).collect();
    // Whatever is open is open on purpose.
    let meant = ["/errors", "/errors/{code}", "/healthz", "/openapi.json", "/readyz"];
    let mut meant = meant.map(|path| format!("GET {path}")).to_vec();
    // It is shown a key in its body: that of the document's example is nobody's.
    const TAKES_A_KEY: &str = "POST /v1/session";
    meant.push(TAKES_A_KEY.to_owned());
    assert_eq!(names, meant);
    for operation in &open {
        let expected = if operation.name() == TAKES_A_KEY { 401 } else { 200 };
        let status = status(&server.without_key(), operation).await;
        assert_eq!(status, expected, "{}", operation.name());
    }
}
