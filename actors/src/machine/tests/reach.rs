//! Which channel a due reminder takes, and why one that cannot be used is passed over.

use schedules::rule::{Rule, RuleBody};
use schedules::template::{PaymentButton, Template, Variable};

use super::super::values::Sources;
use super::*;
use crate::ports::Boleto;

const LANDLINE: &str = "+551132221234";

/// Returns what is decided at 9 o'clock three days before the due date.
fn decided(settings: Settings, change: impl FnOnce(&mut Contact)) -> Vec<Change> {
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    let mut contact = fixtures::contact(ContactId(1));
    change(&mut contact);
    admit_of(&mut machine, &enrolled, at(7, 9, 5), contact);
    step_with(&mut machine, &[Input::Tick], at(7, 9, 0)).0
}

fn settings_over(channels: &[Channel]) -> Settings {
    let steps = vec![fixtures::step(0, -3, channels)];
    fixtures::settings(TenantId(1), at(1, 0, 0), steps, channels)
}

fn claimed_channel(changes: &[Change]) -> Option<Channel> {
    claims(changes).first().map(|claim| claim.channel)
}

fn reason(changes: &[Change]) -> Option<Reason> {
    changes.iter().find_map(|change| match change {
        Change::Ruled(ruled) => Some(ruled.verdict.reason),
        _ => None,
    })
}

#[test]
fn a_text_that_cannot_be_rendered_leaves_the_touch_to_the_next_channel() {
    let mut settings = settings_over(&CHANNELS);
    // Long enough for the name alone to make it too long.
    settings.templates[0].body = format!("{}{{{{contact_name}}}}", "x".repeat(1_020));
    let changes = decided(settings.clone(), |_| ());
    assert_eq!(claimed_channel(&changes), Some(Channel::Email));
    let changes = decided(settings, |contact| contact.email = None);
    assert_eq!(reason(&changes), Some(Reason::TemplateUnusable));
}

#[test]
fn a_link_in_a_name_reaches_nobody_on_any_channel() {
    let changes = decided(settings_over(&CHANNELS), |contact| {
        contact.name = "https://evil.example".into();
    });
    assert_eq!(reason(&changes), Some(Reason::TemplateUnusable));
}

#[test]
fn an_sms_goes_to_a_mobile_and_whatsapp_to_any_phone() {
    let landline = |contact: &mut Contact| contact.phone = Some(LANDLINE.into());
    let sms = || settings_over(&[Channel::Sms]);
    assert_eq!(claimed_channel(&decided(sms(), |_| ())), Some(Channel::Sms));
    assert_eq!(
        reason(&decided(sms(), landline)),
        Some(Reason::NoContactPoint)
    );
    let changes = decided(settings_over(&[Channel::Sms, Channel::Whatsapp]), landline);
    assert_eq!(claimed_channel(&changes), Some(Channel::Whatsapp));
}

#[test]
fn a_line_is_grouped_for_reading_and_a_pix_code_stays_as_it_is() {
    let boleto = Boleto {
        digitable_line: Some("03399534655410007231078760701017115650000034353".into()),
        pix_code: Some("00020126".into()),
        ..fixtures::boleto(BoletoId(1))
    };
    let (settings, contact) = (settings(), fixtures::contact(ContactId(1)));
    let template = Template {
        body: "{{digitable_line}} {{pix_code}}".into(),
        variables: vec![Variable::DigitableLine, Variable::PixCode],
        ..settings.templates[0].clone()
    };
    let sources = Sources {
        tenant: &settings.tenant,
        contact: &contact,
        boleto: &boleto,
    };
    let rendered = template.render(&sources.values(&template, at(7, 9, 0)));
    assert_eq!(
        rendered.map(|it| it.body).as_deref(),
        Ok("03399.53465 54100.072310 78760.701017 1 15650000034353 00020126")
    );
}

#[test]
fn a_boleto_that_lacks_what_a_button_needs_has_no_letter_on_that_channel() {
    let mut settings = settings_over(&CHANNELS);
    let whatsapp = |one: &&mut Template| one.channel == Channel::Whatsapp;
    let template = settings.templates.iter_mut().find(whatsapp).unwrap();
    template.approved.buttons = vec![PaymentButton::Boleto, PaymentButton::Link];
    // It has neither line nor link.
    let changes = decided(settings, |_| ());
    let claimed = claimed_channel(&changes);
    assert!(claimed.is_some() && claimed != Some(Channel::Whatsapp));
}

#[test]
fn a_tenant_without_a_sender_is_told_so() {
    let mut settings = settings_over(&[Channel::Whatsapp]);
    settings.tenant.senders.clear();
    assert_eq!(reason(&decided(settings, |_| ())), Some(Reason::NoSender));
}

/// Settings with the customary send windows alone, and the first of two channels without a text.
fn unrenderable_first() -> Settings {
    let mut settings = settings_over(&CHANNELS);
    let window = |rule: &Rule| matches!(rule.body, RuleBody::SendWindow(_));
    settings.tenant.rules = RulePack::brazil();
    settings.tenant.rules.rules.retain(window);
    settings.templates[0].body = format!("{}{{{{contact_name}}}}", "x".repeat(1_020));
    settings.campaigns[0].campaign.cadence.steps[0].expires_after_ms = 7 * DAY_MS;
    settings
}

#[test]
fn a_held_touch_is_not_rendered_before_it_may_go_out() {
    let mut machine = machine_with(unrenderable_first());
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(9, 8, 0));
    // 7 November 2026 is a Saturday: its window shuts at 14, and opens again on Monday.
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 15, 0));
    assert_eq!(reason(&changes), Some(Reason::OutsideSendWindow));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(9, 8, 0));
    assert_eq!(claimed_channel(&changes), Some(Channel::Email));
}

#[test]
fn a_touch_that_no_channel_can_render_is_held_by_its_window_and_skipped_when_it_opens() {
    let mut settings = unrenderable_first();
    settings.templates[1].variables = vec![Variable::PixCode];
    settings.templates[1].body = "{{pix_code}}".into();
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(9, 8, 0));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(7, 15, 0));
    assert_eq!(reason(&changes), Some(Reason::OutsideSendWindow));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], at(9, 8, 0));
    let missing = Some(Reason::TemplateVariableMissing);
    assert_eq!(reason(&changes), missing, "what was missing last");
}

#[test]
fn a_touch_that_is_too_late_for_a_channel_without_a_letter_takes_the_next() {
    let mut settings = unrenderable_first();
    settings.campaigns[0].campaign.cadence.steps[0].expires_after_ms = DAY_MS;
    let mut machine = machine_with(settings.clone());
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 14, 0));
    // What goes out by WhatsApp may arrive an hour later, when Saturday's window is shut.
    let half_past_one = at(7, 13, 30);
    let (changes, _) = step_with(&mut machine, &[Input::Tick], half_past_one);
    assert_eq!(claimed_channel(&changes), Some(Channel::Email));
    settings.templates[0].body = "Olá".into();
    let mut machine = machine_with(settings);
    let enrolled = enroll(&mut machine, 1, at(1, 10, 0));
    admit(&mut machine, &enrolled, at(7, 14, 0));
    let (changes, _) = step_with(&mut machine, &[Input::Tick], half_past_one);
    assert_eq!(
        reason(&changes),
        Some(Reason::Expired),
        "it is not diverted"
    );
}
