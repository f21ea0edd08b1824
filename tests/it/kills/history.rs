//! What a demo's notebook says over all its lives, judged without a line of the demo's own judge,
//! and compared with what its database holds.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tests::behind;

/// A tenant and an attempt: enrollment, step, occurrence, try.
type AttemptKey = [i64; 5];
/// A tenant, the kind of a subject and its id.
type SubjectKey = (i64, String, i64);

/// A notebook, in its order.
#[derive(Default)]
pub(super) struct History {
    pub(super) hand_overs: Vec<AttemptKey>,
    pub(super) stops: BTreeSet<SubjectKey>,
    /// Hand-overs that stand after a stop of one of their subjects.
    late: Vec<AttemptKey>,
    /// Lines that a kill cut short.
    pub(super) cut_lines: u32,
    reached_ms: i64,
}

impl History {
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&text)
    }

    fn of(text: &str) -> Self {
        let mut history = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str::<Value>(line) {
                Ok(seen) => history.add(&seen),
                Err(_) => history.cut_lines += 1,
            }
        }
        history
    }

    /// Returns the last instant that the demo's clock is known to have come to.
    pub(super) fn reached_ms(&self) -> i64 {
        self.reached_ms
    }

    fn add(&mut self, seen: &Value) {
        if let Some(at) = seen.get("Reached") {
            self.reached_ms = self.reached_ms.max(number(at));
        } else if let Some(stop) = seen.get("StopAcknowledged") {
            let (kind, id) = match &stop[1] {
                Value::String(kind) => (kind.clone(), 0),
                subject => {
                    let named = subject.as_object().and_then(|of| of.iter().next());
                    let (kind, id) = named.expect("a subject");
                    (kind.clone(), number(id))
                }
            };
            self.stops.insert((number(&stop[0]), kind, id));
        } else {
            self.add_hand_over(seen.get("HandOver").expect("one of three kinds of lines"));
        }
    }

    fn add_hand_over(&mut self, seen: &Value) {
        let tenant = number(&seen["tenant"]);
        let reminder = &seen["attempt"]["reminder"];
        let key = [
            tenant,
            number(&reminder["enrollment"]),
            number(&reminder["step_no"]),
            number(&reminder["occurrence"]),
            number(&seen["attempt"]["try_no"]),
        ];
        let about = [
            ("Boleto", number(&seen["boleto"])),
            ("Contact", number(&seen["contact"])),
            ("Campaign", number(&seen["campaign"])),
            ("Tenant", 0),
        ];
        let is_late = about
            .iter()
            .any(|(kind, id)| self.stops.contains(&(tenant, (*kind).to_owned(), *id)));
        if is_late {
            self.late.push(key);
        }
        self.hand_overs.push(key);
    }

    /// Returns what the notebook alone shows to be wrong.
    pub(super) fn faults(&self) -> Vec<String> {
        let late = self.late.iter();
        let late = late.map(|key| format!("handed over after its stop: {key:?}"));
        let mut once = BTreeSet::new();
        let twice = self.hand_overs.iter().filter(|key| !once.insert(**key));
        let twice = twice.map(|key| format!("handed over twice: {key:?}"));
        late.chain(twice).collect()
    }

    /// Returns what is wrong between the notebook and the database.
    pub(super) fn faults_beside(&self, database: &Path) -> Vec<String> {
        let mut faults = self.lost_stops(database);
        faults.extend(self.letters(database));
        let waiting = behind::rows(database, WAITING);
        let waiting = waiting.iter();
        faults.extend(waiting.map(|row| format!("not applied: fact {row:?}")));
        faults
    }

    /// Every acknowledged stop holds, and no enrollment of its subject goes on.
    fn lost_stops(&self, database: &Path) -> Vec<String> {
        let mut stopped = BTreeSet::new();
        for (kind, rows) in [
            ("Boleto", behind::rows(database, STOPPED_BOLETOS)),
            ("Contact", behind::rows(database, STOPPED_CONTACTS)),
        ] {
            stopped.extend(
                rows.into_iter()
                    .map(|row| (row[0], kind.to_owned(), row[1])),
            );
        }
        let lost = self.stops.difference(&stopped);
        lost.map(|stop| format!("acknowledged and lost: {stop:?}"))
            .collect()
    }

    /// Every letter was seen to go out, and no reminder reached anybody twice, under whichever try.
    fn letters(&self, database: &Path) -> Vec<String> {
        let seen: BTreeSet<AttemptKey> = self.hand_overs.iter().copied().collect();
        let mut reminders = BTreeSet::new();
        let mut faults = Vec::new();
        let letters = behind::rows(database, LETTERS);
        for letter in &letters {
            let key: AttemptKey = letter.as_slice().try_into().expect("five columns");
            if !seen.contains(&key) {
                faults.push(format!("nobody saw it go out: {key:?}"));
            }
            if !reminders.insert([key[0], key[1], key[2], key[3]]) {
                faults.push(format!("a reminder went out again: {key:?}"));
            }
        }
        if letters.is_empty() {
            faults.push("no letter at all".to_owned());
        }
        faults
    }
}

const STOPPED_BOLETOS: &str = "SELECT b.tenant_id, b.id FROM boletos b
    WHERE b.status <> 'open'
      AND NOT EXISTS (SELECT 1 FROM enrollments e
          WHERE e.tenant_id = b.tenant_id AND e.boleto_id = b.id AND e.state = 'active')";
const STOPPED_CONTACTS: &str = "SELECT c.tenant_id, c.id FROM contacts c
    WHERE c.opted_out_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM enrollments e
          WHERE e.tenant_id = c.tenant_id AND e.contact_id = c.id AND e.state = 'active')";
const LETTERS: &str = "SELECT tenant_id, enrollment_id, step_no, occurrence, try_no FROM mailbox";
const WAITING: &str = "SELECT seq FROM inbox WHERE applied_at IS NULL";

fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn hand_over(boleto: i64, try_no: i64) -> String {
    format!(
        r#"{{"HandOver":{{"at":1,"tenant":1,"attempt":{{"reminder":{{"enrollment":{boleto},
        "step_no":0,"occurrence":0}},"try_no":{try_no}}},"boleto":{boleto},"contact":7,
        "campaign":1,"channel":"email"}}}}"#
    )
    .replace('\n', "")
}

#[test]
fn the_notebooks_judge_finds_what_is_planted() {
    let stop = |subject: &str| format!(r#"{{"StopAcknowledged":[1,{subject}]}}"#);
    let (one, other) = (hand_over(3, 0), hand_over(4, 0));
    for (lines, faults) in [
        (vec![one.clone(), stop(r#"{"Boleto":3}"#), other.clone()], 0),
        (vec![stop(r#"{"Boleto":3}"#), one.clone()], 1),
        (
            vec![stop(r#"{"Contact":7}"#), one.clone(), other.clone()],
            2,
        ),
        (vec![stop(r#""Tenant""#), other.clone()], 1),
        (vec![one.clone(), hand_over(3, 1)], 0),
        (vec![one.clone(), other, one], 1),
    ] {
        let history = History::of(&lines.join("\n"));
        assert_eq!(history.faults().len(), faults, "{lines:?}");
    }
}

#[test]
fn a_line_that_was_cut_short_is_told_apart() {
    let history = History::of("{\"Reached\":5}\n{\"Reach\n\n{\"Reached\":4}\n");
    assert_eq!((history.cut_lines, history.reached_ms()), (1, 5));
}
