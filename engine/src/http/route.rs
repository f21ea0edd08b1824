//! The paths of the API as data: what each one needs of its caller stands in one table.
//!
//! Nothing else is registered, so a path without a scope cannot be; and the scope is asked for
//! where the path was matched, before anything of the body is read.

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, ResponseError, web};
use schedules::id::TenantId;
use utoipa::openapi::path::HttpMethod;

use super::body;
use super::caller::Caller;
use super::doc::Doc;
use super::limits::Counted;
use super::problem::Problem;
use super::server::Api;
use crate::access::Scope;

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is read.
    Get,
    /// Something is added to it, or told to it.
    Post,
    /// It is replaced.
    Put,
    /// A part of it is replaced.
    Patch,
    /// It is ended.
    Delete,
}

/// A path of the API with one of its verbs.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// What is done to it.
    pub verb: Verb,
    /// The path below `/v1`, with its parts in braces, for example `/tenants/{tenant}`.
    pub path: &'static str,
    /// What the caller's token must allow.
    pub wanted: Scope,
    /// What will do instead.
    pub or_wanted: Option<Scope>,
    /// Every good token will do: what it shows is nobody's.
    pub for_anyone: bool,
    /// It stops something: it is counted with its kind, and never refused for its number.
    stops: bool,
    /// The body is no JSON, but a file that is read as it comes.
    pub(super) takes_file: bool,
    /// What it takes and answers.
    pub(super) doc: Option<Doc>,
    handler: fn() -> actix_web::Route,
}

impl Verb {
    /// Returns its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    pub(super) const fn documented(self) -> HttpMethod {
        match self {
            Self::Get => HttpMethod::Get,
            Self::Post => HttpMethod::Post,
            Self::Put => HttpMethod::Put,
            Self::Patch => HttpMethod::Patch,
            Self::Delete => HttpMethod::Delete,
        }
    }
}

impl Route {
    pub(super) const fn get(
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self::new(Verb::Get, path, wanted, handler)
    }

    pub(super) const fn post(
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self::new(Verb::Post, path, wanted, handler)
    }

    pub(super) const fn put(
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self::new(Verb::Put, path, wanted, handler)
    }

    pub(super) const fn patch(
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self::new(Verb::Patch, path, wanted, handler)
    }

    pub(super) const fn delete(
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self::new(Verb::Delete, path, wanted, handler)
    }

    const fn new(
        verb: Verb,
        path: &'static str,
        wanted: Scope,
        handler: fn() -> actix_web::Route,
    ) -> Self {
        Self {
            verb,
            path,
            wanted,
            or_wanted: None,
            for_anyone: false,
            stops: false,
            takes_file: false,
            doc: None,
            handler,
        }
    }

    /// Lets in whoever may do this instead, too.
    pub(super) const fn or(self, wanted: Scope) -> Self {
        Self {
            or_wanted: Some(wanted),
            ..self
        }
    }

    /// Lets in whoever has a good token.
    pub(super) const fn for_anyone(self) -> Self {
        Self {
            for_anyone: true,
            ..self
        }
    }

    /// Says what it takes and answers.
    pub(super) const fn says(self, doc: Doc) -> Self {
        Self {
            doc: Some(doc),
            ..self
        }
    }

    /// Makes it a path that stops something, and that is therefore never asked too often.
    pub(super) const fn stopping(self) -> Self {
        Self {
            stops: true,
            ..self
        }
    }

    /// Makes it a path that takes a file.
    pub(super) const fn with_file(self) -> Self {
        Self {
            takes_file: true,
            ..self
        }
    }
}

/// Registers a table; verbs of one path may stand in different places of it.
pub(super) fn register(app: &mut web::ServiceConfig, table: impl Iterator<Item = &'static Route>) {
    let mut paths: Vec<(&str, Vec<&'static Route>)> = Vec::new();
    for route in table {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    for (path, routes) in paths {
        let resource = routes.iter().fold(web::resource(path), |resource, route| {
            resource.route((route.handler)().method(route.verb.method()))
        });
        let routes: Rc<[&Route]> = routes.into();
        app.service(resource.wrap(from_fn(move |request, next| {
            admit(Rc::clone(&routes), request, next)
        })));
    }
}

/// Lets a request through to its handler when its caller may do what it asks for.
async fn admit(
    routes: Rc<[&'static Route]>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut counted = None;
    let mut response = match admitted(&routes, &mut request, &mut counted).await {
        Ok(()) => next.call(request).await?,
        Err(problem) => request.into_response(problem.error_response()),
    };
    if let Some(counted) = counted {
        counted.tell(response.headers_mut());
    }
    Ok(response)
}

/// Asks in order: is there such a path, may its caller ask so often, may it ask this, and has it
/// sent what it asks.
async fn admitted(
    routes: &[&Route],
    request: &mut ServiceRequest,
    counted: &mut Option<Counted>,
) -> Result<(), Problem> {
    let api = request.app_data::<web::Data<Api>>().cloned();
    let api = api.ok_or_else(Problem::interrupted)?;
    let asked = |route: &&&Route| route.verb.method() == *request.method();
    let Some(route) = routes.iter().find(asked) else {
        let verbs = routes.iter().map(|route| route.verb.as_str());
        return Err(Problem::not_allowed(verbs.collect::<Vec<_>>().join(", ")));
    };
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(Problem::unauthorized)?;
    let count = counted.insert(api.limits.count(caller.token(), route.wanted));
    if let Some(wait_s) = count.refused().filter(|_| !route.stops) {
        return Err(Problem::rate_limited(wait_s));
    }
    let tenant = tenant(request)?;
    if !route.for_anyone {
        caller.may(route.wanted, tenant).or_else(|denied| {
            let instead = route.or_wanted.ok_or(denied)?;
            caller.may(instead, tenant)
        })?;
    }
    match route.verb {
        // Files are larger, and read by who takes them.
        _ if route.takes_file => Ok(()),
        Verb::Get => Ok(()),
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => body::read(request, &api).await,
    }
}

/// Returns the tenant that the path names. An id that nothing can have names nothing, and each has
/// one spelling.
fn tenant(request: &ServiceRequest) -> Result<Option<TenantId>, Problem> {
    let Some(named) = request.match_info().get("tenant") else {
        return Ok(None);
    };
    // The path as it was sent: `/v1/tenants/{tenant}`.
    let spelt = request.path().split('/').nth(3);
    let tenant = named.parse().ok().filter(|_| spelt == Some(named));
    tenant.map(Some).ok_or_else(Problem::not_found)
}
