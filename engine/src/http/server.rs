//! The listener: health without a token, and the API behind one.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpServer, web};
use actors::clock::Clock;
use actors::supervision::node::Node;
use tokio::sync::watch;

use super::body::JSON_BYTES_MAX;
use super::limits::Limits;
use super::problem::Problem;
use super::turns::Turns;
use super::{bounds, caller, health, unsubscribe, v1};
use crate::boot::Engine;
use crate::bus::amqp::State;
use crate::bus::reception::Reception;
use crate::config::{Config, HttpConfig};
use crate::doors::Doors;
use crate::providers::registry::Offers;
use crate::store::Store;
use crate::unsubscribe::Links;
use crate::whatif::Rehearsals;

/// How long a connection that is being closed may take.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How many uploads are taken at once.
pub const UPLOADS_MAX: usize = 4;
/// How many of them are one tenant's.
pub const UPLOADS_OF_TENANT_MAX: usize = 2;
/// How long requests under way may take when the service ends: its supervisor kills it later.
const SHUTDOWN_S: u64 = 5;
/// The most connections of a worker.
const CONNECTIONS_MAX: usize = 4_096;
/// Threads that requests are read and answered on; the work is done elsewhere.
const WORKERS: usize = 2;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Api {
    /// The store.
    pub store: Store,
    /// The node.
    pub node: Arc<Node>,
    /// The way in.
    pub doors: Doors,
    /// What the providers offer, and to whom.
    pub offers: Arc<Offers>,
    /// What makes the links of messages and reads them, where it is configured.
    pub links: Option<Arc<Links>>,
    /// Where messages of the bus are taken in, where there is a root key.
    pub reception: Option<Reception>,
    /// Whether events come in from a broker, where there is one.
    pub bus: Option<watch::Receiver<State>>,
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// How a request is treated.
    pub http: HttpConfig,
    /// How many requests a caller may make.
    pub limits: Arc<Limits>,
    /// The turns of uploads: each holds a file in memory.
    pub uploads: Turns,
    /// The turns of those who ask what would go out.
    pub rehearsals: Rehearsals,
}

impl Api {
    /// Returns what the endpoints of a running engine work with that has no bus.
    pub fn of(engine: &Engine, config: &Config, offers: Offers, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits: Arc::new(Limits::new(&config.limits, &clock)),
            store: engine.store.clone(),
            node: Arc::clone(&engine.node),
            doors: engine.doors.clone(),
            offers: Arc::new(offers),
            links: config.unsubscribe.clone().map(Arc::new),
            reception: None,
            bus: None,
            clock,
            http: config.http,
            uploads: Turns::new(UPLOADS_MAX, UPLOADS_OF_TENANT_MAX),
            rehearsals: Rehearsals::default(),
        }
    }
}

/// Serves health and the API on `listener` until the server is stopped.
///
/// # Errors
/// When the listener cannot be served.
pub fn serve(listener: TcpListener, api: Api) -> std::io::Result<Server> {
    let head_max = Duration::from_millis(api.http.head_ms_max);
    limit_writes(&listener, api.http.write_ms_max)?;
    let api = web::Data::new(api);
    let app = move || {
        let app = App::new().app_data(api.clone()).configure(endpoints);
        app.wrap(from_fn(bounds::within))
    };
    let server = HttpServer::new(app)
        .workers(WORKERS)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(head_max)
        .client_disconnect_timeout(CLOSE_MAX)
        .shutdown_timeout(SHUTDOWN_S)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Has the system drop a connection whose other end takes nothing for so long: the HTTP library
/// would wait for it without an end. Connections have the listener's limit.
#[cfg(target_os = "linux")]
fn limit_writes(listener: &TcpListener, longest_ms: u32) -> std::io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_user_timeout(
        listener, longest_ms,
    )?)
}

/// Other systems have no such limit.
#[cfg(not(target_os = "linux"))]
fn limit_writes(_: &TcpListener, _: u32) -> std::io::Result<()> {
    Ok(())
}

pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    app.app_data(json())
        .app_data(web::PathConfig::default().error_handler(unknown_path))
        .app_data(web::QueryConfig::default().error_handler(bad_query))
        .configure(health::endpoints)
        .configure(unsubscribe::endpoints)
        .service(
            web::scope("/v1")
                .configure(v1::endpoints)
                .wrap(from_fn(caller::let_in)),
        )
        .default_service(web::to(async || Err::<&str, _>(Problem::not_found())));
}

fn json() -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(JSON_BYTES_MAX)
        .content_type_required(true)
        .error_handler(|error, _| bad_json(&error).into())
}

/// Says what is wrong with the JSON, and where; never what stands there.
fn bad_json(error: &JsonPayloadError) -> Problem {
    match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            Problem::too_large()
        }
        JsonPayloadError::ContentType => {
            Problem::malformed("the body must be JSON, as its Content-Type must say")
        }
        JsonPayloadError::Deserialize(error) => Problem::malformed(format!(
            "the body is not what this path takes (line {}, column {})",
            error.line(),
            error.column()
        )),
        _ => Problem::malformed("the body cannot be read"),
    }
}

/// An id that nothing can have names nothing.
fn unknown_path(_: PathError, _: &HttpRequest) -> actix_web::Error {
    Problem::not_found().into()
}

fn bad_query(_: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    Problem::malformed("the query is not what this path takes").into()
}
