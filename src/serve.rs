//! `postrider serve`: the whole of Postrider in one process. The API answers on actix's threads,
//! the engine delivers on threads of its own, so that neither holds up the other; both stand on
//! one store and one queue.

mod banner;
mod bootstrap;
mod demo;
mod listen;
mod private;
mod stop;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use model::egress::Policy;
use model::secret::MasterKeys;
use prometheus_client::registry::Registry;
use store::memory::Memory;
use store::sqlite::{OpenError, Sqlite};
use store::world::Clock;
use store::{Queue, Store};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use worker::Worker;

use crate::failure::Failure;
use crate::log;
use crate::settings::{self, Flags, Settings};

/// Threads that answer the API, at most: an answer costs little, and delivering needs the cores.
const API_THREADS_MAX: usize = 4;

#[derive(Debug, Args)]
pub struct Serve {
    /// For trying things out on this machine: webhooks may point to it, /dev/* is open (a built-in
    /// subscriber, a clock to step), and the command line finds its key
    #[arg(long)]
    dev: bool,

    /// A file with settings, in the form that `postrider config --defaults` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,
}

/// Runs until it is told to stop.
pub fn run(serve: &Serve) -> Result<(), Failure> {
    let (settings, _) = settings::read(&serve.flags, serve.config.as_deref(), &settings::env)?;
    settings.check()?;
    if serve.dev {
        settings.check_dev()?;
    }
    log::start(&settings.log);
    raise_file_limit();
    let (listener, address) = listen::open(settings.server.listen)?;
    let engine = engine(&settings)?;
    let served = actix_web::rt::System::new().block_on(async {
        let parts = Parts::open(&settings, serve.dev, address).await?;
        parts.serve(&settings, listener, &engine).await
    });
    engine.shutdown_background();
    served
}

/// Every subscriber with an open connection takes a file, and the usual limit is meant for programs
/// that hold few.
fn raise_file_limit() {
    if let Err(e) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(error = %e, "the limit of open files stays as it is");
    }
}

/// What the API and the engine stand on.
struct Parts {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    clock: Clock,
    master_keys: Arc<MasterKeys>,
    egress: Arc<Policy>,
    first: bootstrap::First,
    dev: bool,
    address: SocketAddr,
}

impl Parts {
    /// Opens the data directory; from then on no other process has it.
    async fn open(settings: &Settings, dev: bool, address: SocketAddr) -> Result<Self, Failure> {
        let clock = Clock::system();
        let data_dir = &settings.server.data_dir;
        private::make_dir(data_dir)?;
        let opened = Sqlite::open(data_dir, clock.clone()).await;
        let store: Arc<dyn Store> = Arc::new(opened.map_err(not_opened)?);
        let queue =
            store::memory::Settings { lane_cap: settings.engine.lane_cap, ..Default::default() };
        let queue: Arc<dyn Queue> = Arc::new(Memory::new(clock.clone(), queue));
        let master_keys = bootstrap::master_keys(&*store, settings).await?;
        let first = bootstrap::admin_key(&*store, &clock, settings, dev).await?;
        Ok(Self {
            store,
            queue,
            clock,
            master_keys: Arc::new(master_keys),
            egress: Arc::new(egress(settings, dev, address)),
            first,
            dev,
            address,
        })
    }

    async fn serve(
        self,
        settings: &Settings,
        listener: TcpListener,
        engine: &Runtime,
    ) -> Result<(), Failure> {
        let mut registry = Registry::default();
        let worker = self.worker(settings, &mut registry)?;
        let metrics = api::Metrics::register(&mut registry);
        let (draining, stop) = (CancellationToken::new(), worker::Stop::default());
        let app = Arc::new(self.app(settings, Arc::new(registry), metrics, draining.clone()));
        if self.first.is_first_dev {
            demo::register(&app, self.address).await?;
        }
        let threads = half_of_the_cores().min(API_THREADS_MAX);
        let server =
            api::server(app, listener, threads).map_err(|e| listen::refused(self.address, &e))?;
        banner::print(&self.first, settings, self.dev, self.address);
        tracing::info!(server.address = %self.address, "serving");
        stop::Running {
            door: server.handle(),
            server: actix_web::rt::spawn(server),
            engine: engine.spawn(worker.run(stop.clone())),
            draining,
            stop,
            store: self.store,
            grace: settings.engine.shutdown_grace(),
        }
        .until_stopped()
        .await
    }

    fn worker(&self, settings: &Settings, registry: &mut Registry) -> Result<Worker, Failure> {
        let parts = worker::Parts {
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue),
            master_keys: Arc::clone(&self.master_keys),
            egress: Arc::clone(&self.egress),
            metrics: worker::Metrics::register(registry),
        };
        let settings = worker::Settings {
            slots: settings.engine.slots,
            lane_cap: settings.engine.lane_cap,
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
            },
            dev: self.dev,
            registry,
            metrics,
            draining,
        })
    }
}

fn engine(settings: &Settings) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(settings.engine.threads.unwrap_or_else(half_of_the_cores))
        .thread_name("engine")
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the engine's threads cannot be started: {e}.")))
}

/// What may be dialled. With `--dev` that is also this machine, this process included: the demo
/// inbox is a subscriber like any other.
fn egress(settings: &Settings, dev: bool, address: SocketAddr) -> Policy {
    let mut policy = Policy {
        allow: settings.egress.allow.clone(),
        http: settings.egress.http || dev,
        own: vec![address],
    };
    if dev {
        let loopback = ["127.0.0.0/8", "::1/128"];
        policy.allow.extend(loopback.map(|net| net.parse::<ipnet::IpNet>().expect("a network")));
        policy.own.clear();
    }
    policy
}

/// For the API and for the engine: the store writes on a thread of its own beside them, and threads
/// beyond the cores only take turns.
fn half_of_the_cores() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

fn not_opened(error: OpenError) -> Failure {
    match error {
        OpenError::InUse(_) => {
            Failure::failed(format!("{error}: stop it, or choose another with --data-dir."))
        }
        OpenError::Folder(..) | OpenError::Database(..) => {
            Failure::failed(format!("{error}; --data-dir chooses another folder."))
        }
    }
}
