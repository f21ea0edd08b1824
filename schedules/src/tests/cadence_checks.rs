//! What a cadence may not say, and how it is stored.

use std::collections::BTreeSet;

use super::cadences::{cadence, customary, offset, recurring};
use crate::cadence::{
    Cadence, CadenceError, Condition, DayUnit, MERGE_WITHIN_MS_MAX, Merge, OCCURRENCES_MAX, Step,
    StepSet,
};
use crate::channel::Channel;
use crate::code::CodeError;

#[test]
fn a_cadence_names_everything_that_is_wrong_with_it() {
    use CadenceError as E;
    let bad = Cadence {
        steps: vec![
            Step {
                channels: vec![],
                template: " ".to_owned(),
                ..offset(64, 1, DayUnit::Calendar, "09:00")
            },
            Step {
                expires_after_ms: 0,
                ..offset(1, 4_000, DayUnit::Calendar, "09:00")
            },
            Step {
                channels: vec![Channel::Sms, Channel::Email, Channel::Sms],
                ..recurring(1, "0 9 * * *", 1, 0)
            },
            Step {
                condition: Condition {
                    amount_centavos_max: Some(0),
                    ..Condition::default()
                },
                ..recurring(2, "0 9 * * *", 1, OCCURRENCES_MAX + 1)
            },
        ],
        grace_business_days: 61,
        reminders_max: 0,
        condition: Condition {
            amount_centavos_min: Some(2),
            amount_centavos_max: Some(1),
            days_overdue_max: None,
        },
    };
    let errors: BTreeSet<_> = bad
        .validate()
        .expect_err("errors")
        .iter()
        .map(|error| format!("{error:?}"))
        .collect();
    let expected = [
        E::NoReminders,
        E::GraceTooLong,
        E::ImpossibleCampaignCondition,
        E::StepNumberTooLarge(64),
        E::NoChannel(64),
        E::TemplateCode(64, CodeError::ReadCharacter),
        E::TooManyOccurrences(2),
        E::ExpiryOutOfRange(1),
        E::DaysOutOfRange(1),
        E::RepeatedStep(1),
        E::RepeatedChannel(1),
        E::NoOccurrence(1),
        E::SecondRecurrence(2),
        E::ImpossibleCondition(2),
    ];
    assert_eq!(
        errors,
        expected.iter().map(|error| format!("{error:?}")).collect()
    );
    assert_eq!(cadence(vec![]).validate(), Err(vec![E::NoSteps]));
    assert_eq!(customary().validate(), Ok(()));
}

#[test]
fn a_step_merges_within_three_days_and_by_a_template_that_can_be_named() {
    let merging = |within_ms: i64, template: &str| {
        let template = template.to_owned();
        cadence(vec![Step {
            merge: Some(Merge {
                within_ms,
                template,
            }),
            ..offset(1, 3, DayUnit::Calendar, "09:00")
        }])
    };
    for within_ms in [0, MERGE_WITHIN_MS_MAX] {
        assert_eq!(merging(within_ms, "varios").validate(), Ok(()));
    }
    for within_ms in [-1, MERGE_WITHIN_MS_MAX + 1] {
        let refused = Err(vec![CadenceError::MergeOutOfRange(1)]);
        assert_eq!(merging(within_ms, "varios").validate(), refused);
    }
    let nameless = CadenceError::MergeTemplateCode(1, CodeError::FindText);
    assert_eq!(merging(0, "").validate(), Err(vec![nameless]));
}

#[test]
fn an_introduction_has_a_template_that_can_be_named() {
    let introducing = |template: &str| {
        cadence(vec![Step {
            introduction: Some(template.to_owned()),
            ..offset(1, 3, DayUnit::Calendar, "09:00")
        }])
    };
    assert_eq!(introducing("apresentacao").validate(), Ok(()));
    let nameless = CadenceError::IntroductionCode(1, CodeError::FindText);
    assert_eq!(introducing("").validate(), Err(vec![nameless]));
}

#[test]
fn a_cadence_reads_back_from_its_text() {
    let mut cadence = customary();
    cadence.steps.push(recurring(6, "0 9 * * MON", 20, 3));
    cadence.steps[0].merge = Some(Merge {
        within_ms: 1,
        template: "varios".to_owned(),
    });
    cadence.steps[1].introduction = Some("apresentacao".to_owned());
    let text = serde_json::to_string(&cadence).expect("text");
    assert_eq!(serde_json::from_str::<Cadence>(&text).ok(), Some(cadence));
}

#[test]
fn a_set_of_steps_holds_the_numbers_up_to_63_and_no_others() {
    let all = (0..=63).fold(StepSet::default(), StepSet::with);
    assert_eq!(all.iter().count(), 64);
    assert!(!all.contains(64) && !all.contains(255));
    assert_eq!(StepSet::default().with(64), StepSet::default());
    assert_eq!(
        StepSet::default()
            .with(3)
            .union(StepSet::default().with(63))
            .iter()
            .last(),
        Some(63)
    );
    assert_eq!(StepSet::default().iter().next(), None);
}
