//! For operators, on loopback only: is it alive, is it ready, what has it done.

use crate::{
    body::ReplyBody,
    server::event_loop,
    shared::Shared,
    wait::{First, first},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::TcpListener, pin::pin, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Serves until the gateway stops.
pub(crate) fn run(socket: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let runtime = event_loop()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let mut stopped = pin!(shared.stop.clone().wait());
        loop {
            let accepted = pin!(listener.accept());
            let stream = match first(stopped.as_mut(), accepted).await {
                First::A(()) => break,
                First::B(Ok((stream, _))) => stream,
                First::B(Err(_)) => {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let shared = Arc::clone(&shared);
            let service = service_fn(move |request| {
                let response = answer(&shared, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(15))
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
        Ok::<_, io::Error>(())
    })?;
    runtime.shutdown_background();
    Ok(())
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<ReplyBody> {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = ["localhost", "127.0.0.1"].contains(&name);
    let (status, body) = match (request.method(), request.uri().path()) {
        _ if !own => (StatusCode::FORBIDDEN, "forbidden\n".into()),
        (&Method::GET, "/healthz") => (StatusCode::OK, "ok\n".into()),
        (&Method::GET, "/readyz") if shared.stop.is_set() => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
        }
        (&Method::GET, "/readyz") => (StatusCode::OK, "ready\n".into()),
        (&Method::GET, "/metrics") => {
            let running = shared.running();
            (
                StatusCode::OK,
                shared.metrics.render(running, shared.sessions.len()),
            )
        }
        _ => (StatusCode::NOT_FOUND, "not found\n".into()),
    };
    let mut response = Response::new(ReplyBody::full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}
