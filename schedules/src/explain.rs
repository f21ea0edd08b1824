//! A verdict in plain words, for the people of a tenant.
//!
//! Says what the decision record says and nothing about the contact.

use chrono_tz::Tz;

use crate::stop::StopReason;
use crate::time::Timestamp;
use crate::verdict::{Reason, RuleRef, Ruling, Verdict};

impl Verdict {
    /// Explains the verdict in Portuguese, with instants as the wall clock of `zone`.
    pub fn explain_pt(&self, zone: Tz) -> String {
        let cause = format!("{}{}", cause_pt(self.reason), rule_pt(self.rule.as_ref()));
        match self.ruling {
            Ruling::Send {
                channel,
                not_after_at,
            } => format!(
                "Sai agora por {}, até {}: {cause}.",
                channel.name_pt(),
                wall_clock_pt(not_after_at, zone)
            ),
            Ruling::Hold { until } => {
                format!("Aguarda até {}: {cause}.", wall_clock_pt(until, zone))
            }
            Ruling::Skip => format!("Não será enviado: {cause}."),
            Ruling::Cancel => format!("Cancelado: {cause}."),
        }
    }

    /// Explains the verdict in English, with instants as the wall clock of `zone`.
    pub fn explain_en(&self, zone: Tz) -> String {
        let cause = format!("{}{}", cause_en(self.reason), rule_en(self.rule.as_ref()));
        match self.ruling {
            Ruling::Send {
                channel,
                not_after_at,
            } => {
                format!(
                    "Goes out now by {channel}, before {}: {cause}.",
                    wall_clock_en(not_after_at, zone)
                )
            }
            Ruling::Hold { until } => {
                format!("Waits until {}: {cause}.", wall_clock_en(until, zone))
            }
            Ruling::Skip => format!("Will not be sent: {cause}."),
            Ruling::Cancel => format!("Cancelled: {cause}."),
        }
    }
}

const fn cause_pt(reason: Reason) -> &'static str {
    match reason {
        Reason::Due => "está no prazo e nenhuma regra impede",
        Reason::Stopped(stop) => stop_pt(stop),
        Reason::PaymentFeedStale => {
            "as notícias de pagamento estão atrasadas, e o boleto pode já estar pago"
        }
        Reason::NoContactPoint => "o contato não tem telefone ou e-mail para os canais da etapa",
        Reason::NoSender => "não há remetente configurado para os canais da etapa",
        Reason::Suppressed => "os canais da etapa estão bloqueados para o contato",
        Reason::ChannelPaused => "os envios pelo canal estão pausados",
        Reason::Moratorium => "há uma moratória em vigor",
        Reason::Expired => "o prazo da etapa terminou antes que pudesse sair",
        Reason::ConditionUnmet => "o boleto não atende à condição da etapa ou da campanha",
        Reason::NotYetDue => "ainda não chegou a hora da etapa",
        Reason::OutsideSendWindow => "fora do horário permitido no fuso do contato",
        Reason::Cooldown => "o contato está em período de descanso",
        Reason::CapReached => "o limite de mensagens foi atingido",
        Reason::CreditsExhausted => "os créditos acabaram",
        Reason::SenderPace => "o remetente está no ritmo máximo de envio",
        Reason::TemplateVariableMissing => "falta um dado que o texto da mensagem usa",
        Reason::TemplateUnusable => "não há texto de mensagem utilizável para o canal",
        Reason::PassedAtPlanning => "o dia da etapa já tinha passado quando o boleto entrou",
        Reason::StepRemoved => "a campanha não tem mais a etapa",
        Reason::ProviderRejected => "o provedor recusou a mensagem e não há outro canal",
        Reason::RetriesExhausted => "o provedor não respondeu a tempo e não há outro canal",
    }
}

const fn stop_pt(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Paid => "o boleto foi pago",
        StopReason::Cancelled => "o boleto foi cancelado",
        StopReason::OptedOut => "o contato pediu para não receber mensagens",
        StopReason::CampaignPaused => "a campanha está pausada",
        StopReason::CampaignArchived => "a campanha foi encerrada",
        StopReason::TenantPaused => "os envios da empresa estão pausados",
        StopReason::SetAside => "o lembrete foi separado por uma falha e espera um operador",
    }
}

const fn cause_en(reason: Reason) -> &'static str {
    match reason {
        Reason::Due => "it is due and no rule objects",
        Reason::Stopped(stop) => stop_en(stop),
        Reason::PaymentFeedStale => "news of payments is late, and the boleto may be paid already",
        Reason::NoContactPoint => "the contact has no phone or e-mail for the step's channels",
        Reason::NoSender => "no sender is set up for the step's channels",
        Reason::Suppressed => "the step's channels are barred for the contact",
        Reason::ChannelPaused => "messages over the channel are paused",
        Reason::Moratorium => "a moratorium is in force",
        Reason::Expired => "the step's time ran out before it could go out",
        Reason::ConditionUnmet => "the boleto does not meet the step's or the campaign's condition",
        Reason::NotYetDue => "the step's hour is still to come",
        Reason::OutsideSendWindow => "outside of the hours allowed in the contact's zone",
        Reason::Cooldown => "the contact is being left in peace for a while",
        Reason::CapReached => "the limit of messages is reached",
        Reason::CreditsExhausted => "no credits are left",
        Reason::SenderPace => "the sender is at its full pace",
        Reason::TemplateVariableMissing => "a value that the message text uses is missing",
        Reason::TemplateUnusable => "there is no usable message text for the channel",
        Reason::PassedAtPlanning => "the step's day had passed when the boleto came in",
        Reason::StepRemoved => "the campaign no longer has the step",
        Reason::ProviderRejected => "the provider refused the message, and no channel is left",
        Reason::RetriesExhausted => "the provider did not answer in time, and no channel is left",
    }
}

const fn stop_en(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Paid => "the boleto was paid",
        StopReason::Cancelled => "the boleto was cancelled",
        StopReason::OptedOut => "the contact asked for no more messages",
        StopReason::CampaignPaused => "the campaign is paused",
        StopReason::CampaignArchived => "the campaign was ended",
        StopReason::TenantPaused => "the company's messages are paused",
        StopReason::SetAside => {
            "the reminder was set aside after a failure and waits for an operator"
        }
    }
}

fn rule_pt(rule: Option<&RuleRef>) -> String {
    rule.map(|rule| format!(" (regra {}, versão {})", rule.code, rule.version))
        .unwrap_or_default()
}

fn rule_en(rule: Option<&RuleRef>) -> String {
    rule.map(|rule| format!(" (rule {}, version {})", rule.code, rule.version))
        .unwrap_or_default()
}

fn wall_clock_pt(at: Timestamp, zone: Tz) -> String {
    format!("{} ({zone})", at.local(zone).format("%d/%m/%Y %H:%M"))
}

fn wall_clock_en(at: Timestamp, zone: Tz) -> String {
    format!("{} ({zone})", at.local(zone).format("%Y-%m-%d %H:%M"))
}
