//! The composition root: the only file that knows every part.

mod data_dir;
mod ports;

pub(crate) use data_dir::make_data_dir;
pub use ports::about_first_link;

use crate::admission::{Admission, ConnectionLimits};
use crate::audit::Trail;
use crate::clock::Clock;
use crate::config_watch::{Config, ConfigWatch};
use crate::dispatch::{DispatchParts, Dispatcher, Journal};
use crate::executor::choose::{Choice, choose, connect};
use crate::executor::{Executor, LocalExecutor, SaltExecutor};
use crate::fanout::{self, Board, Fanout};
use crate::http;
use crate::joblog::{JobLog, JobLogWriter, LogFiles};
use crate::lifecycle::Lifecycle;
use crate::listen::{self, listen};
use crate::machines::{Hub, Limits, RunKey};
use crate::ops::{self, Ops};
use crate::outputs::Outputs;
use crate::pauses::Pauses;
use crate::people::oidc::Oidc;
use crate::people::{Auth, People};
use crate::retention::Retention;
use crate::runs::{History, Runs};
use crate::scheduler::Scheduler;
use crate::serve::{Port, serve};
use crate::settings::{Flags, InForce, host_zone};
use crate::sinks::{SinkTasks, Sinks};
use crate::store::Store;
use crate::store::faults::Faults;
use crate::store::health::Health;
use crate::store::output::OutputLog;
use crate::telemetry;
use crate::tls::Transport;
use crate::ws::live::{Live, Patience};
use crate::ws::machines;
use anyhow::{Context as _, Result, bail};
use data_dir::{claim, open};
use ports::{api_address, first_link, gates};
use saltpeter_domain::{Secret, Settings};
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long each part of the storage may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// What to boot.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the job files.
    pub config_dir: PathBuf,
    /// The command line's flags.
    pub flags: Flags,
    /// Whether people have to log in.
    pub auth: Auth,
    /// What is to go wrong with the disk; nothing but in tests.
    pub faults: Faults,
    /// How many files a command on this host may have open at first; `None`: as many as this process.
    pub open_files: Option<u64>,
    /// How long browsers may take.
    pub patience: Patience,
}

/// A server that is up.
pub struct Running {
    lifecycle: Lifecycle,
    api_addr: Option<SocketAddr>,
    first_link: Option<Secret>,
    machines_addr: SocketAddr,
    dispatcher: Dispatcher,
    runs: Runs,
    output: OutputLog,
    store: Store,
    job_log: JobLogTask,
    sinks: SinkTasks,
    /// Held for as long as the server uses its directory.
    _lock: File,
}

impl Running {
    /// Where the dashboard and the API listen; `None` when they are not served.
    pub fn api_addr(&self) -> Option<SocketAddr> {
        self.api_addr
    }

    /// The address that makes the first admin, when nobody has an account. It is good once, and for half an hour.
    pub fn first_link(&self) -> Option<&str> {
        self.first_link.as_ref().map(Secret::expose)
    }

    /// Where wrappers connect.
    pub fn machines_addr(&self) -> SocketAddr {
        self.machines_addr
    }

    /// Its life, to stop it.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Waits for the end of the server. An error says why it came down by itself.
    pub async fn wait(self) -> Result<()> {
        let Self {
            lifecycle,
            dispatcher,
            runs,
            output,
            store,
            job_log,
            sinks,
            ..
        } = self;
        let outcome = lifecycle.run_to_end(dispatcher.quiet()).await;
        // What was taken in is durable before the files are closed.
        let closed = async {
            runs.close().await;
            job_log.close().await;
            sinks.close().await;
            output.close().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, closed).await.is_err() {
            tracing::warn!("the storage is not closed after {CLOSE_WITHIN:?}; leaving anyway");
        }
        drop((runs, dispatcher));
        // Every answer that was given was durable already: this only saves the next start some work.
        let _ = tokio::time::timeout(Duration::from_millis(500), store.close()).await;
        outcome?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Starts every part. `clock` tells the time of day, to schedules and in the history.
pub async fn boot(options: Options, clock: Arc<dyn Clock>) -> Result<Running> {
    let lifecycle = Lifecycle::new();

    let directory = options.config_dir;
    let watch = ConfigWatch::load(directory.clone(), host_zone(), Arc::clone(&clock))
        .with_context(|| {
            format!(
                "cannot read the configuration directory {}; name another with --configdir",
                directory.display()
            )
        })?;
    let config = watch.config();
    let in_force = InForce::new(options.flags, &config.current().settings);
    let settings = in_force.started_with().clone();
    telemetry::set_debug(settings.debug);

    let data_dir = PathBuf::from(settings.data_dir.clone().unwrap_or_default());
    let lock = claim(&data_dir)?;
    let key = RunKey::load_or_create(&data_dir.join("run.key"))?;
    let health = Health::default();
    let (api_gate, machines_tls) = gates(&settings, &data_dir)?;
    let (store, output) = open(&data_dir, &health, options.faults).await?;
    let pauses = Pauses::load(store.clone()).await?;
    let trail = Trail::new(store.clone(), Arc::clone(&clock));
    let people = People::new(
        options.auth,
        Arc::new(store.clone()),
        Arc::new(trail.clone()),
        Arc::clone(&clock),
    );

    let machines_listener = listen(
        SocketAddr::new(settings.machines_ws_bind_addr, settings.machines_ws_port),
        "wrappers",
        &listen::Flags {
            port: "--websocket-port",
            address: "--websocket-host",
        },
    )?;
    let machines_addr = machines_listener.local_addr()?;
    let (executor, described) = executor(
        &config,
        &settings,
        machines_addr.ip(),
        &clock,
        options.open_files,
    )?;
    let (job_log, job_log_writer) = JobLog::new(LogFiles::of(&settings), output.clone());
    let (sinks, sink_tasks) = Sinks::start(&settings, &data_dir, output.clone(), &clock)?;
    let sink_board = sinks.board();
    let journal: Journal = Arc::new(move |entry| {
        sinks.write(&entry);
        job_log.write(entry);
    });
    let dispatcher = Dispatcher::new(DispatchParts {
        config: config.clone(),
        executor: Arc::clone(&executor),
        key: key.clone(),
        machines_port: machines_addr.port(),
        tls: machines_tls.clone(),
        clock: Arc::clone(&clock),
        journal: Arc::clone(&journal),
        output: output.clone(),
        stop: lifecycle.soft().clone(),
    });
    let runs = Runs::new(
        Arc::new(store.clone()),
        Arc::new(dispatcher.clone()),
        Arc::clone(&clock),
    );

    // Heard from here on, so that nothing is missed between the reading and the hearing.
    let changes = runs.subscribe();
    let last_instants = store.last_instants().await?.into_iter().collect();
    runs.recover().await?;
    let histories = fanout::histories(&store, &runs, &config).await?;
    let board = Board::new(&config.current(), histories, pauses.current(), clock.now());
    let fanout = Fanout {
        board: board.clone(),
        config: config.clone(),
        runs: runs.clone(),
        changes,
        paused: pauses.subscribe(),
        health: health.subscribe(),
        output: output.clone(),
        store: store.clone(),
        clock: Arc::clone(&clock),
    };
    let retention = Retention {
        config: config.clone(),
        runs: runs.clone(),
        store: store.clone(),
        output: output.clone(),
        board: board.clone(),
        clock: Arc::clone(&clock),
    };
    let scheduler = Scheduler {
        config: config.clone(),
        runs: runs.clone(),
        paused: pauses.subscribe(),
        health: health.clone(),
        clock: Arc::clone(&clock),
        journal,
    };
    let hub = Hub::new(
        runs.clone(),
        output.clone(),
        key,
        Arc::clone(&clock),
        Limits::default(),
        lifecycle.hard().clone(),
    );
    let api_listener = if settings.api_ws {
        let addr = api_address(&people, &settings).await?;
        let flags = listen::Flags {
            port: "--port",
            address: "--bindaddr",
        };
        Some(listen(addr, "the dashboard and the API", &flags)?)
    } else {
        None
    };
    let api_addr = api_listener
        .as_ref()
        .map(TcpListener::local_addr)
        .transpose()?;
    let watched = config.clone();
    let first_link = match api_addr {
        Some(addr) => {
            let over = match &settings.tls_cert {
                Some(_) => Transport::Tls,
                None => Transport::Plain,
            };
            first_link(&people, addr, over).await?
        }
        None => None,
    };
    let ops = Ops::new(ops::Parts {
        config,
        trail: trail.clone(),
        settings: in_force,
        runs: runs.clone(),
        health,
        history: History::new(Arc::new(store.clone())),
        wrappers: hub.wrappers().clone(),
        outputs: Outputs::new(output.clone()),
        board,
        sinks: sink_board,
        pauses,
        oidc: settings
            .oidc
            .map(|provider| Oidc::new(people.clone(), provider)),
        people,
        executor,
        executor_is: described,
        clock,
        life: lifecycle.clone(),
        editing: tokio::sync::Mutex::new(()),
    });

    // From here on things move. Wrappers are heard first.
    let job_log = JobLogTask::start(job_log_writer);
    let hard = lifecycle.hard();
    lifecycle.spawn(
        "the machines' port",
        serve(
            Port {
                listener: machines_listener,
                admission: Admission::new(ConnectionLimits::machines()),
                gate: machines_tls.gate().clone(),
                routes: machines::router(hub),
                refusal: machines::refusal(),
            },
            hard.clone(),
        ),
    );
    lifecycle.spawn("the configuration's watch", watch.run(hard.clone()));
    lifecycle.spawn("the dashboard's state", fanout.run(hard.clone()));
    lifecycle.spawn("a run's actor", runs.clone().watch(hard.clone()));
    lifecycle.spawn(
        "the writing of what happens",
        writing(store.clone(), output.clone(), hard.clone()),
    );
    lifecycle.spawn("the audit trail", trail.run(watched, hard.clone()));
    lifecycle.spawn(
        "the deletion of old runs",
        retention.run(lifecycle.soft().clone()),
    );
    lifecycle.spawn(
        "the scheduler",
        scheduler.run(last_instants, lifecycle.soft().clone()),
    );
    if let Some(listener) = api_listener {
        let live = Live::new(ops.clone(), lifecycle.clone(), options.patience);
        let scheme = if api_gate.is_tls() { "https" } else { "http" };
        tracing::info!("the dashboard is on {scheme}://{}", listener.local_addr()?);
        let port = Port {
            listener,
            admission: Admission::new(ConnectionLimits::api()),
            gate: api_gate,
            routes: http::router(&ops, live, lifecycle.clone()),
            refusal: http::refusal(),
        };
        lifecycle.spawn("the API", serve(port, hard.clone()));
    }
    tracing::info!("wrappers connect to {machines_addr}");
    Ok(Running {
        lifecycle,
        api_addr,
        first_link,
        machines_addr,
        dispatcher,
        runs,
        output,
        store,
        job_log,
        sinks: sink_tasks,
        _lock: lock,
    })
}

/// Who starts wrappers, as the settings and this host have it, and a sentence on which and why.
pub(crate) fn executor(
    config: &Config,
    settings: &Settings,
    listens_on: IpAddr,
    clock: &Arc<dyn Clock>,
    open_files: Option<u64>,
) -> Result<(Arc<dyn Executor>, String)> {
    let Choice { way, reason } = choose(settings);
    let executor: Arc<dyn Executor> = match connect(way, settings, Arc::clone(clock))? {
        Some(salt) => Arc::new(SaltExecutor::new(config.clone(), salt)),
        None => Arc::new(LocalExecutor::new(config.clone(), listens_on, open_files)),
    };
    let described = format!("{}, because {reason}", executor.describe());
    tracing::info!("the executor is {described}");
    Ok((executor, described))
}

/// Until `stop`, or until a database has nobody left who writes to it.
async fn writing(store: Store, output: OutputLog, stop: CancellationToken) -> Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = store.writer_ended() => bail!("nobody writes to saltpeter.db any more"),
        () = output.writer_ended() => bail!("nobody writes to output.db any more"),
    }
}

/// The writing of the jobs' logs. It outlives the other tasks: the last entries come when they end.
struct JobLogTask {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl JobLogTask {
    fn start(writer: JobLogWriter) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(writer.run(stop.clone()));
        Self { stop, task }
    }

    async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!("the writing of the jobs' logs ended early: {error}");
        }
    }
}
