//! The default pack: what is customary and lawful for reminders of boletos in Brazil.

use crate::cap::{Cap, CapScope, CapWindow};
use crate::channel::Channel;
use crate::cooldown::{Cooldown, CooldownAfter};
use crate::rule::{MandatoryText, Rule, RuleBody, RulePack, ZoneUncertainty};
use crate::send_window::{SendWindow, Stretch};
use crate::template::Variable;
use crate::time::{DAY_MS, HOUR_MS};

impl RulePack {
    /// Returns the Brazilian default pack.
    ///
    /// Brazilian law sets no hours and no numbers; it forbids to disturb work, rest and leisure
    /// (CDC art. 42 and 71). The hours are the customary ones of the credit bureaus; the numbers
    /// stay well below the seven calls in seven days of US Regulation F, 12 CFR 1006.14(b).
    pub fn brazil() -> Self {
        let mut rules = vec![rule(
            "window.customary",
            RuleBody::SendWindow(customary_window()),
        )];
        for (name, scope) in [("contact", CapScope::Contact), ("boleto", CapScope::Boleto)] {
            rules.extend(caps(name, scope));
        }
        rules.push(cooldown(
            "cooldown.reply",
            CooldownAfter::Reply,
            24 * HOUR_MS,
        ));
        rules.push(cooldown(
            "cooldown.promise",
            CooldownAfter::PromiseToPay,
            72 * HOUR_MS,
        ));
        let every_zone = RuleBody::ZoneUncertainty(ZoneUncertainty::EveryZone);
        rules.push(rule("zone.every", every_zone));
        rules.extend(who_bills());
        Self {
            name: "brazil".to_owned(),
            version: 1,
            rules,
        }
    }
}

fn customary_window() -> SendWindow {
    let workday = vec![stretch(8, 20)];
    let mut weekdays = std::array::from_fn(|_| workday.clone());
    weekdays[5] = vec![stretch(8, 14)];
    weekdays[6] = Vec::new();
    SendWindow {
        weekdays,
        holidays: Vec::new(),
    }
}

fn stretch(from_hour: u16, until_hour: u16) -> Stretch {
    Stretch {
        from: from_hour * 60,
        until: until_hour * 60,
    }
}

/// One a day, by the clock and by the calendar, and three a week.
fn caps(name: &str, scope: CapScope) -> [Rule; 3] {
    [
        ("rolling_24h", CapWindow::RollingMs(DAY_MS), 1),
        ("day", CapWindow::TenantDay, 1),
        ("week", CapWindow::RollingMs(7 * DAY_MS), 3),
    ]
    .map(|(window_name, window, max)| {
        let cap = Cap { scope, window, max };
        rule(&format!("cap.{name}.{window_name}"), RuleBody::Cap(cap))
    })
}

/// What a document that asks for payment says of who asks: name, CPF or CNPJ, and address (CDC art.
/// 42-A). Short messages point to the boleto, which has the address.
fn who_bills() -> [Rule; 3] {
    let says = |code: &str, variable: Variable, channels: &[Channel]| Rule {
        channels: channels.to_vec(),
        ..rule(
            &format!("law.cdc_42a.{code}"),
            RuleBody::MandatoryText(MandatoryText {
                text: format!("{{{{{variable}}}}}"),
            }),
        )
    };
    [
        says("name", Variable::TenantName, &[]),
        says("document", Variable::TenantDocument, &[]),
        says("address", Variable::TenantAddress, &[Channel::Email]),
    ]
}

fn cooldown(code: &str, after: CooldownAfter, lasts_ms: i64) -> Rule {
    rule(code, RuleBody::Cooldown(Cooldown { after, lasts_ms }))
}

fn rule(code: &str, body: RuleBody) -> Rule {
    Rule {
        code: code.to_owned(),
        version: 1,
        channels: Vec::new(),
        body,
    }
}
