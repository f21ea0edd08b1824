//! The settings in the shape in which the gates want them: steps by number, templates by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use schedules::cadence::Step;
use schedules::calendar::Calendar;
use schedules::channel::Channel;
use schedules::id::CampaignId;
use schedules::plan::{PlanInput, Progress, Touch, next_touch};
use schedules::rule::RulePack;
use schedules::template::Template;
use schedules::time::Timestamp;

use crate::ports::{CampaignState, Cursor, Sender, Settings, Tenant};

/// The tenant's settings, indexed.
#[derive(Clone, Debug)]
pub(super) struct Walks {
    tenant: Tenant,
    walks: BTreeMap<CampaignId, Walk>,
}

/// One campaign, indexed.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) state: CampaignState,
    steps: BTreeMap<u8, WalkStep>,
}

/// One step of a campaign, with its templates.
#[derive(Clone, Debug)]
pub(super) struct WalkStep {
    /// In the order of preference.
    channels: Vec<StepChannel>,
    /// What takes their place for a contact that is not confirmed, where the step has that.
    introduction: Option<Vec<StepChannel>>,
    /// How the step merges the boletos of one contact, where it does.
    merge: Option<StepMerge>,
}

/// How a step merges.
#[derive(Clone, Debug)]
struct StepMerge {
    within_ms: i64,
    channels: Vec<StepChannel>,
}

/// A channel of a step with its template, where it has a usable one.
pub(super) type StepChannel = (Channel, Option<Arc<Template>>);

impl Walks {
    pub(super) fn new(settings: Settings) -> Self {
        let templates: BTreeMap<(String, Channel), Arc<Template>> = settings
            .templates
            .into_iter()
            .map(|template| {
                (
                    (template.code.clone(), template.channel),
                    Arc::new(template),
                )
            })
            .collect();
        let rules = &settings.tenant.rules;
        let walks = settings
            .campaigns
            .into_iter()
            .map(|state| (state.campaign.id, Walk::new(state, &templates, rules)))
            .collect();
        Self {
            tenant: settings.tenant,
            walks,
        }
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn tenant_mut(&mut self) -> &mut Tenant {
        &mut self.tenant
    }

    pub(super) fn walk(&self, campaign: CampaignId) -> Option<&Walk> {
        self.walks.get(&campaign)
    }

    pub(super) fn walks(&self) -> impl Iterator<Item = &Walk> {
        self.walks.values()
    }

    pub(super) fn running(&self) -> bool {
        self.tenant.running
    }

    /// Returns how far back the sends to a contact matter, in milliseconds.
    pub(super) fn lookback_ms(&self) -> i64 {
        self.tenant.rules.lookback_ms()
    }

    /// Returns how far back the tallies matter, in milliseconds; 0 when no rule looks at them.
    pub(super) fn tally_lookback_ms(&self) -> i64 {
        self.tenant.rules.tally_lookback_ms()
    }

    /// Returns how far ahead of its slot any step may bring a touch forward, in milliseconds.
    pub(super) fn merges_ahead_ms(&self) -> i64 {
        let steps = self.walks.values().flat_map(|walk| walk.steps.values());
        let within_ms = steps.filter_map(WalkStep::merges_within_ms);
        within_ms.max().unwrap_or_default()
    }

    pub(super) fn sender(&self, channel: Channel) -> Option<&Sender> {
        self.tenant
            .senders
            .iter()
            .find(|sender| sender.channel == channel)
    }
}

impl Walk {
    fn new(
        state: CampaignState,
        templates: &BTreeMap<(String, Channel), Arc<Template>>,
        rules: &RulePack,
    ) -> Self {
        let steps = state.campaign.cadence.steps.iter();
        let steps = steps.map(|step| (step.no, WalkStep::new(step, templates, rules)));
        Self {
            steps: steps.collect(),
            state,
        }
    }

    /// Returns a step, or nothing when the campaign has it no more.
    pub(super) fn step(&self, step_no: u8) -> Option<&WalkStep> {
        self.steps.get(&step_no)
    }

    /// Returns what the planner looks at for a boleto of this campaign.
    pub(super) fn plan_input<'a>(
        &'a self,
        calendar: &'a Calendar,
        subject: PlanSubject,
        progress: Progress,
    ) -> PlanInput<'a> {
        PlanInput {
            cadence: &self.state.campaign.cadence,
            calendar,
            zone: subject.zone,
            due_on: subject.due_on,
            amount_centavos: subject.amount_centavos,
            progress,
        }
    }

    /// Returns the cursor that stands at the next touch after `progress`.
    pub(super) fn cursor_at(
        &self,
        calendar: &Calendar,
        subject: PlanSubject,
        progress: Progress,
    ) -> Cursor {
        let touch = next_touch(&self.plan_input(calendar, subject, progress));
        Cursor {
            progress,
            touch,
            next_at: touch.map(|touch| touch.slot_at),
            ..Cursor::default()
        }
    }

    /// Returns the cursor after `touch` was sent or passed over.
    pub(super) fn cursor_after(
        &self,
        calendar: &Calendar,
        subject: PlanSubject,
        progress: Progress,
        touch: &Touch,
        sent: bool,
    ) -> Cursor {
        let progress = progress.after(&self.state.campaign.cadence, touch, sent);
        self.cursor_at(calendar, subject, progress)
    }
}

impl WalkStep {
    fn new(
        step: &Step,
        templates: &BTreeMap<(String, Channel), Arc<Template>>,
        rules: &RulePack,
    ) -> Self {
        let on_channels = |code: &str, is_fit: fn(&Template) -> bool| {
            let on = |channel: &Channel| {
                let template = templates.get(&(code.to_owned(), *channel));
                let template = template.filter(|it| satisfies(rules, it) && is_fit(it));
                (*channel, template.cloned())
            };
            step.channels.iter().map(on).collect()
        };
        let introduction = step.introduction.as_deref();
        let merge = step.merge.as_ref().map(|merge| StepMerge {
            within_ms: merge.within_ms,
            channels: on_channels(&merge.template, Template::fits_several),
        });
        Self {
            channels: on_channels(&step.template, |_| true),
            introduction: introduction.map(|code| on_channels(code, Template::names_no_debt)),
            merge,
        }
    }

    /// Returns the channels, in the order of preference, with what they say to such a contact.
    pub(super) fn channels(&self, confirmed: bool) -> &[StepChannel] {
        match &self.introduction {
            Some(introduction) if !confirmed => introduction,
            _ => &self.channels,
        }
    }

    /// Returns what a message about several boletos of such a contact says, if the step merges.
    /// An introduction is about none of them.
    pub(super) fn merged(&self, channel: Channel, confirmed: bool) -> Option<&Arc<Template>> {
        let merge = self.merge.as_ref()?;
        let channels = match &self.introduction {
            Some(introduction) if !confirmed => introduction,
            _ => &merge.channels,
        };
        let (_, template) = channels.iter().find(|(one, _)| *one == channel)?;
        template.as_ref()
    }

    /// Returns how far ahead of its slot the step may bring a touch forward, if it merges, in
    /// milliseconds.
    pub(super) fn merges_within_ms(&self) -> Option<i64> {
        self.merge.as_ref().map(|merge| merge.within_ms)
    }
}

/// Says whether the template holds every text that the rules ask of its channel.
fn satisfies(rules: &RulePack, template: &Template) -> bool {
    rules
        .mandatory_texts(template.channel)
        .all(|text| template.satisfies(text))
}

/// What of a boleto and its contact the planner looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlanSubject {
    pub(super) due_on: chrono::NaiveDate,
    pub(super) amount_centavos: i64,
    pub(super) zone: chrono_tz::Tz,
}

impl Cursor {
    /// Returns the cursor that looks at the same touch again at `next_at`.
    #[must_use]
    pub(super) fn held_until(self, next_at: Timestamp) -> Self {
        Self {
            next_at: Some(next_at),
            ..self
        }
    }

    /// Says whether it is looked at again at or before `until`.
    pub(super) fn is_at_by(self, until: Timestamp) -> bool {
        self.next_at.is_some_and(|at| at <= until)
    }
}
