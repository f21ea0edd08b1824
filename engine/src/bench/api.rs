//! `regua bench api`: what the API answers over HTTP, on a store with boletos, their enrollments
//! and a first reminder of each that was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actors::clock::Clock;
use schedules::id::TenantId;
use serde::{Deserialize, Serialize};

use super::caller::{CallFigure, Callers, Request, Series};
use super::crowd;
use super::cycle::{Carrier, CycleOptions, Stage};
use super::ground::{BenchError, Ground, StoreChoice, Via, expect};
use super::limit::per_second;
use crate::access::{NewToken, Scope, Scopes};
use crate::config::{Config, Sources};
use crate::http::health;
use crate::http::server::{self, Api};
use crate::providers::registry::Offers;
use crate::store::NewBoleto;

/// Tenants over which the boletos are spread.
pub const TENANTS: usize = 50;
/// Boletos of each tenant that are read one by one.
const KNOWN: u32 = 200;
/// Who calls, for the audit.
const CALLER: &str = "bench";
/// One page is asked for where so many boletos are read one by one.
const DEAR: usize = 10;
/// One write is made where so many boletos are read.
const WRITE: usize = 4;
/// The highest limits that settings allow.
const LIMITS: [&str; 5] = ["read", "write", "import", "admin", "facts"];

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct ApiOptions {
    /// Boletos that are there, each enrolled.
    pub boletos: usize,
    /// Requests of each kind; a tenth of them where a page is asked for, a quarter where something
    /// is written.
    pub requests: usize,
    /// Connections that stay open, each with one request at a time.
    pub connections: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct ApiFigure {
    /// The store.
    pub store: Via,
    /// Boletos that were there.
    pub boletos: usize,
    /// Connections.
    pub connections: usize,
    /// The limit of reads: `/healthz`, which touches no store, before and after them.
    pub healthz: [CallFigure; 2],
    /// One boleto by its id.
    pub boleto: CallFigure,
    /// A page of 50 reminders.
    pub reminders: CallFigure,
    /// A page of 50 reminders to come.
    pub upcoming: CallFigure,
    /// Reads as they come: eight boletos, a page of reminders, a page of those to come.
    pub reads: CallFigure,
    /// A boleto with its contact in JSON, under an `Idempotency-Key`.
    pub new_boleto: CallFigure,
    /// A payment that stops a boleto's reminders, answered when nothing of them goes out any more.
    pub payment: CallFigure,
    /// Writes as they come: a boleto, a payment.
    pub writes: CallFigure,
    /// The limit of writes: rows a second of the plain `INSERT` of a boleto, each committed by
    /// itself, over as many connections to the database (SQLite has one writer).
    pub limit_commits_per_s: f64,
    /// Reads against `/healthz`.
    pub reads_ratio: f64,
    /// Writes against that limit.
    pub writes_ratio: f64,
}

/// Measures.
///
/// # Errors
/// [`BenchError`]; [`BenchError::Answered`] for the first answer that is not 200.
pub async fn run(options: ApiOptions, choice: &StoreChoice) -> Result<ApiFigure, BenchError> {
    let ground = Ground::prepare(choice).await?;
    let measured = Box::pin(measure(options, &ground)).await;
    ground.remove().await?;
    measured
}

async fn measure(options: ApiOptions, ground: &Ground) -> Result<ApiFigure, BenchError> {
    let cycle = CycleOptions {
        carrier: Carrier::Process,
        enrollments: options.boletos,
        tenants: TENANTS,
        spread_ms: 0,
    };
    let stage = Stage::set(cycle, ground.open().await?).await?;
    stage.import(cycle).await?;
    stage.enroll(cycle).await?;
    stage.burst(cycle).await?;
    stage.engine.store.know_sizes().await?;
    let shop = Shop::open(&stage, options).await?;
    let served = tokio::task::spawn_blocking(move || {
        let called = shop.call(options);
        (shop, called)
    });
    let (shop, called) = served.await?;
    shop.close().await;
    stage.engine.stop().await;
    let called = called?;
    let limit_commits_per_s = limit(options, ground).await?;
    let ratio = |of: f64, limit: f64| (of / limit.max(1.0) * 1_000.0).round() / 1_000.0;
    let healthz = called.healthz.iter().map(|it| it.per_s).sum::<f64>() / 2.0;
    Ok(ApiFigure {
        store: ground.via(),
        boletos: options.boletos,
        connections: options.connections,
        reads_ratio: ratio(called.reads.per_s, healthz),
        writes_ratio: ratio(called.writes.per_s, limit_commits_per_s),
        limit_commits_per_s,
        healthz: called.healthz,
        boleto: called.boleto,
        reminders: called.reminders,
        upcoming: called.upcoming,
        reads: called.reads,
        new_boleto: called.new_boleto,
        payment: called.payment,
        writes: called.writes,
    })
}

/// What was called.
struct Called {
    healthz: [CallFigure; 2],
    boleto: CallFigure,
    reminders: CallFigure,
    upcoming: CallFigure,
    reads: CallFigure,
    new_boleto: CallFigure,
    payment: CallFigure,
    writes: CallFigure,
}

/// A server with its callers.
struct Shop {
    callers: Callers,
    tenants: Vec<TenantId>,
    handle: actix_web::dev::ServerHandle,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Shop {
    /// Serves the API of a running engine, with limits that nobody meets.
    async fn open(stage: &Stage, options: ApiOptions) -> Result<Self, BenchError> {
        let limits = LIMITS.map(|kind| format!("limits.{kind}_per_minute=1000000"));
        let sources = Sources {
            overrides: limits.to_vec(),
            ..Sources::default()
        };
        let config = Config::load(&sources).map_err(BenchError::Settings)?;
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = health::listen(free)?;
        let address = listener.local_addr().map_err(BenchError::Listen)?;
        let clock = Arc::clone(&stage.clock) as Arc<dyn Clock>;
        let new = NewToken {
            name: CALLER.to_owned(),
            tenant: None,
            scopes: Scopes::of(Scope::ALL),
            expires_at: None,
        };
        let issued = stage.engine.store.create_token(new, CALLER, clock.now());
        let token = issued.await?.token.expose();
        let api = Api::of(&stage.engine, &config, Offers::default(), clock);
        let server = server::serve(listener, api).map_err(BenchError::Listen)?;
        Ok(Self {
            callers: Callers {
                address,
                token,
                connections: options.connections,
            },
            tenants: stage.members.iter().map(|member| member.tenant).collect(),
            handle: server.handle(),
            serving: tokio::spawn(server),
        })
    }

    async fn close(self) {
        self.handle.stop(true).await;
        // Whatever it ended with, everything was answered by then.
        let _ = self.serving.await;
    }

    fn call(&self, options: ApiOptions) -> Result<Called, BenchError> {
        let (many, few) = (options.requests, options.requests.div_ceil(DEAR));
        let known = self.known()?;
        let boleto: Series<'_> = &|no| Request::get(known[scattered(no) % known.len()].clone());
        let reminders: Series<'_> = &|no| Request::get(self.path(no, "reminders?state=sent"));
        let upcoming: Series<'_> = &|no| Request::get(self.path(no, "upcoming"));
        let healthz: Series<'_> = &|_| Request::get("/healthz".to_owned());
        let reads: Series<'_> = &|no| match no % DEAR {
            0 => reminders(no / DEAR),
            1 => upcoming(no / DEAR),
            _ => boleto(no),
        };
        // The first boletos are paid one by one, the last ones in the mix; the new ones in it have
        // other names.
        let each = options.boletos / TENANTS;
        let paid = |no: usize| self.payment(no, no / TENANTS);
        let paid_in_mix = |no: usize| self.payment(no, each - 1 - no / TENANTS);
        let call = |count, series| self.callers.make(count, series);
        let written = many.div_ceil(WRITE);
        // A half of the boletos at the most, a half of those in the mix.
        let mixed = written.min(options.boletos / 2);
        let before = call(many, healthz)?;
        Ok(Called {
            boleto: call(many, boleto)?,
            reminders: call(few, reminders)?,
            upcoming: call(few, upcoming)?,
            reads: call(many, reads)?,
            healthz: [before, call(many, healthz)?],
            new_boleto: call(written, &|no| self.new_boleto(no, "N"))?,
            payment: call(mixed / 2, &paid)?,
            writes: call(mixed, &|no| match no % 2 {
                0 => self.new_boleto(no / 2, "M"),
                _ => paid_in_mix(no / 2),
            })?,
        })
    }

    /// Returns the paths of some boletos of every tenant.
    fn known(&self) -> Result<Vec<String>, BenchError> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            id: String,
        }
        let mut known = Vec::new();
        for no in 0..self.tenants.len() {
            let path = self.path(no, &format!("boletos?limit={KNOWN}"));
            let page = self.callers.ask(&Request::get(path))?;
            let page: Page = serde_json::from_slice(&page)
                .map_err(|error| BenchError::Call(std::io::Error::other(error)))?;
            let ids = page.items.into_iter();
            known.extend(ids.map(|item| self.path(no, &format!("boletos/{}", item.id))));
        }
        let least = usize::from(!known.is_empty());
        expect("boletos that are listed", least, 1)?;
        Ok(known)
    }

    /// Returns a path of one of the tenants.
    fn path(&self, no: usize, rest: &str) -> String {
        let tenant = self.tenants[no % self.tenants.len()];
        format!("/v1/tenants/{tenant}/{rest}")
    }

    fn new_boleto(&self, no: usize, name: &str) -> Request {
        let due_on = crowd::due_on();
        let phone = 10_000_000 + no;
        let body = format!(
            r#"{{"boletos":[{{"reference":"{name}{no}","amount_centavos":12345,"due_on":"{due_on}","contact":{{"name":"Maria da Silva","phone":"+55119{phone}"}}}}]}}"#
        );
        Request::post(self.path(no, "boletos"), Some(format!("{name}{no}")), body)
    }

    /// A payment of a boleto of the tenant of that number.
    fn payment(&self, no: usize, boleto: usize) -> Request {
        let body = format!(
            r#"{{"id":"paid-{boleto}","type":"boleto.paid","data":{{"reference":"B{boleto}"}}}}"#
        );
        Request::post(self.path(no, "events"), None, body)
    }
}

/// Returns another number, so that neighbours are not read one after the other.
const fn scattered(no: usize) -> usize {
    no.wrapping_mul(7_919)
}

/// Inserts boletos plainly, one a transaction.
async fn limit(options: ApiOptions, ground: &Ground) -> Result<f64, BenchError> {
    let store = ground.open_wide(options.connections as u32).await?;
    let rows = options.requests.div_ceil(WRITE);
    let boletos: Vec<NewBoleto> = crowd::boletos(0..rows, crowd::due_on()).collect();
    let began = std::time::Instant::now();
    let inserted = store.insert_plainly(boletos, 1).await?;
    let took = began.elapsed();
    store.close().await;
    expect("rows inserted", inserted, rows)?;
    Ok(per_second(inserted, took))
}
