//! What a path takes and answers, as its row of the table says it; `openapi` writes it down.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// The documentation of a route. Problems that follow from its shape are not repeated here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doc {
    /// The name of the operation; `{act}` in it is what is done.
    pub(super) id: &'static str,
    /// What it does, in one line.
    pub(super) summary: &'static str,
    /// What the query may say.
    pub(super) query: Option<fn() -> Vec<Parameter>>,
    /// What the body is.
    pub(super) body: Option<Shape>,
    /// The status of success.
    pub(super) status: u16,
    /// What is answered with it.
    pub(super) answer: Option<Shape>,
    /// The same may be answered 202: taken, and not done yet.
    pub(super) or_later: bool,
    /// The list is made as CSV, too.
    pub(super) or_csv: bool,
    /// It takes an `Idempotency-Key`.
    pub(super) keyed: bool,
    /// It is read with its `ETag`.
    pub(super) tagged: bool,
    /// It is edited under an `If-Match`.
    pub(super) matched: bool,
    /// The statuses of problems that are its own.
    pub(super) problems: &'static [u16],
}

/// The schema of a type: how it is called, what it is, and what it names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) name: fn() -> std::borrow::Cow<'static, str>,
    pub(super) schema: fn() -> RefOr<Schema>,
    pub(super) schemas: fn(&mut Vec<(String, RefOr<Schema>)>),
    pub(super) form: Form,
}

/// How values of a type stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One.
    One,
    /// One, or null.
    Nullable,
    /// A page of a list, with the cursor of the next one.
    Page,
}

impl Shape {
    const fn of<T: ToSchema>(form: Form) -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            schemas: T::schemas,
            form,
        }
    }
}

impl Doc {
    /// Begins with an operation that is answered 200.
    pub(super) const fn of(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            query: None,
            body: None,
            status: 200,
            answer: None,
            or_later: false,
            or_csv: false,
            keyed: false,
            tagged: false,
            matched: false,
            problems: &[],
        }
    }

    /// It has a query.
    pub(super) const fn asks<Q: IntoParams>(self) -> Self {
        Self {
            query: Some(|| Q::into_params(|| Some(ParameterIn::Query))),
            ..self
        }
    }

    /// It has a body.
    pub(super) const fn takes<T: ToSchema>(self) -> Self {
        Self {
            body: Some(Shape::of::<T>(Form::One)),
            ..self
        }
    }

    /// It has a body that may be null.
    pub(super) const fn takes_or_null<T: ToSchema>(self) -> Self {
        Self {
            body: Some(Shape::of::<T>(Form::Nullable)),
            ..self
        }
    }

    /// It answers with one of these.
    pub(super) const fn answers<T: ToSchema>(self) -> Self {
        Self {
            answer: Some(Shape::of::<T>(Form::One)),
            ..self
        }
    }

    /// It answers with one of these, or null.
    pub(super) const fn answers_or_null<T: ToSchema>(self) -> Self {
        Self {
            answer: Some(Shape::of::<T>(Form::Nullable)),
            ..self
        }
    }

    /// It answers with a page of these.
    pub(super) const fn lists<T: ToSchema>(self) -> Self {
        Self {
            answer: Some(Shape::of::<T>(Form::Page)),
            ..self
        }
    }

    /// Its success has another status than 200.
    pub(super) const fn with(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// It may not be done yet when it is answered.
    pub(super) const fn or_later(self) -> Self {
        Self {
            or_later: true,
            ..self
        }
    }

    /// It can be had as CSV.
    pub(super) const fn or_csv(self) -> Self {
        Self {
            or_csv: true,
            ..self
        }
    }

    /// It can be made again under a key.
    pub(super) const fn keyed(self) -> Self {
        Self {
            keyed: true,
            ..self
        }
    }

    /// It is read with its tag.
    pub(super) const fn tagged(self) -> Self {
        Self {
            tagged: true,
            ..self
        }
    }

    /// It is edited under the tag that was read.
    pub(super) const fn matched(self) -> Self {
        Self {
            matched: true,
            ..self
        }
    }

    /// It knows problems of its own.
    pub(super) const fn or(self, problems: &'static [u16]) -> Self {
        Self { problems, ..self }
    }
}
