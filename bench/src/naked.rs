//! The naked loop: the yardstick for sending alone. It signs and POSTs from as many places as Postrider
//! has on the wire, and takes no events from anyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::Result;
use crate::control::{answer, commands};
use crate::event::{self, EVENTS_MAX, Template, now_micros};
use crate::sender::{IN_FLIGHT, Sender};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Post {
    /// One URL for each webhook.
    pub webhooks: Vec<String>,
    pub run: u32,
    pub time: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Posted {
    /// Events sent to each webhook.
    pub events: Vec<u64>,
    /// Microseconds since the epoch.
    pub first_at: u64,
}

pub async fn run() -> Result<()> {
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        answer(&post(command).await?)?;
    }
    Ok(())
}

async fn post(command: Post) -> Result<Posted> {
    let mut places = JoinSet::new();
    let mut counters = Vec::new();
    let first_at = now_micros();
    let until = Instant::now() + command.time;
    let sender = Sender::new()?;
    for webhook in &command.webhooks {
        let to: Url = webhook.parse()?;
        let next = Arc::new(AtomicU64::new(0));
        counters.push(next.clone());
        for _ in 0..IN_FLIGHT {
            let place = Place {
                sender: sender.clone(),
                to: to.clone(),
                next: next.clone(),
                run: command.run,
            };
            places.spawn(place.send(until));
        }
    }
    while let Some(ended) = places.join_next().await {
        ended??;
    }
    let events = counters.iter().map(|next| next.load(Ordering::Relaxed)).collect();
    Ok(Posted { events, first_at })
}

/// One place on the wire.
struct Place {
    sender: Sender,
    to: Url,
    next: Arc<AtomicU64>,
    run: u32,
}

impl Place {
    /// Every number that it takes is sent.
    async fn send(self, until: Instant) -> Result<()> {
        let mut data = Template::new("", self.run, event::DATA_BYTES, "");
        while Instant::now() < until {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= EVENTS_MAX {
                return Err("more events than one run may have".into());
            }
            let data = std::str::from_utf8(data.fill(n, now_micros()))?;
            let id = event::id(self.run, n);
            self.sender.send(&self.to, event::TYPE, &id, data).await?;
        }
        Ok(())
    }
}
