//! The processes: `serve` is the whole of Postrider in one; `api` and `worker` are its halves, of
//! which any number run side by side over PostgreSQL and Redis. The API answers on actix's threads,
//! the engine delivers on threads of its own, so that neither holds up the other.

mod banner;
mod bootstrap;
mod demo;
pub mod files;
mod late_queue;
mod listen;
mod own;
pub mod private;
mod resources;
mod stand;
mod stop;
mod timed;
mod usage;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use model::egress::Policy;
use model::id::WorkerId;
use model::secret::MasterKeys;
use prometheus_client::registry::Registry;
use store::world::{self, Clock};
use store::{Queue, Store, Tally};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use worker::Worker;

use crate::failure::Failure;
use crate::log;
use crate::settings::{self, Flags, Settings};
use bootstrap::First;
use files::Files;
use stand::{Stand, Watch};

/// Threads that answer the API, at most: an answer costs little, and delivering needs the cores.
const API_THREADS_MAX: usize = 4;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  To try it out, with an inbox to send to
    postrider serve --dev
  On this machine's data, for others to reach
    POSTRIDER_LISTEN=0.0.0.0:8080 postrider serve --data-dir /var/lib/postrider
  With what is set in a file
    postrider serve --config postrider.toml

See also: postrider doctor, which looks at a set-up before and while it runs.")]
pub struct Serve {
    /// For trying things out on this machine: webhooks may point to it, /dev/* is open (a built-in
    /// subscriber, a clock to step), and the command line finds its key
    #[arg(long)]
    dev: bool,

    #[command(flatten)]
    member: Member,
}

/// A process of a fleet.
#[derive(Debug, Args)]
#[command(after_help = "Examples, with POSTRIDER_DATABASE_URL, POSTRIDER_REDIS_URL and
POSTRIDER_MASTER_KEY set:
  postrider migrate
  POSTRIDER_LISTEN=0.0.0.0:8080 postrider api
  postrider worker")]
pub struct Member {
    /// A file with settings, in the form that `postrider config --defaults` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Both.
    Serve,
    /// Accepts and shows.
    Api,
    /// Delivers.
    Worker,
}

/// Both halves in one process, until it is told to stop.
pub fn serve(serve: &Serve) -> Result<(), Failure> {
    run(Role::Serve, &serve.member, serve.dev)
}

/// One half of a fleet, until it is told to stop.
pub fn member(role: Role, member: &Member) -> Result<(), Failure> {
    run(role, member, false)
}

fn run(role: Role, member: &Member, dev: bool) -> Result<(), Failure> {
    let (settings, effective) =
        settings::read(&member.flags, member.config.as_deref(), &settings::env)?;
    settings.check()?;
    if role != Role::Serve {
        settings.check_member()?;
    }
    if dev {
        settings.check_dev()?;
    }
    let log = log::start(&settings.log);
    let listens = role != Role::Worker || settings::is_set(&effective, "listen");
    let services = &settings.services;
    let database = services.database_url.as_ref().map_or(0, |_| services.database_connections);
    let files = Files::share(files::raise_limit(), role, listens, database);
    let door = listens.then(|| listen::open(settings.server.listen)).transpose()?;
    let engine = if role == Role::Api { None } else { Some(engine(&settings, role)?) };
    let served = actix_web::rt::System::new().block_on(async {
        let address = door.as_ref().map(|door| door.1);
        let shown = settings::shown(&effective);
        let parts = Parts::open(&settings, role, dev, address, log, shown).await?;
        parts.run(&settings, door, files, engine.as_ref()).await
    });
    if let Some(engine) = engine {
        engine.shutdown_background();
    }
    served
}

/// What the API and the engine stand on.
struct Parts {
    role: Role,
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    pace: Duration,
    watch: Watch,
    clock: Clock,
    master_keys: Arc<MasterKeys>,
    egress: Arc<Policy>,
    first: First,
    dev: bool,
    log: log::Started,
    tally: Arc<Tally>,
    /// The settings, to be shown.
    shown: Vec<api::Setting>,
}

type Door = (TcpListener, SocketAddr);

impl Parts {
    async fn open(
        settings: &Settings,
        role: Role,
        dev: bool,
        address: Option<SocketAddr>,
        log: log::Started,
        shown: Vec<api::Setting>,
    ) -> Result<Self, Failure> {
        let clock = Clock::system();
        let Stand { store, queue, pace, watch } = Stand::open(settings, role, &clock).await?;
        let master_keys = bootstrap::master_keys(&*store, settings).await?;
        let egress = egress(settings, dev, address, own::services(&settings.services).await);
        let first = match role {
            Role::Worker => First::default(),
            Role::Serve | Role::Api => bootstrap::admin_key(&*store, &clock, settings, dev).await?,
        };
        Ok(Self {
            role,
            store,
            queue,
            pace,
            watch,
            clock,
            master_keys: Arc::new(master_keys),
            egress: Arc::new(egress),
            first,
            dev,
            log,
            tally: Arc::default(),
            shown,
        })
    }

    async fn run(
        self,
        settings: &Settings,
        door: Option<Door>,
        files: Files,
        engine: Option<&Runtime>,
    ) -> Result<(), Failure> {
        let mut registry = Registry::default();
        let worker = engine.map(|_| self.worker(settings, files, &mut registry)).transpose()?;
        let metrics = api::Metrics::register(&mut registry);
        self.watch.register(&mut registry);
        registry.register_collector(Box::new(self.log.drops.clone()));
        let (draining, stop) = (CancellationToken::new(), worker::Stop::default());
        let app = Arc::new(self.app(settings, Arc::new(registry), metrics, draining.clone()));
        let server = match door {
            Some((listener, address)) => {
                if self.first.is_first_dev {
                    demo::register(&app, address).await?;
                }
                let threads = half_of_the_cores().min(API_THREADS_MAX);
                let server = api::server(Arc::clone(&app), listener, threads, files.door)
                    .map_err(|e| listen::refused(address, &e))?;
                if self.role != Role::Worker {
                    let path = self.first.link_for.map(|key| api::dashboard_path(&app, key));
                    let link = path.map(|path| banner::dashboard(address, &path));
                    banner::print(&self.first, link, settings, self.dev, address);
                }
                tracing::info!(server.address = %address, "serving");
                Some(server)
            }
            None => None,
        };
        let engine = engine.zip(worker).map(|(engine, worker)| {
            tracing::info!("delivering");
            engine.spawn(worker.run(stop.clone()))
        });
        let counted = CancellationToken::new();
        let (tally, store, over) = (self.tally, Arc::clone(&self.store), counted.clone());
        let counting = actix_web::rt::spawn(async move { tally.run(&*store, over).await });
        stop::Running {
            server: server.map(|server| (server.handle(), actix_web::rt::spawn(server))),
            engine,
            app,
            draining,
            stop,
            store: self.store,
            counted,
            counting,
            grace: settings.engine.shutdown_grace(),
        }
        .until_stopped()
        .await
    }

    fn worker(
        &self,
        settings: &Settings,
        files: Files,
        registry: &mut Registry,
    ) -> Result<Worker, Failure> {
        let started_at = self.clock.now();
        let parts = worker::Parts {
            id: WorkerId(world::new_uid(started_at)),
            started_at,
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue),
            master_keys: Arc::clone(&self.master_keys),
            egress: Arc::clone(&self.egress),
            metrics: worker::Metrics::register(registry),
            tally: Arc::clone(&self.tally),
        };
        let settings = worker::Settings {
            slots: files.slots(settings.engine.slots),
            connections: files.subscribers,
            lane_cap: settings.engine.lane_cap,
            retention: settings.limits.retention(),
            dns_servers: settings.egress.dns_servers.clone(),
            pace: self.pace,
            ..Default::default()
        };
        Worker::new(parts, settings).map_err(|e| {
            Failure::failed(format!("{e}; the package ca-certificates may be missing."))
        })
    }

    fn app(
        &self,
        settings: &Settings,
        registry: Arc<Registry>,
        metrics: api::Metrics,
        draining: CancellationToken,
    ) -> api::App {
        api::App::new(api::Parts {
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue),
            clock: self.clock.clone(),
            master_keys: Arc::clone(&self.master_keys),
            egress: Arc::clone(&self.egress),
            limits: api::Limits {
                body_bytes: settings.limits.event_bytes,
                batch_bytes: settings.limits.batch_bytes,
                batch_events: settings.limits.batch_events,
                streams: settings.limits.streams,
                retention: settings.limits.retention(),
            },
            door: match self.role {
                Role::Worker => api::Door::Operations,
                Role::Serve | Role::Api => api::Door::Everything,
            },
            distributed: settings.services.database_url.is_some(),
            dev: self.dev,
            settings: self.shown.clone(),
            registry,
            metrics,
            log: Arc::clone(&self.log.levels) as Arc<dyn api::LogLevel>,
            tally: Arc::clone(&self.tally),
            draining,
        })
    }
}

fn engine(settings: &Settings, role: Role) -> Result<Runtime, Failure> {
    let threads = settings.engine.threads.unwrap_or_else(|| match role {
        // It delivers and does nothing else.
        Role::Worker => cores(),
        Role::Serve | Role::Api => half_of_the_cores(),
    });
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("engine")
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the engine's threads cannot be started: {e}.")))
}

/// What may be dialled. With `--dev` that is also this machine, this process included: the demo
/// inbox is a subscriber like any other.
pub fn egress(
    settings: &Settings,
    dev: bool,
    address: Option<SocketAddr>,
    services: Vec<SocketAddr>,
) -> Policy {
    let mut policy = Policy {
        allow: settings.egress.allow.clone(),
        http: settings.egress.http || dev,
        own: services,
    };
    if dev {
        let loopback = ["127.0.0.0/8", "::1/128"];
        policy.allow.extend(loopback.map(|net| net.parse::<ipnet::IpNet>().expect("a network")));
    } else {
        policy.own.extend(address);
    }
    policy
}

/// For the API and for the engine: the store writes on a thread of its own beside them, and threads
/// beyond the cores only take turns.
fn half_of_the_cores() -> usize {
    (cores() / 2).max(1)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
