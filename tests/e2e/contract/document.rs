//! The document as a server answers it, and what can be asked by it.

use model::key::Verb;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::Client;

pub struct Document(Value);

/// One method of one path.
pub struct Operation<'a> {
    document: &'a Document,
    pub method: Method,
    pub path: &'a str,
    said: &'a Value,
}

impl Document {
    pub async fn of(server: &Client) -> Self {
        Self(server.without_key().get("/openapi.json").await.is(200))
    }

    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, said)| Operation {
                document: self,
                method: method.to_uppercase().parse().expect("a method"),
                path,
                said,
            })
        });
        operations.collect()
    }

    /// Itself, or what it refers to.
    fn at<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(to) => self.0.pointer(to.trim_start_matches('#')).expect("what is referred to"),
            None => value,
        }
    }

    /// A value that fits a schema: its example, or as little as it takes.
    fn sample(&self, schema: &Value) -> Value {
        let schema = self.at(schema);
        if !schema["example"].is_null() {
            return schema["example"].clone();
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[0].clone();
        }
        if let Some(either) = schema["oneOf"].as_array() {
            let first = either.iter().find(|one| self.at(one)["type"] != "null");
            return first.map(|one| self.sample(one)).unwrap_or_default();
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind {
            Some("object") => {
                let is_required = |name: &str| {
                    schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)))
                };
                let properties = schema["properties"].as_object().into_iter().flatten();
                let taken = properties.filter(|(name, property)| {
                    is_required(name) || !self.at(property)["example"].is_null()
                });
                Value::Object(taken.map(|(n, p)| (n.clone(), self.sample(p))).collect())
            }
            Some("array") => json!([self.sample(&schema["items"])]),
            Some("string") if schema["format"] == "date-time" => json!("2026-08-22T10:00:00Z"),
            Some("string") => json!("x"),
            Some("integer" | "number") => schema["minimum"].as_f64().map_or(json!(1), |n| json!(n)),
            Some("boolean") => json!(false),
            _ => json!(1),
        }
    }

    /// The names of all fields in what fits a schema, however deep.
    fn fields(&self, schema: &Value) -> Vec<String> {
        let schema = self.at(schema);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut fields: Vec<String> = properties
            .flat_map(|(name, property)| [vec![name.clone()], self.fields(property)].concat())
            .collect();
        for part in schema["oneOf"].as_array().into_iter().flatten() {
            fields.extend(self.fields(part));
        }
        if schema["items"].is_object() {
            fields.extend(self.fields(&schema["items"]));
        }
        fields
    }
}

impl Operation<'_> {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Needs no key.
    pub fn is_open(&self) -> bool {
        self.said["security"] == json!([])
    }

    /// The roles whose keys may call it, and their sessions likewise.
    pub fn roles(&self) -> Vec<&str> {
        let all = self.said["security"].as_array();
        let all = all.unwrap_or_else(|| panic!("{} does not say who may", self.name()));
        let by = |way: &str| -> Vec<&str> {
            all.iter().filter_map(|needed| needed[way][0].as_str()).collect()
        };
        let roles = by("bearer");
        assert_eq!(roles, by("session"), "{}: a session is as good as its key", self.name());
        assert_eq!(roles.len() * 2, all.len(), "{} wants something else than a key", self.name());
        roles
    }

    pub fn verb(&self) -> Verb {
        let said = self.said["x-verb"].as_str().and_then(Verb::parse);
        said.unwrap_or_else(|| panic!("{} has no x-verb of the table", self.name()))
    }

    /// Why its answer does not end, if it does not.
    pub fn endless(&self) -> Option<&str> {
        self.said["x-endless"].as_str()
    }

    pub fn says(&self, status: u16) -> bool {
        self.said["responses"][status.to_string()].is_object()
    }

    pub fn parameters(&self, place: &str) -> Vec<&str> {
        let all = self.said["parameters"].as_array().into_iter().flatten();
        let all = all.map(|parameter| self.document.at(parameter)).filter(|p| p["in"] == place);
        all.filter_map(|parameter| parameter["name"].as_str()).collect()
    }

    /// A body that it takes; none if it takes none.
    pub fn body(&self) -> Option<Value> {
        let mut body = self.document.sample(self.body_schema()?);
        lead_nowhere(&mut body);
        Some(body)
    }

    /// The same with `value` in every field of that name, however deep.
    pub fn body_with(&self, field: &str, value: &Value) -> Option<Value> {
        let mut body = self.body()?;
        self.put(&mut body, self.body_schema()?, field, value);
        Some(body)
    }

    /// The names of all fields of its body, however deep.
    pub fn body_fields(&self) -> Vec<String> {
        self.body_schema().map(|schema| self.document.fields(schema)).unwrap_or_default()
    }

    fn body_schema(&self) -> Option<&Value> {
        let body = &self.said["requestBody"];
        if body.is_null() {
            return None;
        }
        let schema = &self.document.at(body)["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{} takes a body that is not JSON", self.name());
        Some(schema)
    }

    fn put(&self, body: &mut Value, schema: &Value, field: &str, value: &Value) {
        let schema = self.document.at(schema);
        match body {
            Value::Object(fields) => self.put_into(fields, schema, field, value),
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.put(item, &schema["items"], field, value));
            }
            _ => {}
        }
    }

    fn put_into(
        &self,
        fields: &mut Map<String, Value>,
        schema: &Value,
        field: &str,
        value: &Value,
    ) {
        for either in schema["oneOf"].as_array().into_iter().flatten() {
            self.put_into(fields, self.document.at(either), field, value);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if name == field {
                fields.insert(name.clone(), value.clone());
            } else if let Some(inner) = fields.get_mut(name) {
                self.put(inner, property, field, value);
            }
        }
    }
}

/// The document's examples are on hosts that exist.
fn lead_nowhere(body: &mut Value) {
    if body["webhook_url"].is_string() {
        body["webhook_url"] = json!("https://a.invalid/");
    }
}
