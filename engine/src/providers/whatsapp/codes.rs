//! What each error code of the Cloud API means for a message, its sender and its contact: data.
//!
//! Source: Cloud API, "error codes" and the pages it names (September 2026). Meta asks to build on
//! the code alone: titles and texts change.

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Too many messages for now: the same may pass later.
    Patience,
    /// The service does not work for now: the same may pass later.
    Unavailable,
    /// It names no cause. With a status of the server's own fault the message may have left.
    Unexplained,
    /// Too many messages to this contact: wait 4^X seconds, others may pass.
    PatiencePair,
    /// Meta wants no message to this contact for a day, and longer after every try.
    HoldDay,
    /// The number, the account or the credentials are no good: nothing passes until they are
    /// mended.
    Break,
    /// The template is no good as it is: none of its messages passes before its next version.
    StopTemplate,
    /// The template is no good with what this message puts into it; without more such refusals that
    /// is this message's fault alone.
    DoubtTemplate,
    /// The template is paused for its quality: 3 hours, then 6.
    PauseTemplate,
    /// This contact cannot be reached here, or not now: another channel may.
    NextChannel,
    /// The contact wants nothing here any more.
    OptOut,
    /// The request should never have been made so: a fault of this program.
    OurFault,
}

/// The codes, by what follows from them.
const ACTIONS: &[(Action, &[u32])] = &[
    (Action::Patience, &[4, 80007, 130429, 133016]),
    (Action::Unavailable, &[2, 131016, 131057]),
    (Action::Unexplained, &[1, 131000]),
    (Action::PatiencePair, &[131056]),
    (Action::HoldDay, &[131049]),
    (
        Action::Break,
        &[
            0, 3, 10, 33, 190, 368, 130497, 131005, 131031, 131037, 131042, 131045, 131048, 131064,
        ],
    ),
    (
        Action::StopTemplate,
        &[132000, 132001, 132016, 132068, 132069],
    ),
    (
        Action::DoubtTemplate,
        &[131063, 132005, 132007, 132008, 132012],
    ),
    (Action::PauseTemplate, &[132015]),
    // 130472 is an experiment of Meta's that the contact is part of; 131047 asks for a template
    // where one was sent.
    (Action::NextChannel, &[130472, 131026, 131047]),
    (Action::OptOut, &[130403, 131050]),
    (
        Action::OurFault,
        &[100, 131008, 131009, 131021, 131030, 131051, 131053, 131062],
    ),
];

/// Returns what follows from a code, if it is known.
pub fn action_of(code: u32) -> Option<Action> {
    let mut actions = ACTIONS.iter();
    let found = actions.find(|(_, codes)| codes.contains(&code));
    found.map(|(action, _)| *action)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const PUBLISHED: &str = include_str!("../../../../tests/fixtures/whatsapp_error_codes.json");

    /// Those that depend on the values of one message.
    const OF_VALUES: [u64; 5] = [131_063, 132_005, 132_007, 132_008, 132_012];

    /// What a published action asks of us; nothing for one that nobody thought of.
    fn expected(published: &str, code: u64) -> Option<Action> {
        Some(match published {
            // Limits of the sender's own; the others are the service's fault.
            "retry_backoff" if [4, 80_007, 130_429, 133_016].contains(&code) => Action::Patience,
            "retry_backoff" if [1, 131_000].contains(&code) => Action::Unexplained,
            "retry_backoff" => Action::Unavailable,
            "retry_pair_backoff" => Action::PatiencePair,
            "hold_24h" => Action::HoldDay,
            "circuit_break_number" | "circuit_break_account" | "circuit_break_credentials" => {
                Action::Break
            }
            "template_fix" if OF_VALUES.contains(&code) => Action::DoubtTemplate,
            "template_fix" | "template_disabled" => Action::StopTemplate,
            "template_paused" => Action::PauseTemplate,
            // Blocked by the contact: as good as its word.
            "contact_undeliverable" if code == 130_403 => Action::OptOut,
            "opt_out_marketing" => Action::OptOut,
            "contact_undeliverable" | "skip_experiment" | "use_template" => Action::NextChannel,
            "request_bug" => Action::OurFault,
            _ => return None,
        })
    }

    #[test]
    fn every_published_code_has_its_action_and_there_are_no_others() {
        let published: Value = serde_json::from_str(PUBLISHED).expect("a fixture");
        let items = published["items"].as_array().expect("codes");
        assert_eq!(Some(items.len() as u64), published["count"].as_u64());
        for item in items {
            let code = item["code"].as_u64().expect("a code");
            let action = item["acao"].as_str().expect("an action");
            let ours = action_of(u32::try_from(code).expect("a small number"));
            assert!(ours.is_some(), "{code}");
            assert_eq!(ours, expected(action, code), "{code}");
        }
        let ours: usize = ACTIONS.iter().map(|(_, codes)| codes.len()).sum();
        assert_eq!(ours, items.len());
        assert_eq!(action_of(999_999), None);
    }
}
