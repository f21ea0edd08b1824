//! Templates with declared variables: rendered once, values never parsed again.

use serde::{Deserialize, Serialize};

use crate::channel::Channel;

/// The text of a step on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The code by which steps name it; one template per code and channel.
    pub code: String,
    /// The channel it is for.
    pub channel: Channel,
    /// Grows with every edit; stored with every attempt.
    pub version: u32,
    /// The subject line, for e-mail; it may hold variables.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text, with `{{variable}}` for each declared variable.
    pub body: String,
    /// The declared variables, in the order of the provider's positional parameters.
    pub variables: Vec<Variable>,
    /// How long after the hand-over the message may still arrive, in milliseconds.
    #[serde(default)]
    pub ttl_ms: i64,
}

/// A value a template may use. The list is closed: there is no other way to data.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The contact's name.
    ContactName,
    /// The tenant's name.
    TenantName,
    /// The tenant's CPF or CNPJ, as CDC art. 42-A asks.
    TenantDocument,
    /// The amount, as `R$ 1.234,56`.
    Amount,
    /// The amount with penalty and interest of the day.
    AmountWithCharges,
    /// The due date, as `31/12/2026`.
    DueOn,
    /// The digitable line, grouped for reading.
    DigitableLine,
    /// The Pix copy-and-paste code.
    PixCode,
    /// The tenant's reference of the boleto.
    Reference,
    /// The payment link.
    PaymentLink,
}
