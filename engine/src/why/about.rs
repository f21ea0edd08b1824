//! What a caller asks about: a boleto, by whichever of its names.

use schedules::id::{AttemptId, BoletoId, EnrollmentId, ReminderId, TenantId};
use schedules::reference::Reference;

use crate::store::{Store, StoreError, Why};

/// What an id is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A boleto.
    Boleto(BoletoId),
    /// The boleto of an enrollment.
    Enrollment(EnrollmentId),
    /// A boleto by the tenant's reference.
    Reference(Reference),
    /// No name that anything can have.
    Nothing,
}

impl About {
    /// Reads `bol_7`, `enr_7`, `rem_7.1.0`, `att_7.1.0.0`, or the tenant's reference.
    pub fn of(id: &str) -> Self {
        let enrollment = id.parse::<EnrollmentId>().ok();
        let enrollment =
            enrollment.or_else(|| id.parse::<ReminderId>().ok().map(|it| it.enrollment));
        let enrollment = enrollment.or_else(|| {
            id.parse::<AttemptId>()
                .ok()
                .map(|it| it.reminder.enrollment)
        });
        match (enrollment, id.parse::<BoletoId>()) {
            (Some(enrollment), _) => Self::Enrollment(enrollment),
            (None, Ok(boleto)) => Self::Boleto(boleto),
            (None, Err(_)) => Reference::parse(id).map_or(Self::Nothing, Self::Reference),
        }
    }

    /// Reads all that was decided about its boleto.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is nothing of this name.
    pub async fn find(self, store: &Store, tenant: TenantId) -> Result<Why, StoreError> {
        const ABSENT: StoreError = StoreError::Absent { what: "boleto" };
        let boleto = match self {
            Self::Enrollment(enrollment) => return store.why_enrollment(tenant, enrollment).await,
            Self::Boleto(boleto) => boleto,
            Self::Reference(reference) => store
                .boleto_named(tenant, reference.as_str())
                .await?
                .ok_or(ABSENT)?,
            Self::Nothing => return Err(ABSENT),
        };
        store.why_boleto(tenant, boleto).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_however_it_is_spelled() {
        let asked = |text: &str| match About::of(text) {
            About::Reference(reference) => Some(String::from(reference)),
            _ => None,
        };
        assert_eq!(asked("Prac\u{327}a 1 "), Some("Pra\u{e7}a 1".to_owned()));
        assert!(matches!(About::of(" "), About::Nothing));
    }
}
