//! A message to hand over.

use std::sync::Arc;

use actors::machine::effect::HandOver;
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::template::{Approved, Rendered, Template};
use schedules::time::Timestamp;

/// Returns a message of tenant 1 to contact 1.
pub(super) fn message(channel: Channel) -> HandOver {
    let subject = (channel == Channel::Email).then(|| "Seu boleto".to_owned());
    let template = Template {
        code: "lembrete".to_owned(),
        channel,
        version: 1,
        subject: subject.clone(),
        body: "Olá".to_owned(),
        variables: Vec::new(),
        ttl_ms: 0,
        approved: Approved::default(),
    };
    let reminder = ReminderId {
        enrollment: EnrollmentId(1),
        step_no: 0,
        occurrence: 0,
    };
    let to = match channel {
        Channel::Email => "ana@example.com",
        Channel::Whatsapp | Channel::Sms => "+5511987651234",
    };
    HandOver {
        attempt: AttemptId {
            reminder,
            try_no: 0,
        },
        tenant: TenantId(1),
        boleto: BoletoId(1),
        companions: Vec::new(),
        contact: ContactId(1),
        campaign: CampaignId(1),
        channel,
        provider: "mailbox".to_owned(),
        to: to.to_owned(),
        template: Arc::new(template),
        rendered: Rendered {
            subject,
            body: "Olá".to_owned(),
            parameters: Vec::new(),
            buttons: Vec::new(),
        },
        deadline_at: Timestamp::from_unix_ms(0),
    }
}
