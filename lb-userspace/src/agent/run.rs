//! The agent from its start to its end.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use super::desired::Store;
use super::engine::{Ending, Engine, connection};
use super::socket::Socket;
use super::view::Health;
use super::watch::Watch;
use super::{AgentError, SocketOptions, api, background, company, privileges, takeover};
use crate::control::{Care, ControlError, ServeOptions};
use crate::node::enter_root_mounts;
use crate::registry::Registry;

/// How long answers may take that are under way when the agent ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long logs may take to write what is left when the agent ends.
const LAST_LINES: Duration = Duration::from_secs(3);

/// What `qlb agent` is to do.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The directory of the desired state.
    pub state_dir: PathBuf,
    /// The socket of the API.
    pub socket: SocketOptions,
    /// Where metrics are served by TCP; nowhere by default.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether an agent that runs is replaced.
    pub upgrade: bool,
    /// Whether the pools end with the agent.
    pub detach_on_exit: bool,
    /// Whether every privilege stays.
    pub keep_privileges: bool,
    /// Whether the agent was started because there was none: it leaves whoever started it, and ends when it has no pool.
    pub exit_when_idle: bool,
    /// How pools are served.
    pub serve: ServeOptions,
}

/// Serves the pools of the desired state until SIGTERM, SIGINT, or until another agent takes over. The pools are served
/// on after that, unless the options say otherwise.
///
/// # Errors
/// When the agent cannot start, or not end what it is to end.
pub fn run(registry: &Registry, options: &AgentOptions) -> Result<(), AgentError> {
    if options.exit_when_idle {
        background::leave_caller()?;
    }
    enter_root_mounts()?;
    privileges::raise_limits();
    let claim = takeover::claim(registry, &options.socket, options.upgrade)?;
    let made = background::missing(&options.state_dir);
    let ended = serve(registry, options);
    if matches!(ended, Ok(Ending::Idle)) {
        background::remove_empty(&made);
    }
    registry.leave_agent(claim)?;
    ended.map(drop)
}

fn serve(registry: &Registry, options: &AgentOptions) -> Result<Ending, AgentError> {
    let store = Store::open(&options.state_dir)?;
    let socket = Socket::bind(&options.socket)?;
    let scraped = options.metrics_listen.map(scraped_at).transpose()?;
    if options.exit_when_idle {
        background::fall_silent()?;
    }
    if !options.keep_privileges {
        privileges::drop_others()?;
    }
    let started = |source| AgentError::from(ControlError::Start(source));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(started)?;
    let ended = runtime.block_on(live(registry, options, store, socket, scraped));
    runtime.shutdown_timeout(LAST_WORDS);
    ended
}

async fn live(
    registry: &Registry,
    options: &AgentOptions,
    store: Store,
    socket: Socket,
    scraped: Option<StdListener>,
) -> Result<Ending, AgentError> {
    let started = |source| AgentError::from(ControlError::Start(source));
    let on = |kind| signal(kind).map_err(started);
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let (handle, jobs) = connection();
    let watch = Watch::start(handle.clone(), store.dir())?;
    let (care, mut results) = Care::start()?;
    let (wanting, wanted) = company::connection();
    let attending = tokio::spawn(company::attend(registry.clone(), wanted));
    let engine = Engine::new(registry.clone(), store, options.serve.clone(), watch, care, wanting);
    let engine = if options.exit_when_idle { engine.ending_when_idle() } else { engine };
    let heeding = handle.clone();
    tokio::spawn(async move {
        loop {
            let news = results.next().await;
            if heeding.run(move |engine| engine.heed(&news)).await.is_err() {
                break;
            }
        }
    });
    let (done, mut engine_done) = oneshot::channel();
    let thread = thread::Builder::new().name("engine".to_owned());
    let work = move || {
        // Nobody waits for it only if the process ends anyway.
        let _ = done.send(engine.work(&jobs));
    };
    thread.spawn(work).map_err(started)?;

    let listener = socket.listener.try_clone().and_then(UnixListener::from_std).map_err(started)?;
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let context = api::Context { engine: handle.clone(), registry: registry.clone() };
    if let Some(listener) = scraped {
        let listener = TcpListener::from_std(listener).map_err(started)?;
        let router = api::metrics_router(context.clone());
        // It ends with the runtime: whoever scrapes comes again.
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    let router = api::router(context);
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopped.notified().await });
    let server = tokio::spawn(async move { server.await });

    while !handle.run(Engine::look_around).await? {}
    let health = handle.run(|engine| engine.health()).await?;
    say_ready(&health, options);
    let ending = if options.detach_on_exit { Ending::Detach } else { Ending::Leave };
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            ended = &mut engine_done => break Some(ended),
            _ = hangup.recv() => handle.run(Engine::read_again).await?,
        }
    };
    // What systemd does not hear it does not need.
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    let ended = match ended {
        Some(ended) => ended,
        None => {
            handle.run(move |engine| engine.end(ending)).await?;
            engine_done.await
        }
    };
    // The engine has ended, so nobody says any more which pools want company.
    let _ = tokio::time::timeout(LAST_LINES, attending).await;
    drop(socket);
    stop.notify_one();
    // A reader of events would go on for ever.
    let _ = tokio::time::timeout(LAST_WORDS, server).await;
    let ended = ended.map_err(|_| AgentError::Ending)??;
    match ended {
        Ending::Leave => {
            tracing::info!("the pools are served on; nothing expires until the next `qlb agent`")
        }
        Ending::Detach => tracing::info!("every pool has ended"),
        Ending::Idle => tracing::info!("there is nothing to serve"),
    }
    Ok(ended)
}

/// Listens for whoever reads metrics.
fn scraped_at(address: SocketAddr) -> Result<StdListener, AgentError> {
    let listen = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
        Ok(listener)
    };
    listen().map_err(|source| AgentError::MetricsListen { address, source })
}

/// Says that the pools are served that can be. Those that are pending come by themselves.
fn say_ready(health: &Health, options: &AgentOptions) {
    let Health { served, pending, failed, problems, .. } = health;
    let words = format!(
        "pools={} served={served} pending={pending} failed={failed}",
        served + pending + failed
    );
    let socket = options.socket.path.display();
    // A reader that is gone does not want to know.
    let _ =
        writeln!(std::io::stdout(), "ready {words} problems={} socket={socket}", problems.len());
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(words.as_str())]);
}
