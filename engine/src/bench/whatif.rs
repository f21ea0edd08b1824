//! `regua bench whatif`: what an estimate costs, from boletos in memory to the counts.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::Days;
use schedules::id::{CampaignId, ContactId, TenantId};
use schedules::time::DAY_MS;
use serde::Serialize;

use super::synthetic;
use crate::store::{LeftOut, Seen};
use crate::whatif::estimate::{Prices, Question, estimate};
use crate::whatif::load::Loaded;
use crate::whatif::{Known, Patience, World};

/// Over how many days the boletos fall due.
const SPREAD_DAYS: u64 = 30;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct WhatifFigure {
    /// How many contacts have a boleto each.
    pub contacts: u32,
    /// How many days were looked at.
    pub days: u32,
    /// The messages that would go out.
    pub messages: u64,
    /// Seconds of the rehearsal and the counting.
    pub seconds: f64,
    /// Microseconds for each message.
    pub us_per_message: f64,
}

/// Estimates a campaign of five steps; the boletos fall due in the next thirty days.
pub fn run(contacts: u32, days: u32) -> WhatifFigure {
    let world = world(contacts);
    let loaded = Loaded {
        version: 1,
        settings: world.settings.clone(),
        seen: Seen::default(),
        truncated: false,
        meant: BTreeMap::new(),
        world,
    };
    let question = Question {
        now: synthetic::due_at().plus_ms(-4 * DAY_MS),
        days,
        prices: Prices::new(),
        left_out: LeftOut::default(),
    };
    let began = Instant::now();
    let estimate = estimate(loaded, &question, &Patience::endless());
    let seconds = began.elapsed().as_secs_f64();
    let messages = estimate.messages.total;
    WhatifFigure {
        contacts,
        days,
        messages,
        seconds,
        us_per_message: seconds * 1e6 / messages.max(1) as f64,
    }
}

fn world(contacts: u32) -> World {
    let settings = synthetic::settings(TenantId(1));
    let page = synthetic::due_page(&settings, contacts.into());
    let known = page.rows.into_iter().map(|row| {
        let mut boleto = row.boleto;
        let later = boleto.id.0.unsigned_abs() % SPREAD_DAYS;
        boleto.due_on = boleto.due_on + Days::new(later);
        Known {
            contact: ContactId(boleto.id.0),
            boleto,
            is_in: false,
        }
    });
    World {
        boletos: known.collect(),
        contacts: page.contacts,
        settings,
        campaign: CampaignId(1),
        replans: false,
        unsettled: Vec::new(),
        tallies: Vec::new(),
        standing: Vec::new(),
    }
}
