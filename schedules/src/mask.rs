//! The one rule by which contact points are hidden wherever people may see them.

/// The characters of a phone that are shown in front: the country.
const SHOWN_HEAD: usize = 3;
/// The characters of a phone that are shown at the end.
const SHOWN_TAIL: usize = 4;

/// Hides a contact point: `+55******1234`, `j***@example.com`.
///
/// What is too short to be either, such as a short code, is hidden whole.
pub fn masked(point: &str) -> String {
    if let Some((name, domain)) = point.rsplit_once('@') {
        let initial: String = name.chars().take(1).collect();
        return format!("{initial}***@{domain}");
    }
    let length = point.chars().count();
    if length < SHOWN_HEAD + 2 * SHOWN_TAIL {
        return "******".to_owned();
    }
    let head: String = point.chars().take(SHOWN_HEAD).collect();
    let tail: String = point.chars().skip(length - SHOWN_TAIL).collect();
    format!("{head}******{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_point_is_masked_by_one_rule() {
        for (point, shown) in [
            ("+5511987651234", "+55******1234"),
            ("+555532221234", "+55******1234"),
            ("joana.souza@example.com", "j***@example.com"),
            ("élia@example.com", "é***@example.com"),
            ("@example.com", "***@example.com"),
            ("27182", "******"),
            ("", "******"),
        ] {
            assert_eq!(masked(point), shown);
        }
    }
}
