//! What a server answers, and what that says of a message and of the server (RFC 5321, section
//! 4.2; RFC 3463).

use actors::machine::input::Outcome;

use super::super::provider::{Answer, Health};

/// The most lines of an answer, and the most bytes of a line: the standard has 512, servers more.
pub(super) const LINES_MAX: usize = 100;
pub(super) const LINE_BYTES_MAX: usize = 2_000;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The text of each line, without its code.
    pub(super) lines: Vec<String>,
}

/// A line of an answer: its code, whether it is the last, and its text.
pub(super) type Line<'a> = (u16, bool, &'a str);

/// Reads a line without its line break; none when it is no line of an answer.
pub(super) fn line(bytes: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let code = text.get(..3)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    let (is_last, text) = match text.as_bytes().get(3) {
        None => (true, ""),
        Some(b' ') => (true, &text[4..]),
        Some(b'-') => (false, &text[4..]),
        Some(_) => return None,
    };
    is_code.then_some((code, is_last, text))
}

impl Reply {
    /// Says whether it is of the class `2xx` or `3xx`, by its first digit.
    pub(super) fn is(&self, class: u16) -> bool {
        self.code / 100 == class
    }

    /// Returns what follows a keyword of `EHLO` (RFC 5321, section 4.1.1.1).
    pub(super) fn extension(&self, keyword: &str) -> Option<&str> {
        let mut lines = self.lines.iter().skip(1);
        lines.find_map(|line| {
            // `AUTH=LOGIN` is how old servers spell it.
            let (found, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            found.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }

    /// Returns the code of a refusal as outcomes have it; never the text, which may repeat the
    /// address.
    fn name(&self) -> String {
        match self.enhanced() {
            Some(status) => format!("smtp_{}_{status}", self.code),
            None => format!("smtp_{}", self.code),
        }
    }

    /// Returns the enhanced status, for example `5.1.1`.
    fn enhanced(&self) -> Option<&str> {
        let status = self.lines.first()?.split(' ').next()?;
        let parts: Vec<&str> = status.split('.').collect();
        let is_part = |part: &&str| {
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_status = parts.len() == 3 && parts.iter().all(is_part);
        let is_of_class = status.as_bytes().first().copied() == Some(b'0' + self.class());
        (is_status && is_of_class).then_some(status)
    }

    fn class(&self) -> u8 {
        u8::try_from(self.code / 100).unwrap_or_default()
    }

    /// Returns what a refusal of a message comes to.
    pub(super) fn refusal(&self) -> Answer {
        match self.code {
            // Mailbox busy, or no room: another time, and nothing against the server.
            450 | 452 => Outcome::Throttled {
                retry_after_ms: None,
            }
            .into(),
            400..500 => Outcome::Unavailable.into(),
            530 | 534 | 535 | 538 => Answer::broken(Outcome::Unavailable),
            500..600 => Outcome::Rejected { code: self.name() }.into(),
            // Neither yes nor no.
            _ => Outcome::Unavailable.into(),
        }
    }

    /// Returns what the refusal of a recipient comes to. That we may not write to it (`5.7.x`, RFC
    /// 3463) is mostly said to a sender that may not write to anybody: such refusals in a row open
    /// the circuit. Where it is one recipient's own wish, the others pass and keep it closed.
    pub(super) fn refusal_of_recipient(&self) -> Answer {
        let is_barred = self.enhanced().is_some_and(|it| it.starts_with("5.7."));
        let answer = self.refusal();
        match (is_barred, &answer.outcome) {
            (true, Outcome::Rejected { .. }) => Outcome::Unavailable.into(),
            _ => answer,
        }
    }

    /// Returns what a refusal comes to that is about us and no message: of the greeting, the
    /// account, the sender. What was refused for good is refused to every message.
    pub(super) fn refusal_of_us(&self) -> Answer {
        let health = match self.code {
            500..600 => Health::Broken,
            _ => Health::Failed,
        };
        Answer {
            outcome: Outcome::Unavailable,
            health,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply {
            code,
            lines: vec![text.to_owned()],
        }
    }

    #[test]
    fn a_line_has_a_code_and_says_whether_it_is_the_last() {
        let cases: [(&[u8], Option<Line<'_>>); 10] = [
            (b"250 ok", Some((250, true, "ok"))),
            (b"250-more", Some((250, false, "more"))),
            (b"250", Some((250, true, ""))),
            (b"250-", Some((250, false, ""))),
            (b"25", None),
            (b"199 x", None),
            (b"600 x", None),
            (b"+25 x", None),
            (b"250_x", None),
            (b"250 \xff", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(line(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_refusal_says_its_code_and_never_its_text() {
        let cases = [
            (550, "5.1.1 <ana@example.com> unknown", "smtp_550_5.1.1"),
            (550, "no such user ana@example.com", "smtp_550"),
            (554, "4.7.1 another class", "smtp_554"),
            (554, "5.7.1.2 too long", "smtp_554"),
            (554, "5.7.x", "smtp_554"),
            (552, "", "smtp_552"),
        ];
        for (code, text, expected) in cases {
            let expected = Outcome::Rejected {
                code: expected.to_owned(),
            };
            assert_eq!(reply(code, text).refusal(), expected.into(), "{text}");
        }
    }

    #[test]
    fn refusals_are_final_or_not_and_speak_for_or_against_the_server() {
        use Health::{Broken, Failed, Well};
        let cases = [
            (421, "unavailable", Failed, Failed),
            (450, "throttled", Well, Failed),
            (451, "unavailable", Failed, Failed),
            (452, "throttled", Well, Failed),
            (454, "unavailable", Failed, Failed),
            (530, "unavailable", Broken, Broken),
            (535, "unavailable", Broken, Broken),
            (550, "rejected", Well, Broken),
            (552, "rejected", Well, Broken),
            (250, "unavailable", Failed, Failed),
            (354, "unavailable", Failed, Failed),
        ];
        for (code, outcome, of_message, of_us) in cases {
            let answer = reply(code, "").refusal();
            assert_eq!(answer.outcome.as_str(), outcome, "{code}");
            assert_eq!(answer.health, of_message, "{code}");
            let answer = reply(code, "").refusal_of_us();
            assert_eq!(answer.outcome, Outcome::Unavailable, "{code}");
            assert_eq!(answer.health, of_us, "{code}");
        }
    }

    #[test]
    fn a_recipient_that_we_may_not_write_to_speaks_against_us_and_any_other_for_itself() {
        use Health::{Broken, Failed, Well};
        for (code, text, outcome, health) in [
            (550, "5.7.1 relaying denied", "unavailable", Failed),
            (
                554,
                "5.7.1 <a@b>: Relay access denied",
                "unavailable",
                Failed,
            ),
            (550, "5.7.60 not authorized", "unavailable", Failed),
            (550, "5.1.1 no such user", "rejected", Well),
            (550, "5.71.1 no such class", "rejected", Well),
            (550, "relay denied", "rejected", Well),
            (450, "4.7.1 greylisted", "throttled", Well),
            (530, "5.7.0 authenticate first", "unavailable", Broken),
        ] {
            let answer = reply(code, text).refusal_of_recipient();
            let found = (answer.outcome.as_str(), answer.health);
            assert_eq!(found, (outcome, health), "{code} {text}");
        }
    }

    #[test]
    fn extensions_are_known_by_their_keywords() {
        let mut hello = reply(250, "STARTTLS.example greets");
        hello
            .lines
            .extend(["size 1000", "AUTH=PLAIN LOGIN", "StartTLS"].map(str::to_owned));
        assert_eq!(hello.extension("SIZE"), Some("1000"));
        assert_eq!(hello.extension("AUTH"), Some("PLAIN LOGIN"));
        assert_eq!(hello.extension("STARTTLS"), Some(""));
        assert_eq!(hello.extension("START"), None);
    }
}
