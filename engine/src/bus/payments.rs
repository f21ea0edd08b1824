//! From an event to a fact: the contract of the types that the bus carries in.

use chrono::{Datelike, NaiveDate};
use schedules::channel::Channel;
use schedules::contact::EmailAddress;
use schedules::phone::Phone;
use schedules::reference::Reference;
use schedules::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::envelope::{Envelope, ID_BYTES_MAX};
use crate::facts::{Ahead, BoletoName, ContactName, Fact, Saying};

/// The largest amount that a bank slip can say.
const AMOUNT_CENTAVOS_MAX: i64 = 9_999_999_999;
/// The years that a due date can be in: the two cycles of the bank slip's factor.
const DUE_YEARS: std::ops::RangeInclusive<i32> = 1997..=2049;

/// Why an event is no fact; whoever published it is told, and telling it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableEvent {
    /// The type is none of the contract's.
    #[error("unknown type of event")]
    Type,
    /// The data is not what the type asks for.
    #[error("data does not fit the type of the event")]
    Data,
    /// The id or the source is empty, too long or holds control characters.
    #[error("id or source of the event cannot be used")]
    Id,
    /// It lets reminders go on, and says that it happens later.
    #[error(transparent)]
    Ahead(#[from] Ahead),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfBoleto {
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfChange {
    reference: String,
    amount_centavos: i64,
    due_on: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfContact {
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    channel: Option<Channel>,
}

impl Envelope {
    /// Returns the fact that the event tells.
    ///
    /// # Errors
    /// [`UnusableEvent`], which never quotes the event.
    pub fn to_fact(&self, received_at: Timestamp) -> Result<Fact, UnusableEvent> {
        if !is_name(&self.id) || !is_name(&self.source) {
            return Err(UnusableEvent::Id);
        }
        let fact = Fact {
            tenant: self.tenant,
            event_id: self.id.clone(),
            source: self.source.clone(),
            occurred_at: self.time,
            received_at,
            saying: saying(&self.kind, &self.data)?,
        };
        Ok(fact.at_its_time()?)
    }
}

/// Says whether a text can stand for an event or its source: no control characters, and not
/// without end.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

fn saying(kind: &str, data: &Value) -> Result<Saying, UnusableEvent> {
    match kind {
        "boleto.paid" => Ok(Saying::BoletoPaid {
            boleto: boleto(data)?,
        }),
        "boleto.cancelled" => Ok(Saying::BoletoCancelled {
            boleto: boleto(data)?,
        }),
        "boleto.reopened" => Ok(Saying::BoletoReopened {
            boleto: boleto(data)?,
        }),
        "boleto.changed" => {
            let OfChange {
                reference,
                amount_centavos,
                due_on,
            } = read(data)?;
            let usable = (0..=AMOUNT_CENTAVOS_MAX).contains(&amount_centavos)
                && DUE_YEARS.contains(&due_on.year());
            let changed = Saying::BoletoChanged {
                boleto: named(&reference)?,
                amount_centavos,
                due_on,
            };
            usable.then_some(changed).ok_or(UnusableEvent::Data)
        }
        "contact.opted_out" => {
            contact(data).map(|(contact, channel)| Saying::ContactOptedOut { contact, channel })
        }
        "contact.opted_in" => {
            contact(data).map(|(contact, channel)| Saying::ContactOptedIn { contact, channel })
        }
        "contact.replied" => contact(data).map(|(contact, _)| Saying::ContactReplied { contact }),
        "contact.promised" => contact(data).map(|(contact, _)| Saying::ContactPromised { contact }),
        "feed.heartbeat" => Ok(Saying::FeedHeard),
        _ => Err(UnusableEvent::Type),
    }
}

fn read<T: DeserializeOwned>(data: &Value) -> Result<T, UnusableEvent> {
    T::deserialize(data).map_err(|_| UnusableEvent::Data)
}

fn boleto(data: &Value) -> Result<BoletoName, UnusableEvent> {
    let OfBoleto { reference } = read(data)?;
    named(&reference)
}

/// Names a boleto by any spelling of its reference: the import knows it by one.
fn named(reference: &str) -> Result<BoletoName, UnusableEvent> {
    let reference = Reference::parse(reference).map_err(|_| UnusableEvent::Data)?;
    Ok(BoletoName::Reference(reference))
}

/// Names a contact by any spelling of its phone or e-mail.
fn contact(data: &Value) -> Result<(ContactName, Option<Channel>), UnusableEvent> {
    let OfContact {
        phone,
        email,
        channel,
    } = read(data)?;
    let key = match (phone, email) {
        (Some(phone), None) => Phone::parse(&phone)
            .ok()
            .map(|it| it.canonical().to_owned()),
        (None, Some(email)) => EmailAddress::parse(&email)
            .ok()
            .map(|it| it.identity().to_owned()),
        _ => None,
    };
    let key = key.ok_or(UnusableEvent::Data)?;
    Ok((ContactName::Point(key), channel))
}

#[cfg(test)]
mod tests {
    use schedules::id::TenantId;
    use serde_json::json;

    use super::*;

    fn event(kind: &str, data: Value) -> Envelope {
        Envelope {
            id: "e1".into(),
            source: "test".into(),
            kind: kind.into(),
            tenant: TenantId(1),
            time: Timestamp::from_unix_ms(1),
            data,
        }
    }

    fn saying_of(kind: &str, data: Value) -> Result<Saying, UnusableEvent> {
        event(kind, data)
            .to_fact(Timestamp::from_unix_ms(2))
            .map(|fact| fact.saying)
    }

    #[test]
    fn an_opt_out_names_the_person_however_the_phone_is_spelled() {
        let one = saying_of("contact.opted_out", json!({"phone": "+55 (41) 8888-7777"}));
        let two = saying_of("contact.opted_out", json!({"phone": "41988887777"}));
        assert!(one.is_ok());
        assert_eq!(one, two);
    }

    #[test]
    fn a_payment_names_the_boleto_however_its_reference_is_spelled() {
        let paid = |reference: &str| saying_of("boleto.paid", json!({ "reference": reference }));
        let imported = paid("Pra\u{e7}a 1");
        assert!(imported.is_ok());
        assert_eq!(paid(" Prac\u{327}a 1\n"), imported);
        let changed = |reference: &str| {
            let data =
                json!({"reference": reference, "amount_centavos": 1, "due_on": "2026-12-10"});
            saying_of("boleto.changed", data)
        };
        assert_eq!(changed("Prac\u{327}a 1 "), changed("Pra\u{e7}a 1"));
        assert_eq!(paid(" "), Err(UnusableEvent::Data));
        assert_eq!(changed("N\u{200b}F"), Err(UnusableEvent::Data));
    }

    #[test]
    fn an_amount_or_a_date_that_no_slip_can_say_is_refused() {
        let change = |amount: i64, due_on: &str| {
            let data = json!({"reference": "B1", "amount_centavos": amount, "due_on": due_on});
            saying_of("boleto.changed", data)
        };
        assert!(change(1, "2026-12-10").is_ok());
        assert_eq!(change(-1, "2026-12-10"), Err(UnusableEvent::Data));
        assert_eq!(change(i64::MAX, "2026-12-10"), Err(UnusableEvent::Data));
        assert_eq!(change(1, "9999-12-10"), Err(UnusableEvent::Data));
        let nul = saying_of("boleto.paid", json!({"reference": "B\u{0}1"}));
        assert_eq!(nul, Err(UnusableEvent::Data));
    }

    #[test]
    fn a_stop_is_taken_whatever_its_time_and_a_reopening_only_once_it_has_come() {
        let at = |kind: &str, ms: i64| {
            let mut event = event(kind, json!({"reference": "B1"}));
            event.time = Timestamp::from_unix_ms(ms);
            event.to_fact(Timestamp::from_unix_ms(2))
        };
        let paid = at("boleto.paid", i64::MAX).map(|fact| fact.occurred_at);
        assert_eq!(paid, Ok(Timestamp::from_unix_ms(2)));
        assert!(at("boleto.reopened", 60_002).is_ok());
        let ahead = at("boleto.reopened", 60_003);
        assert_eq!(ahead.err(), Some(UnusableEvent::Ahead(Ahead)));
    }

    #[test]
    fn what_does_not_fit_the_contract_is_refused_with_its_reason() {
        assert_eq!(
            saying_of("boleto.paid", json!({})),
            Err(UnusableEvent::Data)
        );
        assert_eq!(
            saying_of("boleto.payed", json!({})),
            Err(UnusableEvent::Type)
        );
        let more = json!({"reference": "B1", "status": "paid"});
        assert_eq!(saying_of("boleto.paid", more), Err(UnusableEvent::Data));
        let mut nameless = event("feed.heartbeat", Value::Null);
        nameless.id = "a\nb".into();
        assert_eq!(
            nameless.to_fact(Timestamp::from_unix_ms(2)),
            Err(UnusableEvent::Id)
        );
    }
}
