//! What single boletos would get, reminder by reminder.
//!
//! The boletos' contacts are looked at with all that is theirs, and nobody else: campaign and
//! tenant caps and the pace of the senders see no messages to others.

use std::collections::BTreeMap;

use actors::machine::change::Ruled;
use actors::machine::effect::HandOver;
use chrono::NaiveDate;
use chrono_tz::Tz;
use schedules::channel::Channel;
use schedules::id::{BoletoId, CampaignId, ContactId, ReminderId};
use schedules::time::{Timestamp, day_start};
use schedules::verdict::{Reason, RuleRef, Ruling};
use serde::Serialize;
use utoipa::ToSchema;

use super::load::Loaded;
use super::{Event, Patience, rehearse};

/// The most that is told of one boleto.
const HAPPENINGS_MAX: usize = 200;

/// How a preview is made.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// When it is asked for.
    pub now: Timestamp,
    /// How many days of the tenant are looked at, today included.
    pub days: u32,
    /// How many boletos are shown, of those that the campaign takes; all that were named if none.
    pub sample: Option<usize>,
    /// Texts are shown as the contact would read them, and references.
    pub personal: bool,
}

/// What boletos would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// The version of the campaign's content.
    pub version: u32,
    /// The last day that was looked at, of the tenant's zone.
    pub until_on: NaiveDate,
    /// The boletos.
    pub boletos: Vec<Foreseen>,
    /// More would happen than is told.
    pub truncated: bool,
}

/// What one boleto would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Foreseen {
    /// The boleto.
    pub boleto: String,
    /// The tenant's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The campaign takes it, or has it.
    pub taken: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// What happens, in order.
    pub happenings: Vec<Happening>,
}

/// One thing that happens to a reminder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Happening {
    /// The step.
    pub step: u8,
    /// The occurrence of a recurring step, 0 otherwise.
    pub occurrence: u32,
    /// When, in UTC.
    pub at: String,
    /// The contact's wall clock then.
    pub local: String,
    /// The contact's likeliest zone.
    #[schema(value_type = String)]
    pub zone: Tz,
    /// `send`, `hold`, `skip` or `cancel`.
    pub ruling: &'static str,
    /// The channel of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The code of the reason.
    pub reason: &'static str,
    /// The rule that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// Why, in Portuguese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The text of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
}

/// The text of a message.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageText)]
pub struct Text {
    /// The template's code.
    pub template: String,
    /// The template's version.
    pub version: u32,
    /// The subject line of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// It is the template's own text: its variables have no values here.
    pub masked: bool,
}

/// Shows the template only: the text is personal.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// Rehearses a campaign for a few boletos.
pub fn preview(loaded: Loaded, sight: Sight, patience: &Patience) -> Preview {
    let zone = loaded.settings.tenant.zone;
    let end_on = sight.now.local_date(zone) + chrono::Days::new(sight.days.into());
    let mut lines = Lines::of(&loaded, sight);
    let known = loaded.world.boletos.iter();
    let is_in: BTreeMap<BoletoId, bool> = known.map(|one| (one.boleto.id, one.is_in)).collect();
    let until = day_start(zone, end_on);
    let ended = rehearse(loaded.world, sight.now, until, patience, &mut |event| {
        lines.take(&event);
    });
    let truncated = loaded.truncated || ended.cut_short || lines.truncated;
    let mut boletos = Vec::new();
    // The newest come first.
    for (id, meant) in loaded.meant.iter().rev() {
        let happenings = lines.by_boleto.remove(id).unwrap_or_default();
        let taken = lines.goes_on.get(id).copied();
        let why_not = match (&meant.bar, taken, is_in.get(id)) {
            (Some(bar), ..) => Some(bar.clone()),
            (None, Some(true), _) => None,
            (None, Some(false), _) => Some("nothing_to_come".to_owned()),
            (None, None, Some(true)) => Some("already_in".to_owned()),
            (None, None, _) => Some("not_considered".to_owned()),
        };
        boletos.push(Foreseen {
            boleto: id.to_string(),
            reference: lines.references.remove(id),
            taken: why_not.is_none(),
            why_not,
            happenings,
        });
    }
    if let Some(sample) = sight.sample {
        boletos.retain(|one| one.taken);
        boletos.truncate(sample);
    }
    Preview {
        version: loaded.version,
        until_on: end_on.pred_opt().unwrap_or(end_on),
        boletos,
        truncated,
    }
}

/// What was met in a rehearsal.
struct Lines {
    campaign: CampaignId,
    personal: bool,
    zones: BTreeMap<ContactId, Tz>,
    references: BTreeMap<BoletoId, String>,
    by_boleto: BTreeMap<BoletoId, Vec<Happening>>,
    /// The boletos of the campaign, and whether anything comes for them.
    goes_on: BTreeMap<BoletoId, bool>,
    truncated: bool,
}

impl Lines {
    fn of(loaded: &Loaded, sight: Sight) -> Self {
        let world = &loaded.world;
        let contacts = world.contacts.iter();
        let zones = contacts.filter_map(|one| Some((one.id, *one.zones.first()?)));
        let mine = world.standing.iter();
        let mine = mine.filter(|one| one.campaign == world.campaign);
        let references = world.boletos.iter().filter(|_| sight.personal);
        let references = references.map(|one| (one.boleto.id, one.boleto.reference.clone()));
        Self {
            campaign: world.campaign,
            personal: sight.personal,
            zones: zones.collect(),
            references: references.collect(),
            by_boleto: loaded.meant.keys().map(|id| (*id, Vec::new())).collect(),
            goes_on: mine
                .map(|one| (one.boleto, one.cursor.touch.is_some()))
                .collect(),
            truncated: false,
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Enrolled(one) if one.campaign == self.campaign => {
                self.goes_on.insert(one.boleto, one.cursor.touch.is_some());
                for ruled in &one.passed {
                    self.add(one.boleto, self.ruled(one.contact, ruled));
                }
            }
            Event::Sent(at, message) if message.campaign == self.campaign => {
                self.add(message.boleto, self.sent(*at, message));
            }
            Event::Ruled(enrollment, ruled) if enrollment.campaign == self.campaign => {
                self.add(enrollment.boleto, self.ruled(enrollment.contact, ruled));
            }
            _ => {}
        }
    }

    fn add(&mut self, boleto: BoletoId, happening: Happening) {
        let Some(happenings) = self.by_boleto.get_mut(&boleto) else {
            return;
        };
        if happenings.len() == HAPPENINGS_MAX {
            self.truncated = true;
            return;
        }
        happenings.push(happening);
    }

    fn zone(&self, contact: ContactId) -> Tz {
        let zone = self.zones.get(&contact).copied();
        zone.unwrap_or(Tz::America__Sao_Paulo)
    }

    fn sent(&self, at: Timestamp, message: &HandOver) -> Happening {
        let template = &message.template;
        let (subject, body) = match self.personal {
            true => (&message.rendered.subject, &message.rendered.body),
            false => (&template.subject, &template.body),
        };
        Happening {
            ruling: "send",
            channel: Some(message.channel),
            message: Some(Text {
                template: template.code.clone(),
                version: template.version,
                subject: subject.clone(),
                body: body.clone(),
                masked: !self.personal,
            }),
            ..happening(message.attempt.reminder, at, self.zone(message.contact))
        }
    }

    fn ruled(&self, contact: ContactId, ruled: &Ruled) -> Happening {
        let (verdict, zone) = (&ruled.verdict, self.zone(contact));
        let ruling = match verdict.ruling {
            Ruling::Send { .. } => "send",
            Ruling::Hold { .. } => "hold",
            Ruling::Skip => "skip",
            Ruling::Cancel => "cancel",
        };
        Happening {
            ruling,
            reason: verdict.reason.code(),
            rule: verdict.rule.clone(),
            explanation: Some(verdict.explain_pt(zone)),
            ..happening(ruled.reminder, ruled.at, zone)
        }
    }
}

/// Returns what every happening says.
fn happening(reminder: ReminderId, at: Timestamp, zone: Tz) -> Happening {
    Happening {
        step: reminder.step_no,
        occurrence: reminder.occurrence,
        at: at.to_string(),
        local: at.local(zone).format("%d/%m/%Y %H:%M").to_string(),
        zone,
        ruling: "send",
        channel: None,
        reason: Reason::Due.code(),
        rule: None,
        explanation: None,
        message: None,
    }
}
