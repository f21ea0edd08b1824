//! The 67 telephone area codes (DDD) of Brazil: their state, and the time zones within them.
//!
//! Knows geography; a contact may have moved, so a zone from here is a guess to be careful with.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An area code that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct AreaCode(u8);

/// The number is no area code of Brazil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an area code of Brazil")]
pub struct UnknownAreaCode;

impl AreaCode {
    /// Returns the two digits as a number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns the two letters of the state where most numbers of the area are.
    pub fn state(self) -> &'static str {
        // The constructor has looked the state up already.
        state_of(self.0).unwrap_or_default()
    }

    /// Returns the time zones in which a number of the area may be, the most likely first.
    ///
    /// Zones within a state whose clocks agree since 2008 are left out. 81 serves Fernando de
    /// Noronha too, 97 the far west of Amazonas.
    pub fn zones(self) -> &'static [Tz] {
        match self.0 {
            81 => &[Tz::America__Recife, Tz::America__Noronha],
            97 => &[Tz::America__Manaus, Tz::America__Eirunepe],
            _ => zones_of(self.state()),
        }
    }
}

impl TryFrom<u8> for AreaCode {
    type Error = UnknownAreaCode;

    fn try_from(number: u8) -> Result<Self, UnknownAreaCode> {
        state_of(number)
            .map(|_| Self(number))
            .ok_or(UnknownAreaCode)
    }
}

impl From<AreaCode> for u8 {
    fn from(area_code: AreaCode) -> Self {
        area_code.0
    }
}

fn state_of(number: u8) -> Option<&'static str> {
    let state = match number {
        11..=19 => "SP",
        21 | 22 | 24 => "RJ",
        27 | 28 => "ES",
        31..=35 | 37 | 38 => "MG",
        41..=46 => "PR",
        47..=49 => "SC",
        51 | 53..=55 => "RS",
        61 => "DF",
        62 | 64 => "GO",
        63 => "TO",
        65 | 66 => "MT",
        67 => "MS",
        68 => "AC",
        69 => "RO",
        71 | 73..=75 | 77 => "BA",
        79 => "SE",
        81 | 87 => "PE",
        82 => "AL",
        83 => "PB",
        84 => "RN",
        85 | 88 => "CE",
        86 | 89 => "PI",
        91 | 93 | 94 => "PA",
        92 | 97 => "AM",
        95 => "RR",
        96 => "AP",
        98 | 99 => "MA",
        _ => return None,
    };
    Some(state)
}

fn zones_of(state: &str) -> &'static [Tz] {
    match state {
        "TO" => &[Tz::America__Araguaina],
        "MT" => &[Tz::America__Cuiaba],
        "MS" => &[Tz::America__Campo_Grande],
        "AC" => &[Tz::America__Rio_Branco],
        "RO" => &[Tz::America__Porto_Velho],
        "BA" => &[Tz::America__Bahia],
        "SE" | "AL" => &[Tz::America__Maceio],
        "PE" => &[Tz::America__Recife],
        "PB" | "RN" | "CE" | "PI" | "MA" => &[Tz::America__Fortaleza],
        "PA" | "AP" => &[Tz::America__Belem],
        "AM" => &[Tz::America__Manaus],
        "RR" => &[Tz::America__Boa_Vista],
        _ => &[Tz::America__Sao_Paulo],
    }
}
