//! What a launch confirms: a hash over all that an estimate rests on, and what it came to.

use schedules::time::Timestamp;
use sha2::{Digest, Sha256};

use super::estimate::{Estimate, Question};
use super::load::Loaded;
use crate::hex;

/// Returns what a caller confirms: a hash over everything that the estimate rests on and came to.
///
/// # Errors
/// [`Unhashed`].
pub fn hash(
    footing: &Footing,
    question: &Question,
    estimate: &Estimate,
) -> Result<String, Unhashed> {
    let mut sha = Sha256::new();
    let answer = serde_json::to_vec(&(&question.prices, question.days, estimate));
    for part in [&footing.0, &answer.map_err(|_| Unhashed)?] {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    Ok(hex::written(&sha.finalize()))
}

/// What an estimate rests on.
pub struct Footing(Vec<u8>);

/// A value cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the estimate cannot be written down")]
pub struct Unhashed;

impl Footing {
    /// Writes down what an estimate of the tenant's own day rests on: the settings, the campaign,
    /// and a hash of the boletos.
    ///
    /// # Errors
    /// [`Unhashed`].
    pub fn of(loaded: &Loaded, now: Timestamp) -> Result<Self, Unhashed> {
        let Loaded { world, .. } = loaded;
        let tenant = &world.settings.tenant;
        let mut boletos = Sha256::new();
        for known in &world.boletos {
            let boleto = &known.boleto;
            let line = (
                (boleto.id, known.contact, known.is_in),
                (boleto.amount_centavos, boleto.due_on),
            );
            boletos.update(serde_json::to_vec(&line).map_err(|_| Unhashed)?);
        }
        let rests_on = serde_json::json!({
            "tenant": tenant.id,
            "profile": (&tenant.name, &tenant.document, &tenant.address),
            "paused_channels": tenant.paused_channels,
            "campaign": world.campaign,
            "on": now.local_date(tenant.zone),
            "rules": tenant.rules,
            "calendar": tenant.calendar,
            "charges": tenant.charges,
            "senders": tenant.senders,
            "campaigns": world.settings.campaigns,
            "templates": world.settings.templates,
            "boletos": hex::written(&boletos.finalize()),
        });
        serde_json::to_vec(&rests_on)
            .map(Self)
            .map_err(|_| Unhashed)
    }
}
