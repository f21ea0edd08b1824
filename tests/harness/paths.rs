//! The paths of the API with something in place of their parts, for tests that walk all of them.

use engine::http::{Route, routes};

/// Returns every route, and its path for a tenant.
pub fn of(tenant: &str) -> Vec<(&'static Route, String)> {
    let filled = |route: &'static Route| (route, format!("/v1{}", filled(route.path, tenant)));
    routes().map(filled).collect()
}

/// Puts an example in the place of each part, `{name}` or `{name:first|second}`.
fn filled(pattern: &str, tenant: &str) -> String {
    let parts = pattern.split('/').map(|part| {
        let name = part.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        match name.map(|name| name.split_once(':').unwrap_or((name, ""))) {
            None => part,
            Some(("tenant", _)) => tenant,
            Some(("campaign", _)) => "cam_1",
            Some(("prefix", _)) => "aaaaaaaaaaaa",
            Some((_, "")) => "1",
            Some((_, choices)) => choices.split('|').next().unwrap_or_default(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}
