//! What tenants upload: boletos and their contacts, in files of CSV or requests of JSON.
//!
//! Both are read into the same rows, which one set of checks refuses or passes on.

pub mod csv;
pub mod json;
pub mod parts;

use chrono_tz::Tz;

use self::csv::{ImportContact, ImportRow};
use crate::store::{NewBoleto, NewContact};

/// Zones of Brazil, one for each of its wall clocks.
const BRAZIL: [Tz; 4] = [
    Tz::America__Sao_Paulo,
    Tz::America__Noronha,
    Tz::America__Manaus,
    Tz::America__Rio_Branco,
];

impl ImportContact {
    /// Returns the zones that the contact may be in, the likeliest first.
    ///
    /// Where nothing tells, as of somebody with an e-mail address only, it is most likely `at_home`
    /// and may be anywhere in Brazil: what may be sent there must be allowed by every clock.
    pub fn zones(&self, at_home: Tz) -> Vec<Tz> {
        if !self.zones.is_empty() {
            return self.zones.clone();
        }
        let elsewhere = BRAZIL.into_iter().filter(|zone| *zone != at_home);
        std::iter::once(at_home).chain(elsewhere).collect()
    }

    /// Returns the contact as the store takes it, for a tenant that is `at_home`.
    pub fn contact(&self, at_home: Tz) -> NewContact {
        NewContact {
            name: self.name.clone(),
            phone: self.phone.as_ref().map(Into::into),
            email: self.email.as_ref().map(Into::into),
            zones: self.zones(at_home),
        }
    }
}

impl ImportRow {
    /// Returns the row as the store takes it, for a tenant that is `at_home`.
    pub fn boleto(&self, at_home: Tz) -> NewBoleto {
        NewBoleto {
            reference: self.reference.clone(),
            amount_centavos: self.amount_centavos,
            due_on: self.due_on,
            digitable_line: self.digitable_line.clone(),
            pix_code: self.pix_code.clone(),
            payment_link: self.payment_link.clone(),
            contact: self.contact.contact(at_home),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use schedules::area_code::AreaCode;
    use schedules::time::{DAY_MS, Timestamp};

    use super::csv::{BoletoCsv, ImportLine};
    use super::*;

    fn zones_of(point: &str, zones: &str) -> Vec<Tz> {
        let csv = format!("reference;name;{point};due_on;amount\nA;Ana;{zones};2026-11-20;10,00");
        let today = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a date");
        let mut lines = BoletoCsv::open(csv.as_bytes(), today).expect("a header");
        match lines.next().expect("a line").expect("a file") {
            ImportLine::Row(_, row) => row.boleto(Tz::America__Manaus).contact.zones,
            ImportLine::Refused(refusal) => panic!("{}", refusal.code()),
        }
    }

    #[test]
    fn who_can_be_anywhere_is_in_every_zone_of_brazil_and_most_likely_at_home() {
        let zones = zones_of("email", "ana@x.example");
        assert_eq!(zones[0], Tz::America__Manaus);
        assert!(zones.len() == BRAZIL.len() && BRAZIL.iter().all(|zone| zones.contains(zone)));
        let stated = zones_of("email;zones", "ana@x.example;America/Recife");
        assert_eq!(stated, [Tz::America__Recife]);
        assert_eq!(zones_of("phone", "11987651234"), [Tz::America__Sao_Paulo]);
    }

    #[test]
    fn every_area_code_shows_the_wall_clock_of_one_of_the_zones_of_brazil() {
        // Summer and winter; Brazil has had no summer time since 2019.
        let summer = Timestamp::from_unix_ms(1_800_000_000_000);
        for at in [summer, summer.plus_ms(182 * DAY_MS)] {
            let clocks = BRAZIL.map(|zone| at.local(zone));
            for zone in (0..=99)
                .filter_map(|number| AreaCode::try_from(number).ok())
                .flat_map(|code| code.zones().to_vec())
            {
                assert!(clocks.contains(&at.local(zone)), "{zone}");
            }
        }
    }
}
