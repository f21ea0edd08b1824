//! The one decision: whether a caller may do what it asks for.

use schedules::id::TenantId;

use super::record::TokenId;
use super::scope::{Scope, Scopes};

/// A caller that has shown a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token.
    pub token: TokenId,
    /// The tenant that it is of; `None` for one of the whole engine.
    pub tenant: Option<TenantId>,
    /// What it allows.
    pub scopes: Scopes,
}

/// Why a caller may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// For this caller it does not exist, whether or not there is such a tenant.
    #[error("not found")]
    NotFound,
    /// It exists, and the token does not allow it.
    #[error("not allowed")]
    Forbidden,
}

/// Decides whether a caller may do something to a tenant, or, without one, to the engine.
///
/// A token of the whole engine with [`Scope::Admin`] may do everything; without that scope, which
/// nobody can create, it may do nothing. A tenant's token may do to its tenant what its scopes
/// say, and never what needs [`Scope::Admin`], whatever its row says.
///
/// # Errors
/// [`Denied::NotFound`] for another tenant, before anything else is looked at, so that no answer
/// tells who exists; [`Denied::Forbidden`] for a missing scope.
pub fn authorise(
    principal: &Principal,
    tenant: Option<TenantId>,
    wanted: Scope,
) -> Result<(), Denied> {
    if tenant.is_some_and(|tenant| !principal.reaches(tenant)) {
        return Err(Denied::NotFound);
    }
    let has = |scope| principal.scopes.contains(scope);
    let may = match principal.tenant {
        None => has(Scope::Admin),
        Some(_) => tenant.is_some() && wanted != Scope::Admin && has(wanted),
    };
    may.then_some(()).ok_or(Denied::Forbidden)
}

impl Principal {
    /// Says whether the tenant exists for this caller, whatever it may do to it.
    pub fn reaches(&self, tenant: TenantId) -> bool {
        self.tenant.is_none_or(|own| own == tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: TenantId = TenantId(1);
    const OTHER: TenantId = TenantId(2);

    /// Every set of scopes, the empty one included.
    fn every_set() -> impl Iterator<Item = Scopes> {
        (0..1_u8 << Scope::ALL.len()).map(|bits| {
            let all = Scope::ALL.into_iter().enumerate();
            Scopes::of(all.filter(|(at, _)| bits & 1 << at != 0).map(|(_, it)| it))
        })
    }

    fn asked(
        of: Option<TenantId>,
        scopes: Scopes,
        tenant: Option<TenantId>,
        wanted: Scope,
    ) -> Result<(), Denied> {
        let principal = Principal {
            token: TokenId(7),
            tenant: of,
            scopes,
        };
        authorise(&principal, tenant, wanted)
    }

    /// What follows for a caller of one tenant or of the engine, by whom it asks about.
    type Row = (
        Option<TenantId>,
        Option<TenantId>,
        fn(bool, Scope, bool) -> Result<(), Denied>,
    );

    /// Caller, subject, and the answer by: has the scope, the scope, has `admin`.
    const TABLE: [Row; 6] = [
        (Some(OWN), Some(OWN), |has, wanted, _| {
            let may = has && wanted != Scope::Admin;
            if may { Ok(()) } else { Err(Denied::Forbidden) }
        }),
        (Some(OWN), Some(OTHER), |_, _, _| Err(Denied::NotFound)),
        (Some(OWN), None, |_, _, _| Err(Denied::Forbidden)),
        (None, Some(OWN), |_, _, admin| admin_or_nothing(admin)),
        (None, Some(OTHER), |_, _, admin| admin_or_nothing(admin)),
        (None, None, |_, _, admin| admin_or_nothing(admin)),
    ];

    fn admin_or_nothing(admin: bool) -> Result<(), Denied> {
        if admin {
            Ok(())
        } else {
            Err(Denied::Forbidden)
        }
    }

    #[test]
    fn every_caller_may_do_what_the_table_says_and_nothing_else() {
        let mut asked_for = 0;
        for (of, tenant, answer) in TABLE {
            for scopes in every_set() {
                for wanted in Scope::ALL {
                    let (has, admin) = (scopes.contains(wanted), scopes.contains(Scope::Admin));
                    let expected = answer(has, wanted, admin);
                    let case = (of, scopes, tenant, wanted);
                    assert_eq!(asked(of, scopes, tenant, wanted), expected, "{case:?}");
                    asked_for += 1;
                }
            }
        }
        assert_eq!(asked_for, 6 * 32 * 5);
    }

    #[test]
    fn another_tenant_is_not_found_whether_or_not_it_exists() {
        for scopes in every_set() {
            for wanted in Scope::ALL {
                for other in [OTHER, TenantId(0), TenantId(-1), TenantId(i64::MAX)] {
                    let answer = asked(Some(OWN), scopes, Some(other), wanted);
                    assert_eq!(answer, Err(Denied::NotFound));
                }
            }
        }
    }

    #[test]
    fn a_tenants_token_that_somehow_has_admin_is_no_admin() {
        let scopes = Scopes::of(Scope::ALL);
        assert_eq!(
            asked(Some(OWN), scopes, Some(OWN), Scope::Admin),
            Err(Denied::Forbidden)
        );
        assert_eq!(
            asked(Some(OWN), scopes, None, Scope::Admin),
            Err(Denied::Forbidden)
        );
        assert_eq!(asked(Some(OWN), scopes, Some(OWN), Scope::Manage), Ok(()));
    }
}
