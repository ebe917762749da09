//! What the dashboard asks, with the filters that its screens have: each question so many times, with other
//! values each time, one after the other.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat};
use model::id::Uid;
use serde::Serialize;
use serde_json::{Value, json};

use super::history::*;
use crate::Result;
use crate::measure::{Percentiles, cpu_micros};
use crate::target::Target;
use crate::wire::Connection;

const TIMES: usize = 50;
/// Of those that may take seconds.
const TIMES_LONG: usize = 10;
const LIST_MAX_MS: f64 = 200.0;
const OVERVIEW_MAX_MS: f64 = 500.0;
/// Counting before much is done at once ends after three seconds.
const COUNT_MAX_MS: f64 = 3_200.0;
const HOUR_US: i64 = 3_600 * 1_000_000;
/// Webhooks whose statistics are asked for at once, as a page of their list does.
const PAGE: usize = 50;

#[derive(Debug, Serialize)]
pub struct Asked {
    pub name: String,
    pub limit_ms: f64,
    pub took: Percentiles,
    /// CPU time of all that is measured, for each answer: others' load is not in it.
    pub cpu_ms: f64,
    /// Answers that said how far they had looked.
    pub short: usize,
}

/// What there is to ask for.
pub struct Known {
    until: i64,
    webhooks: Vec<Webhook>,
}

impl Known {
    pub fn new(until: i64, webhooks: Vec<Webhook>) -> Self {
        Self { until, webhooks }
    }

    fn moment(&self, dice: &mut Dice) -> i64 {
        self.until - dice.below((DAYS * DAY_US) as u64) as i64
    }

    fn webhook(&self, dice: &mut Dice, is: impl Fn(&Webhook) -> bool) -> &Webhook {
        loop {
            let webhook = &self.webhooks[dice.below(self.webhooks.len() as u64) as usize];
            if is(webhook) {
                return webhook;
            }
        }
    }

    fn of_state(&self, dice: &mut Dice, state: State) -> String {
        self.webhook(dice, |webhook| webhook.state == state).id.to_string()
    }

    /// The first of the largest tenant: it has the most deliveries.
    fn busiest(&self) -> String {
        let is_busy = |w: &&Webhook| w.tenant == LARGE && w.state == State::Active;
        self.webhooks.iter().find(is_busy).map(|webhook| webhook.id.to_string()).unwrap_or_default()
    }
}

/// Where a list goes on.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Newest,
    /// Anywhere: after a page of one, which says of which list its cursor is.
    Anywhere,
}

type Path = Box<dyn Fn(&mut Dice, &Known) -> String>;

struct Question {
    name: String,
    limit_ms: f64,
    from: From,
    /// Of a POST.
    body: Option<Value>,
    path: Path,
}

fn question(name: &str, path: impl Fn(&mut Dice, &Known) -> String + 'static) -> Question {
    let path = Box::new(path);
    Question { name: name.to_owned(), limit_ms: LIST_MAX_MS, from: From::Newest, body: None, path }
}

/// A path that is always the same.
fn fixed(path: &str) -> Question {
    let always = path.to_owned();
    question(path.trim_start_matches("/v1/"), move |_, _| always.clone())
}

fn deep(path: &str) -> Question {
    let question = fixed(path);
    Question { name: format!("{}, deep", question.name), from: From::Anywhere, ..question }
}

fn time(micros: i64) -> String {
    let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub async fn ask_all(target: &Target, known: &Known, only: &str) -> Result<Vec<Asked>> {
    let mut all = deliveries();
    all.extend(events());
    all.extend(webhooks());
    all.extend(statistics());
    let one = |list: &'static str| {
        move |dice: &mut Dice, known: &Known| {
            format!("/v1/{list}?limit=1&until={}", time(known.moment(dice)))
        }
    };
    let mut connection = Connection::open(target.address).await?;
    let mut asked = Vec::new();
    for question in all.iter().filter(|question| question.name.contains(only)) {
        asked.push(ask(&mut connection, target, known, question).await?);
    }
    // Those of which one has to be found first.
    for (name, list) in [("events/{id}", "events"), ("deliveries/{id}", "deliveries")] {
        if !name.contains(only) {
            continue;
        }
        let (mut dice, mut took, before) = (Dice::new(3), Vec::new(), cpu(target)?);
        for _ in 0..TIMES {
            let found = get(&mut connection, target, &one(list)(&mut dice, known)).await?;
            let id = found["data"][0]["uid"].as_str().or(found["data"][0]["id"].as_str());
            let path = format!("/v1/{list}/{}", id.ok_or("a list had nothing in it")?);
            let begun = Instant::now();
            get(&mut connection, target, &path).await?;
            took.push(u32::try_from(begun.elapsed().as_micros())?);
        }
        let took = Percentiles::of(&mut took);
        let cpu_ms = cpu(target)?.saturating_sub(before) as f64 / 1e3 / TIMES as f64;
        let name = name.to_owned();
        asked.push(Asked { name, limit_ms: LIST_MAX_MS, took, cpu_ms, short: 0 });
    }
    Ok(asked)
}

async fn ask(
    connection: &mut Connection,
    target: &Target,
    known: &Known,
    question: &Question,
) -> Result<Asked> {
    let (mut dice, mut took, mut short) = (Dice::new(1), Vec::new(), 0);
    let before = cpu(target)?;
    let times = if question.limit_ms > OVERVIEW_MAX_MS { TIMES_LONG } else { TIMES };
    for _ in 0..times {
        let mut path = (question.path)(&mut dice, known);
        if question.from == From::Anywhere {
            let joint = if path.contains('?') { '&' } else { '?' };
            let first = get(connection, target, &format!("{path}{joint}limit=1")).await?;
            let cursor = first["next_cursor"].as_str().ok_or("there is no second page")?;
            path = format!("{path}{joint}cursor={}", anywhere(cursor, &mut dice, known)?);
        }
        let begun = Instant::now();
        let answer = match &question.body {
            None => get(connection, target, &path).await?,
            Some(body) => {
                let body = body.to_string();
                let (status, answer) = connection.ask("POST", &path, target.key, &body).await?;
                if status != 200 {
                    return Err(format!("{path} was answered {status}: {answer}").into());
                }
                answer
            }
        };
        took.push(u32::try_from(begun.elapsed().as_micros())?);
        short += usize::from(answer["looked_until"].is_string());
    }
    let took = Percentiles::of(&mut took);
    let cpu_ms = cpu(target)?.saturating_sub(before) as f64 / 1e3 / times as f64;
    let Percentiles { p50_ms, p95_ms, max_ms, .. } = took;
    let name = question.name.clone();
    eprintln!("views: {name:<56} {p50_ms:>9.1} {p95_ms:>9.1} {max_ms:>9.1} {cpu_ms:>9.1}");
    Ok(Asked { name, limit_ms: question.limit_ms, took, cpu_ms, short })
}

fn cpu(target: &Target) -> Result<u64> {
    target.watched().iter().map(|watched| cpu_micros(watched.pid)).sum()
}

async fn get(connection: &mut Connection, target: &Target, path: &str) -> Result<Value> {
    match connection.ask("GET", path, target.key, "").await? {
        (200, answer) => Ok(answer),
        (status, answer) => Err(format!("{path} was answered {status}: {answer}").into()),
    }
}

/// The same list's cursor, after an entry of any moment.
fn anywhere(cursor: &str, dice: &mut Dice, known: &Known) -> Result<String> {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor)?;
    // A version and the name of the list, then the ids of the entry.
    let ids = bytes.get_mut(9..).ok_or("a cursor that is too short")?;
    let at = Uid::floor(known.moment(dice) / 1_000);
    ids[..16].copy_from_slice(at.as_bytes());
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn deliveries() -> Vec<Question> {
    let (large, middle, small) = (tenant_name(LARGE), tenant_name(MIDDLE), tenant_name(SMALL));
    let (often, rare) = (type_name(0), type_name(TYPES - 1));
    let mut all = vec![fixed("/v1/deliveries")];
    for status in ["pending", "retrying", "delivered", "failed", "cancelled", "failed,retrying"] {
        all.push(fixed(&format!("/v1/deliveries?status={status}")));
    }
    for state in [State::Active, State::Failing, State::Paused] {
        all.push(question(&format!("deliveries?webhook_id={state:?}"), move |dice, known| {
            format!("/v1/deliveries?webhook_id={}", known.of_state(dice, state))
        }));
    }
    all.push(question("deliveries?webhook_id=busiest", |_, known| {
        format!("/v1/deliveries?webhook_id={}", known.busiest())
    }));
    for status in ["failed", "delivered", "pending", "cancelled"] {
        all.push(question(
            &format!("deliveries?webhook_id=…&status={status}"),
            move |dice, known| {
                let id = known.of_state(dice, State::Failing);
                format!("/v1/deliveries?webhook_id={id}&status={status}")
            },
        ));
    }
    for tenant in [&large, &middle, &small, "tenant-99"] {
        all.push(fixed(&format!("/v1/deliveries?tenant={tenant}")));
        for status in ["failed", "retrying", "cancelled"] {
            all.push(fixed(&format!("/v1/deliveries?tenant={tenant}&status={status}")));
        }
    }
    for kind in [&often, &rare, "orders.absent"] {
        all.push(fixed(&format!("/v1/deliveries?event_type={kind}")));
        all.push(fixed(&format!("/v1/deliveries?event_type={kind}&status=failed")));
        all.push(fixed(&format!("/v1/deliveries?event_type={kind}&tenant={large}")));
    }
    all.push(question("deliveries?since=…&until=…", |dice, known| {
        let until = known.moment(dice);
        format!("/v1/deliveries?since={}&until={}", time(until - HOUR_US), time(until))
    }));
    all.push(question("deliveries?since=…&until=…&tenant=small", move |dice, known| {
        let until = known.moment(dice);
        let (since, until) = (time(until - DAY_US), time(until));
        format!("/v1/deliveries?since={since}&until={until}&tenant={}", tenant_name(SMALL))
    }));
    for narrow in
        ["answer=5xx", "answer=404", "min_attempts=3", "min_attempts=9", "min_duration_ms=5000"]
    {
        all.push(fixed(&format!("/v1/deliveries?{narrow}")));
    }
    all.push(fixed(&format!("/v1/deliveries?answer=5xx&tenant={middle}")));
    all.push(deep("/v1/deliveries"));
    all.push(deep("/v1/deliveries?status=failed"));
    all.push(deep("/v1/deliveries?status=delivered"));
    all.push(deep(&format!("/v1/deliveries?tenant={large}")));
    all.push(deep(&format!("/v1/deliveries?tenant={middle}")));
    all.push(deep(&format!("/v1/deliveries?event_type={often}")));
    all.push(deep("/v1/deliveries?answer=5xx"));
    for (body, name) in [
        (json!({ "status": ["failed"], "dry_run": true }), "failed"),
        (json!({ "tenant": middle, "dry_run": true }), "a tenant"),
        (json!({ "tenant": middle, "status": ["failed"], "dry_run": true }), "failed of a tenant"),
    ] {
        let question = fixed("/v1/deliveries/retry");
        let name = format!("deliveries/retry, dry run: {name}");
        all.push(Question { name, limit_ms: COUNT_MAX_MS, body: Some(body), ..question });
    }
    all
}

fn events() -> Vec<Question> {
    let (large, middle, small) = (tenant_name(LARGE), tenant_name(MIDDLE), tenant_name(SMALL));
    let (often, rare) = (type_name(0), type_name(TYPES - 1));
    let mut all = vec![fixed("/v1/events"), fixed("/v1/events?include=deliveries&limit=50")];
    for tenant in [&large, &middle, &small, "tenant-99"] {
        all.push(fixed(&format!("/v1/events?tenant={tenant}&include=deliveries")));
    }
    for kind in [&often, &rare, "orders.absent"] {
        all.push(fixed(&format!("/v1/events?type={kind}")));
    }
    all.push(fixed(&format!("/v1/events?type={often}&tenant={middle}")));
    all.push(fixed(&format!("/v1/events?type={rare}&tenant={large}")));
    all.push(fixed(&format!("/v1/events?type={rare}&tenant={small}")));
    all.push(question("events?since=…&until=…&include=deliveries", |dice, known| {
        let until = known.moment(dice);
        let (since, until) = (time(until - HOUR_US), time(until));
        format!("/v1/events?since={since}&until={until}&include=deliveries")
    }));
    all.push(deep("/v1/events"));
    all.push(deep("/v1/events?include=deliveries"));
    all.push(deep(&format!("/v1/events?tenant={large}")));
    all.push(deep(&format!("/v1/events?type={often}")));
    all
}

fn webhooks() -> Vec<Question> {
    let (large, small) = (tenant_name(LARGE), tenant_name(SMALL));
    let mut all = vec![fixed("/v1/webhooks"), fixed("/v1/webhooks?limit=200")];
    for q in ["example.com", "HOST-07", "rare/", "nowhere"] {
        all.push(fixed(&format!("/v1/webhooks?q={q}")));
        all.push(fixed(&format!("/v1/webhooks?q={q}&tenant={large}")));
    }
    for status in ["active", "paused", "disabled"] {
        all.push(fixed(&format!("/v1/webhooks?status={status}")));
        all.push(fixed(&format!("/v1/webhooks?status={status}&tenant={large}")));
    }
    all.push(fixed("/v1/webhooks?status=disabled&q=host-07"));
    all.push(fixed(&format!("/v1/webhooks?tenant={large}")));
    all.push(fixed(&format!("/v1/webhooks?tenant={small}")));
    all.push(fixed("/v1/webhooks?tenant=tenant-99"));
    all
}

fn statistics() -> Vec<Question> {
    let (large, middle) = (tenant_name(LARGE), tenant_name(MIDDLE));
    let mut all = Vec::new();
    for overview in [
        "/v1/overview".to_owned(),
        format!("/v1/overview?tenant={large}"),
        format!("/v1/overview?tenant={middle}"),
    ] {
        all.push(Question { limit_ms: OVERVIEW_MAX_MS, ..fixed(&overview) });
    }
    all.push(Question {
        limit_ms: OVERVIEW_MAX_MS,
        ..question("overview?since=30 days ago", |_, known| {
            format!("/v1/overview?since={}", time(known.until - DAYS * DAY_US))
        })
    });
    for (range, hours) in [("1h", 1), ("24h", 24), ("7d", 7 * 24), ("30d", 30 * 24)] {
        for more in [
            String::new(),
            "&group_by=event_type".to_owned(),
            format!("&tenant={large}"),
            format!("&tenant={large}&group_by=event_type"),
            format!("&event_type={}", type_name(0)),
        ] {
            all.push(question(&format!("stats?{range}{more}"), move |dice, known| {
                // A moment ago, or longer.
                let until = known.until - dice.below(HOUR_US as u64) as i64;
                let since = time(until - hours * HOUR_US);
                format!("/v1/stats?since={since}&until={}{more}", time(until))
            }));
        }
        for more in ["", "&group_by=event_type"] {
            all.push(question(
                &format!("stats?{range}&webhook_id=…{more}"),
                move |dice, known| {
                    let since = time(known.until - hours * HOUR_US);
                    let id = known.of_state(dice, State::Active);
                    format!(
                        "/v1/stats?since={since}&until={}&webhook_id={id}{more}",
                        time(known.until)
                    )
                },
            ));
        }
    }
    all.push(question("stats/webhooks?webhook_ids=50", |dice, known| {
        let first = dice.below((known.webhooks.len() - PAGE) as u64) as usize;
        let ids = known.webhooks[first..first + PAGE].iter();
        let ids: Vec<_> = ids.map(|webhook| webhook.id.to_string()).collect();
        format!("/v1/stats/webhooks?webhook_ids={}", ids.join(","))
    }));
    all
}
