//! `/healthz`: the process lives. `/readyz`: it owns shards and its store answers.
//!
//! Neither says who the tenants are, what version runs or where the data lies.

use std::net::{SocketAddr, TcpListener};

use actix_web::http::header::{ALLOW, CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};

use super::server::Api;
use crate::bus::amqp::State;

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

/// The paths.
pub(super) fn endpoints(app: &mut web::ServiceConfig) {
    let only_get = |path: &str| web::resource(path).default_service(web::to(not_allowed));
    app.service(only_get("/healthz").get(alive))
        .service(only_get("/readyz").get(ready));
}

async fn not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, "GET"))
        .finish()
}

async fn alive() -> HttpResponse {
    answer(HttpResponse::Ok(), r#"{"status":"alive"}"#)
}

async fn ready(api: web::Data<Api>) -> HttpResponse {
    let owns_shards = !api.node.shards().is_empty();
    let bus = api.bus.as_ref().map(|bus| *bus.borrow());
    if owns_shards && api.store.answers().await {
        // Without its broker a node is as good as ever to whoever calls it.
        let body = match bus {
            None => r#"{"status":"ready"}"#,
            Some(State::Up) => r#"{"status":"ready","bus":"up"}"#,
            Some(State::Down) => r#"{"status":"ready","bus":"down"}"#,
        };
        answer(HttpResponse::Ok(), body)
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

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[tokio::test]
    async fn any_method_but_get_is_refused_with_the_one_that_is_allowed() {
        let app = init_service(App::new().configure(endpoints)).await;
        for path in ["/healthz", "/readyz"] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let request = TestRequest::with_uri(path).method(method);
                let answer = call_service(&app, request.to_request()).await;
                assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
                let allowed = answer.headers().get(ALLOW);
                assert_eq!(allowed.and_then(|it| it.to_str().ok()), Some("GET"));
            }
        }
        let alive = TestRequest::with_uri("/healthz").to_request();
        assert_eq!(call_service(&app, alive).await.status(), StatusCode::OK);
        let elsewhere = TestRequest::with_uri("/tenants").to_request();
        let answer = call_service(&app, elsewhere).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_address_that_is_taken_is_refused_under_its_code() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("an address");
        let refused = listen(address).expect_err("it is taken");
        assert_eq!(refused.code(), "RG-SERVE-001");
    }
}
