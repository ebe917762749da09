//! `postrider keys`: who may speak to the API.

use clap::{Args, Subcommand, ValueEnum};
use model::id::KeyId;
use model::tenant::Tenant;
use serde_json::json;

use crate::client::{self, Client, Connection, plain};
use crate::failure::Failure;
use crate::output::{say, say_json};
use crate::table::{self, Column, text};

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and print it, once
    Create(Create),
    /// List the keys, without their texts
    List(List),
    /// End a key: it is refused from then on
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider keys create --name shop --role publisher
  KEY=$(postrider keys create --name portal --role tenant --tenant acme)")]
pub struct Create {
    /// What it is for, so that it can be told from others
    #[arg(long)]
    name: String,

    /// What it may do
    #[arg(long, value_enum)]
    role: Role,

    /// The one tenant that a key of the role tenant is bound to
    #[arg(long, required_if_eq("role", "tenant"))]
    tenant: Option<String>,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Everything, for every tenant
    Admin,
    /// Publishes events, sees nothing
    Publisher,
    /// Sees everything but secrets, changes nothing
    Viewer,
    /// Everything that belongs to one tenant
    Tenant,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider keys list")]
pub struct List {
    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider keys revoke key_…")]
pub struct Revoke {
    /// The id of the key, as `keys list` shows it
    #[arg(value_name = "KEY_ID")]
    id: String,

    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: &[Column] = &[
    ("ID", |key| text(key, "id")),
    ("NAME", |key| text(key, "name")),
    ("ROLE", |key| text(key, "role")),
    ("TENANT", |key| text(key, "tenant")),
    ("CREATED", |key| text(key, "created_at")),
];

pub fn run(keys: &Keys) -> Result<(), Failure> {
    match keys {
        Keys::Create(create) => run_create(create),
        Keys::List(list) => run_list(list),
        Keys::Revoke(revoke) => run_revoke(revoke),
    }
}

fn run_create(create: &Create) -> Result<(), Failure> {
    if let Some(tenant) = &create.tenant {
        Tenant::parse(tenant).map_err(|e| Failure::usage(format!("--tenant {tenant:?}: {e}.")))?;
    }
    let role = create.role.to_possible_value().map(|role| role.get_name().to_owned());
    let mut body = json!({ "name": create.name, "role": role });
    if let Some(tenant) = &create.tenant {
        body["tenant"] = json!(tenant);
    }
    let client = Client::new(&create.connection)?;
    let key = client::run(client.post("/v1/keys", body.to_string()))?;
    if create.json {
        say_json(&key);
    } else {
        // The key alone on stdout, so that it can be put into a variable.
        eprintln!("{} may be used from now on; it is shown this once:", plain(&text(&key, "id")));
        say(plain(&text(&key, "key")));
    }
    Ok(())
}

fn run_list(list: &List) -> Result<(), Failure> {
    let client = Client::new(&list.connection)?;
    let keys = client::run(client.page("/v1/keys", &[]))?;
    if list.json {
        say_json(&keys);
    } else {
        table::print(&keys, COLUMNS, "There are no keys.");
    }
    Ok(())
}

fn run_revoke(revoke: &Revoke) -> Result<(), Failure> {
    let id = KeyId::parse(&revoke.id).ok_or_else(|| {
        Failure::usage(format!(
            "{:?} is not the id of a key, which begins with key_; `postrider keys list` shows them.",
            revoke.id
        ))
    })?;
    let client = Client::new(&revoke.connection)?;
    client::run(client.delete(&format!("/v1/keys/{id}")))?;
    say(format!("{id} is refused from now on."));
    Ok(())
}
