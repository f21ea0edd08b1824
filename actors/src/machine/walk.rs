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
    /// The channels of each step, in the order of preference.
    steps: BTreeMap<u8, Vec<StepChannel>>,
    /// How steps merge the boletos of one contact, where they do.
    merges: BTreeMap<u8, StepMerge>,
}

/// How a step merges.
#[derive(Clone, Debug)]
pub(super) struct StepMerge {
    pub(super) within_ms: i64,
    /// The templates of merged messages, by channel.
    templates: BTreeMap<Channel, Arc<Template>>,
}

impl StepMerge {
    pub(super) fn template(&self, channel: Channel) -> Option<&Arc<Template>> {
        self.templates.get(&channel)
    }
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
        let merges = self.walks.values().flat_map(|walk| walk.merges.values());
        merges
            .map(|merge| merge.within_ms)
            .max()
            .unwrap_or_default()
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
        let usable = |code: &str, channel: Channel| {
            let template = templates.get(&(code.to_owned(), channel));
            template.filter(|template| satisfies(rules, template))
        };
        let template_on = |step: &Step, channel: Channel| usable(&step.template, channel).cloned();
        let merge_of = |step: &Step| {
            let merge = step.merge.as_ref()?;
            let on = |channel: &Channel| {
                let template = usable(&merge.template, *channel);
                Some((*channel, template.filter(|it| it.fits_several())?.clone()))
            };
            let templates = step.channels.iter().filter_map(on).collect();
            let within_ms = merge.within_ms;
            Some((
                step.no,
                StepMerge {
                    within_ms,
                    templates,
                },
            ))
        };
        let merges = state.campaign.cadence.steps.iter().filter_map(merge_of);
        let merges = merges.collect();
        let steps = state.campaign.cadence.steps.iter().map(|step| {
            let channels = step.channels.iter();
            (
                step.no,
                channels
                    .map(|channel| (*channel, template_on(step, *channel)))
                    .collect(),
            )
        });
        Self {
            steps: steps.collect(),
            merges,
            state,
        }
    }

    /// Returns the channels of a step, or nothing when the campaign has no such step (any more).
    pub(super) fn channels(&self, step_no: u8) -> Option<&[StepChannel]> {
        self.steps.get(&step_no).map(Vec::as_slice)
    }

    /// Returns how a step merges, if it does.
    pub(super) fn merge(&self, step_no: u8) -> Option<&StepMerge> {
        self.merges.get(&step_no)
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
