//! A provider made from settings as an operator writes them, and a message for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::clock::{Clock, SystemClock};
use actors::machine::effect::HandOver;
use actors::machine::input::Outcome;
use engine::config::{Config, Problems, Sources};
use engine::providers::evolution::Evolution;
use engine::providers::http_sms::HttpSms;
use engine::providers::opt_outs::{Said, opt_outs};
use engine::providers::provider::{Answer, Provider};
use engine::providers::settings::ProviderKind;
use engine::providers::whatsapp::Whatsapp;
use schedules::channel::Channel;
use schedules::id::{
    AttemptId, BoletoId, CampaignId, ContactId, EnrollmentId, ReminderId, TenantId,
};
use schedules::template::{Approved, Rendered, Template, Variable};
use schedules::time::{HOUR_MS, Timestamp};

/// A phone that nobody has, and that no log may show.
pub const PHONE: &str = "+5511987654321";

/// A provider, and what it said of opt-outs.
pub struct Desk {
    pub provider: Box<dyn Provider>,
    pub said: Said,
    begins: AtomicUsize,
}

/// Reads settings as a file has them.
pub fn config(toml: &str) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("regua.toml");
    std::fs::write(&file, toml).expect("a file");
    Config::load(&Sources {
        file: Some(file),
        ..Sources::default()
    })
}

impl Desk {
    /// Makes the provider of the section `[providers.it]`.
    pub fn of(section: &str) -> Self {
        let config = config(&format!("[providers.it]\n{section}"));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let (opt_outs, said) = opt_outs();
        let provider: Box<dyn Provider> = match &config.providers["it"].kind {
            ProviderKind::Whatsapp(number) => {
                Box::new(Whatsapp::new("it", number, opt_outs, clock))
            }
            ProviderKind::Evolution(instance) => Box::new(Evolution::new("it", instance, clock)),
            ProviderKind::HttpSms(gateway) => Box::new(HttpSms::new("it", gateway, clock)),
            other => panic!("{other:?} is not over http"),
        };
        Self {
            provider,
            said,
            begins: AtomicUsize::new(0),
        }
    }

    /// Hands a message over that may begin.
    pub async fn send(&self, message: &HandOver) -> Answer {
        let begin = || {
            self.begins.fetch_add(1, Ordering::SeqCst);
            true
        };
        self.provider.send(message, &begin).await
    }

    /// Hands a message over, and returns what became of it.
    pub async fn outcome(&self, message: &HandOver) -> Outcome {
        self.send(message).await.outcome
    }

    /// Hands a message over as `begin` says.
    pub async fn send_if(&self, message: &HandOver, begin: &(dyn Fn() -> bool + Sync)) -> Answer {
        self.provider.send(message, begin).await
    }

    /// Returns how many messages began.
    pub fn begins(&self) -> usize {
        self.begins.load(Ordering::SeqCst)
    }
}

/// Returns message number `n`, to a contact of its own.
pub fn message(channel: Channel, n: i64) -> HandOver {
    let template = Template {
        code: "lembrete_vencimento".to_owned(),
        channel,
        version: 1,
        subject: None,
        body: "{{contact_name}}: {{amount}} até {{due_on}}".to_owned(),
        variables: vec![Variable::ContactName, Variable::Amount, Variable::DueOn],
        ttl_ms: HOUR_MS,
        approved: Approved::default(),
    };
    let reminder = ReminderId {
        enrollment: EnrollmentId(n),
        step_no: 3,
        occurrence: 0,
    };
    let parameters = ["Maria", "R$ 343,53", "10/09/2026"];
    HandOver {
        attempt: AttemptId {
            reminder,
            try_no: 1,
        },
        tenant: TenantId(1),
        boleto: BoletoId(n),
        companions: Vec::new(),
        contact: ContactId(n),
        campaign: CampaignId(1),
        channel,
        provider: "it".to_owned(),
        to: format!("{}{n:02}", &PHONE[..PHONE.len() - 2]),
        template: Arc::new(template),
        rendered: Rendered {
            subject: None,
            body: "Maria: R$ 343,53 até 10/09/2026".to_owned(),
            parameters: parameters.map(str::to_owned).to_vec(),
            buttons: Vec::new(),
        },
        deadline_at: Timestamp::from_unix_ms(i64::MAX),
    }
}

/// Returns an accepted message's outcome.
pub fn accepted(provider_ref: &str) -> Outcome {
    Outcome::Accepted {
        provider_ref: provider_ref.to_owned(),
    }
}

/// Returns a refused message's outcome.
pub fn rejected(code: &str) -> Outcome {
    Outcome::Rejected {
        code: code.to_owned(),
    }
}
