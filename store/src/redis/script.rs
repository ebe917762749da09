//! One script for each verb, called by its hash and sent whole when the server does not know it.

use ::redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

use super::connect::Links;

/// Not allowed while Redis is at its memory limit: what adds.
const ADDS: &str = "#!lua\n";
/// Allowed always: what claims, settles and frees, so that delivering drains a full Redis; and what
/// says what lanes may do, so that a pause holds then too. That is little, and bounded by the webhooks.
const FREES: &str = "#!lua flags=allow-oom\n";

const PRELUDE: &str = include_str!("prelude.lua");
const LANE: &str = include_str!("lane.lua");
const TICK: &str = include_str!("tick.lua");

pub(super) struct Script {
    text: String,
    hash: String,
}

pub(super) struct Scripts {
    pub(super) push: Script,
    pub(super) claim: Script,
    pub(super) settle: Script,
    pub(super) set: Script,
    pub(super) look: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            push: Script::new(&[ADDS, PRELUDE, LANE, include_str!("push.lua")]),
            claim: Script::new(&[FREES, PRELUDE, LANE, TICK, include_str!("claim.lua")]),
            settle: Script::new(&[FREES, PRELUDE, LANE, include_str!("settle.lua")]),
            set: Script::new(&[FREES, PRELUDE, LANE, include_str!("set.lua")]),
            look: Script::new(&[FREES, PRELUDE, LANE, TICK, include_str!("look.lua")]),
        }
    }
}

/// Whether a script itself failed: then it does so again with the same arguments.
pub(super) fn has_failed(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("user_script"))
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let text = parts.concat();
        let hash = ::redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// Runs it in the partition whose keys begin with `key`.
    pub(super) async fn run(
        &self,
        links: &Links,
        key: &str,
        arguments: &[Vec<u8>],
    ) -> RedisResult<Value> {
        match links.query(&command("EVALSHA", &self.hash, key, arguments)).await {
            Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // A new or flushed server, or another one since a failover; it keeps it from now.
                links.query(&command("EVAL", &self.text, key, arguments)).await
            }
            answer => answer,
        }
    }
}

fn command(name: &str, script: &str, key: &str, arguments: &[Vec<u8>]) -> Cmd {
    let mut command = ::redis::cmd(name);
    command.arg(script).arg(1).arg(key);
    for argument in arguments {
        command.arg(argument.as_slice());
    }
    command
}
