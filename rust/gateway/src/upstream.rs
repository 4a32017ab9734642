//! Connections to the upstreams of one worker.

use crate::{framing::MAX_HEADERS, shared::Shared};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};
use std::{error::Error, io, time::Duration};
use tokio::time::timeout;

/// Servers close unused connections after 5 seconds and more; one that is about to be closed must
/// not be given a request, since a request that may have been read is never sent again.
const UNUSED: Duration = Duration::from_secs(4);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) message: &'static str,
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Upstreams {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer: Duration,
}

/// What is trusted: the system's certificates, read only if an upstream needs them.
///
/// # Errors
/// No certificate can be read.
pub(crate) fn trust(shared: &Shared) -> Result<ClientConfig, String> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let mut roots = RootCertStore::empty();
    if shared
        .routes
        .iter()
        .any(|route| route.url.scheme_str() == Some("https"))
    {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err("no trusted certificates found on this system".into());
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Upstreams {
    pub(crate) fn new(shared: &Shared, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(Duration::from_secs(shared.config.connect_seconds)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(UNUSED)
            .http1_max_headers(MAX_HEADERS)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .build(connector);
        Self {
            client,
            answer: Duration::from_secs(shared.config.answer_seconds),
        }
    }

    /// Sends a request once and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        match timeout(self.answer, self.client.request(request)).await {
            Err(_) => Err(Fault {
                status: StatusCode::GATEWAY_TIMEOUT,
                message: "the upstream did not answer in time",
            }),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(explain(&error)),
        }
    }
}

fn explain(error: &hyper_util::client::legacy::Error) -> Fault {
    let bad = |message| Fault {
        status: StatusCode::BAD_GATEWAY,
        message,
    };
    if !error.is_connect() {
        return bad("the upstream broke off before it answered");
    }
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return bad("no secure connection to the upstream: TLS or its certificate failed");
        }
        let Some(error) = error.downcast_ref::<io::Error>() else {
            cause = error.source();
            continue;
        };
        match error.kind() {
            io::ErrorKind::TimedOut => {
                return Fault {
                    status: StatusCode::GATEWAY_TIMEOUT,
                    message: "the upstream cannot be reached: connecting took too long",
                };
            }
            io::ErrorKind::ConnectionRefused => {
                return bad("the upstream cannot be reached: connection refused");
            }
            // What an I/O error carries is not its source.
            _ => cause = error.get_ref().map(|inner| inner as _),
        }
    }
    bad("the upstream cannot be reached")
}
