//! `/v1/tenants/{tenant}/boletos`: what is owed, as JSON or as CSV.

use std::ops::RangeInclusive;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{Days, NaiveDate};
use schedules::id::{BoletoId, ContactId, TenantId};
use schedules::reference::Reference;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::doc::Doc;
use super::super::super::problem::Problem;
use super::super::super::route::Route;
use super::super::super::server::Api;
use super::super::{Answer, Id, answer};
use super::csv::{self, Exports, File};
use super::list::{List, Paging};
use super::shown;
use crate::access::Scope;
use crate::store::reads::{Ask, BoletoKey, BoletoRow, BoletosOf};

/// The most days between the first and the last due date of a list.
const DUE_DAYS_MAX: u64 = 366;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/tenants/{tenant}/boletos", Scope::Read, || web::to(list)).says(
        Doc::of("list_boletos", "Lists what is owed.")
            .asks::<Asked>()
            .lists::<Shown>()
            .or_csv()
            .or(&[422]),
    ),
    Route::get("/tenants/{tenant}/boletos/{boleto}", Scope::Read, || {
        web::to(read)
    })
    .says(Doc::of("read_boleto", "Shows a boleto.").answers::<Shown>()),
];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[param(inline)]
    status: Option<Status>,
    #[param(inline)]
    contact: Option<Id<ContactId>>,
    /// The first due date, as printed; with it alone, the list goes as far as it may.
    due_from: Option<NaiveDate>,
    due_to: Option<NaiveDate>,
    #[param(value_type = Option<String>)]
    reference: Option<Reference>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = BoletoStatus)]
#[serde(rename_all = "snake_case")]
enum Status {
    Open,
    Paid,
    Cancelled,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Asked {
    fn split(self) -> Result<(BoletosOf, Paging), Problem> {
        let of = BoletosOf {
            status: self.status.map(|status| status.as_str().to_owned()),
            contact: self.contact.map(|contact| contact.0),
            due_on: due_on(self.due_from, self.due_to)?,
            reference: self.reference,
        };
        let (cursor, limit) = (self.cursor, self.limit);
        Ok((of, Paging { cursor, limit }))
    }
}

/// Returns the due dates that are asked for: a bounded number of them.
fn due_on(
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<Option<RangeInclusive<NaiveDate>>, Problem> {
    let longest = Days::new(DUE_DAYS_MAX);
    let too_far = || Problem::invalid("the due dates are further apart than 366 days");
    let (from, to) = match (from, to) {
        (None, None) => return Ok(None),
        (Some(from), to) => {
            let furthest = from.checked_add_days(longest).ok_or_else(too_far)?;
            (from, to.unwrap_or(furthest))
        }
        (None, Some(to)) => (to.checked_sub_days(longest).ok_or_else(too_far)?, to),
    };
    let is_near = from.checked_add_days(longest).is_some_and(|it| to <= it);
    if !is_near {
        return Err(too_far());
    }
    Ok(Some(from..=to))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Boleto)]
struct Shown {
    id: Id<BoletoId>,
    reference: String,
    amount_centavos: i64,
    due_on: NaiveDate,
    digitable_line: Option<String>,
    pix_code: Option<String>,
    payment_link: Option<String>,
    contact: Id<ContactId>,
    status: String,
    status_at: String,
}

impl From<BoletoRow> for Shown {
    fn from(row: BoletoRow) -> Self {
        Self {
            id: Id(row.boleto.id),
            reference: row.boleto.reference,
            amount_centavos: row.boleto.amount_centavos,
            due_on: row.boleto.due_on,
            digitable_line: row.boleto.digitable_line,
            pix_code: row.boleto.pix_code,
            payment_link: row.boleto.payment_link,
            contact: Id(row.contact),
            status: row.status,
            status_at: shown(row.status_at),
        }
    }
}

async fn list(
    api: web::Data<Api>,
    exports: web::Data<Exports>,
    tenant: web::Path<Id<TenantId>>,
    request: HttpRequest,
    asked: web::Query<Asked>,
) -> Answer {
    api.store.expect_tenant(tenant.0).await?;
    let list = List::at(&api, &request).await?;
    let (of, paging) = asked.into_inner().split()?;
    if csv::is_wanted(request.headers()) {
        let turn = exports.turn(tenant.0)?;
        let ask = list.ask(&csv::paging(paging))?;
        let (file, next) = file(&api, tenant.0, &of, ask).await?;
        let next = next.map(|key| list.signed(&key)).transpose()?;
        return file.answer(&request, "boletos", next, turn);
    }
    let ask = list.ask(&paging)?;
    let page = api.store.list_boletos(tenant.0, &of, &ask).await?;
    list.answer(page.map(Shown::from))
}

/// Makes a file of boletos; lines, codes and links are left to JSON.
async fn file(
    api: &Api,
    tenant: TenantId,
    of: &BoletosOf,
    mut ask: Ask<BoletoKey>,
) -> Result<(File, Option<BoletoKey>), Problem> {
    let mut file = File::new(&[
        "id",
        "reference",
        "amount_centavos",
        "due_on",
        "status",
        "status_at",
        "contact",
    ]);
    for _ in 0..csv::READINGS_MAX {
        ask.limit = csv::CHUNK.min(file.room());
        if ask.limit == 0 {
            break;
        }
        let page = api.store.list_boletos(tenant, of, &ask).await?;
        for BoletoRow {
            boleto,
            contact,
            status,
            status_at,
        } in page.items
        {
            file.row([
                boleto.id.to_string(),
                boleto.reference,
                boleto.amount_centavos.to_string(),
                boleto.due_on.to_string(),
                status,
                shown(status_at),
                contact.to_string(),
            ]);
        }
        ask.after = page.next;
        if ask.after.is_none() {
            break;
        }
    }
    Ok((file, ask.after))
}

async fn read(api: web::Data<Api>, of: web::Path<(Id<TenantId>, Id<BoletoId>)>) -> Answer {
    let (Id(tenant), Id(boleto)) = *of;
    api.store.expect_tenant(tenant).await?;
    let row = api.store.boleto(tenant, boleto).await?;
    answer(HttpResponse::Ok(), &Shown::from(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_dates_are_a_bounded_number_of_days() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let asked = |from: &str, to: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| day(text));
            due_on(given(from), given(to)).ok()
        };
        assert_eq!(asked("", ""), Some(None));
        let year = day("2026-01-01")..=day("2027-01-02");
        assert_eq!(asked("2026-01-01", "2027-01-02"), Some(Some(year.clone())));
        assert_eq!(asked("2026-01-01", ""), Some(Some(year.clone())));
        assert_eq!(asked("", "2027-01-02"), Some(Some(year)));
        assert_eq!(asked("2026-01-01", "2027-01-03"), None);
        assert_eq!(asked("1026-01-01", "2026-01-01"), None);
        let last = NaiveDate::MAX.to_string();
        assert_eq!(asked(&last, ""), None);
        let first = NaiveDate::MIN.to_string();
        assert_eq!(asked("", &first), None);
    }
}
