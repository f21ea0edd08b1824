//! What was not read of a request when its answer is sent.
//!
//! The server reads on and on through chunks that nobody holds any more, to keep the connection: a
//! sender without an end would keep it busy without an end. While somebody holds them, it closes
//! the connection after the answer instead. So the answer holds them.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures::Stream;

/// The body of a request, shared by whoever reads it and its answer.
#[derive(Clone)]
pub(super) struct Held(Rc<RefCell<Payload>>);

/// A body that holds another one until it is sent.
struct Answering {
    body: BoxBody,
    _held: Held,
}

impl Held {
    /// Takes part in the body of a request.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        let held = Self(Rc::new(RefCell::new(request.take_payload())));
        let payload = Box::pin(held.clone());
        request.set_payload(Payload::Stream { payload });
        held
    }

    /// Holds the body until the answer is sent.
    pub(super) fn until_sent(self, answer: ServiceResponse) -> ServiceResponse {
        answer.map_body(|_, body| BoxBody::new(Answering { body, _held: self }))
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut payload = self.0.borrow_mut();
        Pin::new(&mut *payload).poll_next(context)
    }
}

impl MessageBody for Answering {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
