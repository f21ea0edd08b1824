//! `regua phone`: reads Brazilian telephone numbers.

use std::io::{self, Write};

use chrono_tz::Tz;
use clap::Subcommand;
use schedules::phone::{Phone, PhoneKind};
use serde::Serialize;

use super::Ended;
use super::check::{Refusal, TextArgs};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Checks a number in any of its usual spellings and says where its owner may be.
    Check(TextArgs),
}

#[derive(Serialize)]
struct Number {
    kind: PhoneKind,
    e164: String,
    canonical: String,
    area_code: u8,
    state: &'static str,
    zones: &'static [Tz],
    whatsapp_ids: Vec<String>,
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> io::Result<Ended> {
        let Self::Check(phone) = self;
        phone.answer(out, |text| {
            let phone = Phone::parse(text);
            phone
                .map(Number::from)
                .map_err(|error| Refusal::of(error.code(), error))
        })
    }
}

impl From<Phone> for Number {
    fn from(phone: Phone) -> Self {
        Self {
            kind: phone.kind(),
            e164: phone.e164().to_owned(),
            canonical: phone.canonical().to_owned(),
            area_code: phone.area_code().number(),
            state: phone.area_code().state(),
            zones: phone.area_code().zones(),
            whatsapp_ids: phone
                .whatsapp_ids()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    }
}
