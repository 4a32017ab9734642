//! Starts and stops the gateway: sockets, threads, connections.

use crate::{
    admin,
    config::Config,
    forward::Worker,
    framing::{MAX_HEAD, MAX_HEADERS, Strict},
    recorder::Recorder,
    service::Connection,
    shared::Shared,
    tls,
    upstream::{self, Upstreams},
    wait::{First, Stop, first},
};
use egress_guard_core::{guard::Guard, session::approval::Approvals};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A key of the configuration.
    #[error("{0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address as configured.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// A thread or its event loop cannot be made.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Gateway {
    /// Listens and serves, on threads of its own.
    ///
    /// # Errors
    /// [`GatewayError`], one line each.
    pub fn start(
        config: Config,
        guard: Arc<Guard>,
        recorder: Arc<dyn Recorder>,
        approvals: Option<Arc<Approvals>>,
    ) -> Result<Self, GatewayError> {
        let (stop, stopped) = watch::channel(false);
        let acceptor = tls::acceptor(&config).map_err(GatewayError::Config)?;
        let count = config.threads();
        let sockets = listen(&config.listen_host, config.listen_port, count)?;
        let admin_socket = match config.admin_port {
            Some(port) => listen("127.0.0.1", port, 1)?.into_iter().next(),
            None => None,
        };
        let address = sockets
            .first()
            .and_then(|socket| socket.local_addr().ok())
            .ok_or_else(|| GatewayError::Config("no worker".into()))?;
        let admin = admin_socket.as_ref().and_then(|s| s.local_addr().ok());
        let shared = Shared::new(config, guard, recorder, approvals, Stop(stopped))
            .map_err(GatewayError::Config)?;
        let tls = upstream::trust(&shared).map_err(GatewayError::Config)?;
        let mut threads = Vec::new();
        for socket in sockets {
            let (shared, tls, acceptor) = (Arc::clone(&shared), tls.clone(), acceptor.clone());
            threads.push(spawn("gateway", move || {
                worker(socket, shared, tls, acceptor)
            })?);
        }
        if let Some(socket) = admin_socket {
            let shared = Arc::clone(&shared);
            threads.push(spawn("admin", move || admin::run(socket, shared))?);
        }
        Ok(Self {
            shared,
            stop,
            address,
            admin,
            threads: Mutex::new(threads),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin listener listens.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Judges what comes next by other rules.
    pub fn reload(&self, guard: Arc<Guard>) {
        self.shared.reload(guard);
    }

    /// Takes no more connections, lets running requests end, and gives up after `drain_seconds`.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// Whether all threads have ended within the time.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let start = std::time::Instant::now();
        loop {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            threads.retain(|thread| !thread.is_finished());
            if threads.is_empty() {
                return true;
            }
            drop(threads);
            if start.elapsed() >= time {
                return false;
            }
            thread::sleep(Duration::from_millis(100).min(time));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(
    name: &str,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<JoinHandle<()>, GatewayError> {
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        let _ = run();
    })?;
    Ok(thread)
}

/// One socket a worker on the same address. The system spreads connections over them.
fn listen(host: &str, port: u16, count: usize) -> Result<Vec<TcpListener>, GatewayError> {
    let failed = |source| GatewayError::Listen {
        address: format!("{host}:{port}"),
        source,
    };
    let mut address = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(failed)?
        .next()
        .ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    let mut sockets = Vec::new();
    for index in 0..count.max(1) {
        let make = || -> io::Result<TcpListener> {
            let socket = Socket::new(
                Domain::for_address(address),
                Type::STREAM,
                Some(Protocol::TCP),
            )?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            // The first one must find the port free: a second gateway may not share it unseen.
            if index > 0 {
                socket.set_reuse_port(true)?;
            }
            socket.bind(&address.into())?;
            socket.set_reuse_port(true)?;
            socket.listen(1024)?;
            Ok(socket.into())
        };
        let socket = make().map_err(failed)?;
        address = socket.local_addr().map_err(failed)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

pub(crate) fn event_loop() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
}

fn worker(
    socket: TcpListener,
    shared: Arc<Shared>,
    tls: ClientConfig,
    acceptor: Option<TlsAcceptor>,
) -> io::Result<()> {
    let runtime = event_loop()?;
    runtime.block_on(async move {
        let upstreams = Upstreams::new(&shared, tls);
        let worker = Arc::new(Worker { shared, upstreams });
        accept(socket, worker, acceptor).await
    })?;
    runtime.shutdown_background();
    Ok(())
}

async fn accept(
    socket: TcpListener,
    worker: Arc<Worker>,
    acceptor: Option<TlsAcceptor>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let open = Arc::new(AtomicUsize::new(0));
    let mut stopped = pin!(worker.shared.stop.clone().wait());
    loop {
        let accepted = pin!(listener.accept());
        match first(stopped.as_mut(), accepted).await {
            First::A(()) => break,
            First::B(Ok((stream, _))) => {
                let open = Count::new(&open);
                let worker = Arc::clone(&worker);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    connection(stream, worker, acceptor).await;
                    drop(open);
                });
            }
            // Out of file descriptors, or a peer that is gone: others may be served all the same.
            First::B(Err(_)) => sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let drain = Duration::from_secs_f64(worker.shared.config.drain_seconds);
    let start = Instant::now();
    while open.load(Ordering::Relaxed) > 0 && start.elapsed() < drain {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Counts itself for as long as it lives.
struct Count(Arc<AtomicUsize>);

impl Count {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(stream: TcpStream, worker: Arc<Worker>, acceptor: Option<TlsAcceptor>) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve(stream, local.ip(), worker).await;
    };
    let time = Duration::from_secs(worker.shared.config.head_seconds);
    // Who has no certificate of ours learns so from the handshake, and no more.
    if let Ok(Ok(stream)) = timeout(time, acceptor.accept(stream)).await {
        serve(stream, local.ip(), worker).await;
    }
}

async fn serve<S>(stream: S, local: IpAddr, worker: Arc<Worker>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(&worker.shared);
    let linger = Arc::new(AtomicBool::new(false));
    let head = Duration::from_secs(shared.config.head_seconds);
    let io = TokioIo::new(Strict::new(stream, head, Arc::clone(&linger)));
    let state = Arc::new(Connection {
        worker,
        local,
        linger,
    });
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(state.handle(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(shared.config.idle_seconds.max(1)))
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD.saturating_mul(2))
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let stopped = pin!(shared.stop.clone().wait());
    // How a connection ends is the client's business.
    if let First::A(()) = first(stopped, connection.as_mut()).await {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
