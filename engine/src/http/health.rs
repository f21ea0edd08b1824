//! `/healthz`: the process lives. `/readyz`: it owns shards and its store answers.
//!
//! Neither says who the tenants are, what version runs or where the data lies.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{App, HttpResponse, HttpServer, web};
use actors::supervision::node::Node;

use crate::store::Store;

/// How long a client may take to send its headers.
const HEADERS_MAX: Duration = Duration::from_secs(5);

/// What readiness looks at.
#[derive(Clone)]
pub struct Readiness {
    /// The store.
    pub store: Store,
    /// The node.
    pub node: Arc<Node>,
}

/// Why the endpoints could not be served: the address is taken, or not one of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("serve.listen cannot be listened on")]
pub struct ListenError(#[from] std::io::Error);

impl ListenError {
    /// Returns the code under which the runbook explains the error.
    pub const fn code(&self) -> &'static str {
        "RG-SERVE-001"
    }
}

/// Takes the address of the endpoints, before anything else is started.
///
/// # Errors
/// [`ListenError`].
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    Ok(TcpListener::bind(address)?)
}

/// Serves health on `listener` until the server is stopped.
///
/// # Errors
/// When the listener cannot be served.
pub fn serve(listener: TcpListener, readiness: Readiness) -> std::io::Result<Server> {
    let readiness = web::Data::new(readiness);
    let app = move || {
        App::new()
            .app_data(readiness.clone())
            .route("/healthz", web::get().to(alive))
            .route("/readyz", web::get().to(ready))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .client_request_timeout(HEADERS_MAX)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn alive() -> HttpResponse {
    answer(HttpResponse::Ok(), r#"{"status":"alive"}"#)
}

async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let owns_shards = !readiness.node.shards().is_empty();
    if owns_shards && readiness.store.answers().await {
        answer(HttpResponse::Ok(), r#"{"status":"ready"}"#)
    } else {
        answer(
            HttpResponse::ServiceUnavailable(),
            r#"{"status":"not_ready"}"#,
        )
    }
}

fn answer(mut response: actix_web::HttpResponseBuilder, body: &'static str) -> HttpResponse {
    response
        .content_type(ContentType::json())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}
