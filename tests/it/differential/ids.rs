//! The identifiers that a database gave, and those of the model for the same rows.

use std::collections::BTreeMap;

use actors::machine::change::{CameBack, Change, Claim, Enrolled, Moved, Ruled, Settled};
use actors::machine::effect::Subject;
use actors::machine::input::{FactBody, Sweep, SweepKind};
use actors::ports::Enrollment;
use schedules::id::{AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId};

use super::view::enrolls;

/// No row has a number from here on.
const NOBODYS: i64 = 1_000_000_000;

/// Pairs of one kind of row.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    theirs: BTreeMap<i64, i64>,
    models: BTreeMap<i64, i64>,
}

impl Pairs {
    pub fn learn(&mut self, model: i64, theirs: i64) {
        self.theirs.insert(model, theirs);
        self.models.insert(theirs, model);
    }

    pub fn knows(&self, model: i64) -> bool {
        self.theirs.contains_key(&model)
    }

    /// What one side has no row for gets a number that no row has, and gets it back.
    fn of(pairs: &BTreeMap<i64, i64>, id: i64) -> i64 {
        match pairs.get(&id) {
            Some(known) => *known,
            None if (1..NOBODYS).contains(&id) => id + NOBODYS,
            None if (NOBODYS..2 * NOBODYS).contains(&id) => id - NOBODYS,
            None => id,
        }
    }
}

/// All pairs of a database.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    pub boletos: Pairs,
    pub contacts: Pairs,
    pub campaigns: Pairs,
    pub enrollments: Pairs,
    pub facts: Pairs,
    pub imports: Pairs,
}

/// The way of a translation.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    ids: &'a Ids,
    to_store: bool,
}

impl Ids {
    pub fn to_store(&self) -> Way<'_> {
        Way {
            ids: self,
            to_store: true,
        }
    }

    pub fn to_model(&self) -> Way<'_> {
        Way {
            ids: self,
            to_store: false,
        }
    }
}

impl Way<'_> {
    fn of(&self, pairs: &Pairs, id: i64) -> i64 {
        let map = match self.to_store {
            true => &pairs.theirs,
            false => &pairs.models,
        };
        Pairs::of(map, id)
    }

    pub fn boleto(&self, id: BoletoId) -> BoletoId {
        BoletoId(self.of(&self.ids.boletos, id.0))
    }

    pub fn contact(&self, id: ContactId) -> ContactId {
        ContactId(self.of(&self.ids.contacts, id.0))
    }

    pub fn campaign(&self, id: CampaignId) -> CampaignId {
        CampaignId(self.of(&self.ids.campaigns, id.0))
    }

    pub fn enrollment_id(&self, id: EnrollmentId) -> EnrollmentId {
        EnrollmentId(self.of(&self.ids.enrollments, id.0))
    }

    pub fn fact(&self, seq: i64) -> i64 {
        self.of(&self.ids.facts, seq)
    }

    pub fn import(&self, import: i64) -> i64 {
        self.of(&self.ids.imports, import)
    }

    pub fn enrollment(&self, one: Enrollment) -> Enrollment {
        Enrollment {
            id: self.enrollment_id(one.id),
            campaign: self.campaign(one.campaign),
            boleto: self.boleto(one.boleto),
            contact: self.contact(one.contact),
            cursor: one.cursor,
        }
    }

    pub fn reminder(&self, one: ReminderId) -> ReminderId {
        ReminderId {
            enrollment: self.enrollment_id(one.enrollment),
            ..one
        }
    }

    pub fn attempt(&self, one: AttemptId) -> AttemptId {
        AttemptId {
            reminder: self.reminder(one.reminder),
            ..one
        }
    }

    pub fn subject(&self, subject: Subject) -> Subject {
        match subject {
            Subject::Boleto(id) => Subject::Boleto(self.boleto(id)),
            Subject::Contact(id) => Subject::Contact(self.contact(id)),
            Subject::Campaign(id) => Subject::Campaign(self.campaign(id)),
            Subject::Channel(_) | Subject::Tenant => subject,
        }
    }

    pub fn claim(&self, one: &Claim) -> Claim {
        Claim {
            attempt: self.attempt(one.attempt),
            lead: one.lead.map(|lead| self.attempt(lead)),
            boleto: self.boleto(one.boleto),
            contact: self.contact(one.contact),
            campaign: self.campaign(one.campaign),
            ..one.clone()
        }
    }

    fn ruled(&self, one: &Ruled) -> Ruled {
        Ruled {
            reminder: self.reminder(one.reminder),
            ..one.clone()
        }
    }

    fn moved(&self, one: &Moved) -> Moved {
        Moved {
            enrollment: self.enrollment_id(one.enrollment),
            to: one.to,
        }
    }

    pub fn sweep(&self, one: &Sweep) -> Sweep {
        let after = match enrolls(&one.kind) {
            true => self.boleto(BoletoId(one.after)).0,
            false => self.enrollment_id(EnrollmentId(one.after)).0,
        };
        let kind = match one.kind {
            SweepKind::EnrollImport { import } => SweepKind::EnrollImport {
                import: self.import(import),
            },
            SweepKind::EnrollCampaign { campaign } => SweepKind::EnrollCampaign {
                campaign: self.campaign(campaign),
            },
            SweepKind::EnrollBoleto { boleto } => SweepKind::EnrollBoleto {
                boleto: self.boleto(boleto),
            },
            SweepKind::EnrollContact { contact, .. } => SweepKind::EnrollContact {
                contact: self.contact(contact),
                also: Vec::new(),
            },
            SweepKind::ReplanBoleto { boleto } => SweepKind::ReplanBoleto {
                boleto: self.boleto(boleto),
            },
            SweepKind::ReplanContact { contact, .. } => SweepKind::ReplanContact {
                also: Vec::new(),
                contact: self.contact(contact),
            },
            SweepKind::ReplanCampaign { campaign } => SweepKind::ReplanCampaign {
                campaign: self.campaign(campaign),
            },
            SweepKind::StopCampaign { campaign } => SweepKind::StopCampaign {
                campaign: self.campaign(campaign),
            },
            SweepKind::ReplanTenant => SweepKind::ReplanTenant,
        };
        Sweep {
            seq: self.fact(one.seq),
            kind,
            after,
        }
    }

    pub fn change(&self, change: &Change) -> Change {
        match change {
            Change::FactApplied { seq } => Change::FactApplied {
                seq: self.fact(*seq),
            },
            Change::Enrolled(one) => Change::Enrolled(Enrolled {
                campaign: self.campaign(one.campaign),
                boleto: self.boleto(one.boleto),
                contact: self.contact(one.contact),
                cursor: one.cursor,
                passed: one.passed.clone(),
            }),
            Change::Claimed(claim) => Change::Claimed(self.claim(claim)),
            Change::Ruled(ruled) => Change::Ruled(self.ruled(ruled)),
            Change::CameBack(back) => Change::CameBack(CameBack {
                reminder: self.reminder(back.reminder),
                ..back.clone()
            }),
            Change::Moved(moved) => Change::Moved(self.moved(moved)),
            Change::Reactivated(moved) => Change::Reactivated(self.moved(moved)),
            Change::Settled(settled) => Change::Settled(Settled {
                attempt: self.attempt(settled.attempt),
                ..settled.clone()
            }),
            Change::Finished { enrollment } => Change::Finished {
                enrollment: self.enrollment_id(*enrollment),
            },
            Change::Stopped { enrollment, seq } => Change::Stopped {
                enrollment: self.enrollment_id(*enrollment),
                seq: self.fact(*seq),
            },
            Change::SetAside { enrollment, harm } => Change::SetAside {
                enrollment: self.enrollment_id(*enrollment),
                harm: *harm,
            },
            Change::FactSetAside { seq, harm } => Change::FactSetAside {
                seq: self.fact(*seq),
                harm: *harm,
            },
            Change::StopRecorded { seq, reason } => Change::StopRecorded {
                seq: self.fact(*seq),
                reason: *reason,
            },
            Change::SweepMoved(sweep) => Change::SweepMoved(self.sweep(sweep)),
            Change::SweepEnded { seq } => Change::SweepEnded {
                seq: self.fact(*seq),
            },
            Change::Announced(_) => change.clone(),
        }
    }

    /// Translates a fact's body by the fields that name something.
    pub fn body(&self, body: &FactBody) -> FactBody {
        let mut json = serde_json::to_value(body).expect("a fact is JSON");
        let fields = json.as_object_mut().expect("a fact has fields");
        for (name, value) in fields.iter_mut() {
            let Some(id) = value.as_i64() else { continue };
            let id = match name.as_str() {
                "boleto" => self.boleto(BoletoId(id)).0,
                "contact" => self.contact(ContactId(id)).0,
                "campaign" => self.campaign(CampaignId(id)).0,
                "import" => self.import(id),
                _ => continue,
            };
            *value = id.into();
        }
        serde_json::from_value(json).expect("a fact reads back")
    }
}
