//! The HTTP server of `/metrics`, `/healthz` and `/readyz`, in one thread of its own.
//!
//! | path | answer |
//! | --- | --- |
//! | `/metrics` | all metrics as OpenMetrics text |
//! | `/healthz` | 200 while the loop of this program runs, else 503 |
//! | `/readyz` | 200 while the cluster does its work, else 503 with the reasons, one per line |
//!
//! **Limits, whatever strangers send.** At most [`CONNECTIONS`] connections, of which a new one displaces the
//! oldest; one request each; its head within [`HEAD_WITHIN`] and [`HEAD_BYTES`], its body never read; closed
//! after [`LIFETIME`]. A page is made at most every [`PAGE_EVERY`]. There is no authentication: bind an
//! address that only authorised clients can reach.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::oneshot, task::AbortHandle, time};

use super::{board::Board, metrics};

/// Upper bound of simultaneous connections.
const CONNECTIONS: usize = 64;
/// Timeout of a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Upper bound of a request's head, bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Upper bound of a connection's life.
const LIFETIME: Duration = Duration::from_secs(10);
/// Time for which a page is reused.
const PAGE_EVERY: Duration = Duration::from_millis(100);
/// Time without an iteration after which the loop counts as stalled; a supervisor then takes it for hung,
/// too.
const STANDS_STILL: Duration = Duration::from_secs(10);
/// Interval of checks whether the loop runs.
const LOOK: Duration = Duration::from_millis(250);
/// Pause after a failed accept, for example because no file descriptors are left.
const REST: Duration = Duration::from_millis(100);

/// Errors of the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The text is not an address.
    #[error("{text}: {reason}; write HOST:PORT, such as 127.0.0.1:9464")]
    Address {
        /// The text.
        text: String,
        /// The fault.
        reason: String,
    },
    /// The address can't be bound.
    #[error(
        "{address}: {error}; write an address of this machine with a port that is free, such as 127.0.0.1:9464"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The thread can't be started.
    #[error("the thread that serves metrics can't be started: {0}; check the limit of threads")]
    Thread(#[source] io::Error),
}

/// Reads `HOST:PORT`; a port of 0 lets the system choose one.
///
/// # Errors
/// If the text is something else, or the host can't be resolved.
pub fn resolve(text: &str) -> Result<SocketAddr, ServerError> {
    let wrong = |reason: String| ServerError::Address { text: text.to_owned(), reason };
    let mut addresses = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    addresses.next().ok_or_else(|| wrong("the host has no address".to_owned()))
}

/// Running server; dropping it ends the service.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Starts to serve the pages of a board. `ticks` is incremented by the loop whose health is shown.
    ///
    /// # Errors
    /// If the address can't be bound, or the thread can't be started.
    pub fn start(address: SocketAddr, board: Board, ticks: Arc<AtomicU64>) -> Result<Self, ServerError> {
        let bind = |error| ServerError::Bind { address, error };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServerError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let shown =
            Arc::new(Shown { board, ticks, turned: Mutex::new((0, Instant::now())), page: Mutex::new(None) });
        let work = move || runtime.block_on(serve(listener, shown, stopped));
        thread::Builder::new().name("metrics".into()).spawn(work).map_err(ServerError::Thread)?;
        tracing::info!(%address, "metrics are served");
        Ok(Server { address, _stop: stop })
    }

    /// Address at which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Content shown by the pages.
struct Shown {
    board: Board,
    ticks: Arc<AtomicU64>,
    /// The last value of `ticks`, and when it changed.
    turned: Mutex<(u64, Instant)>,
    page: Mutex<Option<(Instant, Bytes)>>,
}

async fn serve(listener: TcpListener, shown: Arc<Shown>, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "metrics can't be served"),
    };
    let router = Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .with_state(Arc::clone(&shown));
    let mut look = time::interval(LOOK);
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            _ = look.tick() => shown.look(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    open.retain(|connection| !connection.is_finished());
                    if open.len() >= CONNECTIONS && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    open.push_back(tokio::spawn(answer(stream, router.clone())).abort_handle());
                }
                Err(_) => time::sleep(REST).await,
            },
        }
    }
}

/// Answers one request of a connection. Errors are ignored: they are the client's own.
async fn answer(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES).keep_alive(false);
    let answered = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let _ = time::timeout(LIFETIME, answered).await;
}

impl Shown {
    /// Checks whether the loop has run.
    fn look(&self) {
        let ticks = self.ticks.load(Ordering::Relaxed);
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        if turned.0 != ticks {
            *turned = (ticks, Instant::now());
        }
    }

    /// Time without an iteration of the loop, if too long. A loop that has not begun is not judged.
    fn stands_still(&self) -> Option<Duration> {
        let (ticks, at) = *self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        Some(at.elapsed()).filter(|still| ticks > 0 && *still > STANDS_STILL)
    }

    /// The page, made again if it is too old; `None` if it can't be written.
    fn page(&self) -> Option<Bytes> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, text)) = &*page
            && at.elapsed() < PAGE_EVERY
        {
            return Some(text.clone());
        }
        let text = Bytes::from(metrics::write(&self.board).ok()?);
        *page = Some((Instant::now(), text.clone()));
        Some(text)
    }
}

async fn page(State(shown): State<Arc<Shown>>) -> Response {
    match shown.page() {
        Some(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn health(State(shown): State<Arc<Shown>>) -> Response {
    match shown.stands_still() {
        None => "ok\n".into_response(),
        Some(still) => {
            let reason = format!("the loop has not turned for {} s\n", still.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
    }
}

async fn readiness(State(shown): State<Arc<Shown>>) -> Response {
    let faults = shown.board.status().faults(Instant::now());
    match faults.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, faults.join("\n") + "\n").into_response(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::telemetry::Expected;

    fn shown(ticks: u64, turned: (u64, Instant)) -> Shown {
        let expected =
            Expected { processes: 0..1, checkpoint_within: None, epoch: Duration::ZERO, supervised: false };
        let (ticks, board) = (Arc::new(AtomicU64::new(ticks)), Board::new(expected));
        Shown { board, ticks, turned: Mutex::new(turned), page: Mutex::new(None) }
    }

    #[test]
    fn a_loop_that_turns_no_more_is_reported() {
        let long_ago = Instant::now().checked_sub(2 * STANDS_STILL).unwrap();
        let shown = shown(7, (7, long_ago));
        shown.look();
        assert!(shown.stands_still().is_some_and(|still| still >= 2 * STANDS_STILL));
        shown.ticks.fetch_add(1, Ordering::Relaxed);
        shown.look();
        assert_eq!(shown.stands_still(), None);
    }

    #[test]
    fn a_loop_that_has_not_begun_is_not_judged() {
        let long_ago = Instant::now().checked_sub(2 * STANDS_STILL).unwrap();
        assert_eq!(shown(0, (0, long_ago)).stands_still(), None);
    }

    #[test]
    fn addresses_are_host_and_port() {
        assert_eq!(resolve("127.0.0.1:9464").unwrap(), SocketAddr::from(([127, 0, 0, 1], 9464)));
        assert_eq!(resolve("[::1]:0").unwrap().port(), 0);
        for text in ["", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"] {
            assert!(
                resolve(text).is_err_and(|error| error.to_string().contains("write HOST:PORT")),
                "{text}"
            );
        }
    }
}
