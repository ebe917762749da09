//! How the benchmark speaks to its roles. Each role (publisher, receiver, relay, naked) is this same
//! binary in a process of its own, so that its CPU time is exact; commands go in on its standard input
//! and answers come out on its standard output, one JSON document a line. A role whose input ends, ends.

use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Result;
use crate::process::Process;

/// A role, seen from the benchmark.
pub struct Role {
    pub process: Process,
    name: &'static str,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Role {
    pub fn start(name: &'static str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            process: Process::new(child)?,
            name,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// Sends one command and waits for its answer, not longer than `limit`.
    pub async fn ask<A: DeserializeOwned>(
        &mut self,
        command: &impl Serialize,
        limit: Duration,
    ) -> Result<A> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        let name = self.name;
        let answer = timeout(limit, self.output.next_line())
            .await
            .map_err(|_| format!("the {name} did not answer within {limit:?}"))??
            .ok_or_else(|| format!("the {name} ended before its answer"))?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// In a role: its commands, in order.
pub fn commands<C: DeserializeOwned + Send + 'static>() -> mpsc::Receiver<C> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(io::Result::ok) {
            let command = serde_json::from_str(&line).unwrap_or_else(|error| {
                eprintln!("not a command: {error}: {line}");
                std::process::exit(2);
            });
            if send.blocking_send(command).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    receive
}

/// In a role: the answer to the last command.
pub fn answer(document: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    Ok(output.flush()?)
}
