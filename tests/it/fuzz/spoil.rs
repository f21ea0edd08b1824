//! Spoils good inputs: characters that matter to some parser, pieces lost, doubled and moved.

use tests::chance::Chance;

/// What is put in: boundaries of numbers, marks of every format here, characters that are seen as
/// others or not at all.
const PIECES: [&str; 58] = [
    "0",
    "1",
    "9",
    "-1",
    "00",
    "99",
    "2147483648",
    "9223372036854775807",
    "18446744073709551616",
    "1e400",
    "NaN",
    "-0",
    "+",
    "-",
    ".",
    ",",
    ";",
    ":",
    "/",
    "\\",
    "\"",
    "\"\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "<",
    ">",
    "=",
    "@",
    "#",
    "%00",
    "&",
    "*",
    "?",
    "|",
    "_",
    "~",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[2J",
    " ",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\u{fffd}",
    "٣",
    "Ａ",
    "é",
    "\u{1f600}",
];

/// Returns a good text, spoiled a little, a lot, or not at all.
pub(super) fn spoiled(chance: &mut Chance, good: &[&str]) -> String {
    let mut text: Vec<char> = chance.pick(good).chars().collect();
    let times = chance.below(8);
    for _ in 0..times {
        spoil(chance, &mut text, good);
    }
    text.into_iter().collect()
}

fn spoil(chance: &mut Chance, text: &mut Vec<char>, good: &[&str]) {
    let length = text.len() as u64;
    let from = chance.below(length + 1) as usize;
    let to = from + chance.below(length - from as u64 + 1) as usize;
    match chance.below(8) {
        0 => drop(text.drain(from..to)),
        1 => text.truncate(from),
        2 => {
            let piece = text[from..to].to_vec();
            if text.len() < 100_000 {
                text.splice(from..from, piece);
            }
        }
        3 => text[from..to].reverse(),
        4 => {
            let other: Vec<char> = chance.pick(good).chars().collect();
            text.splice(from..to, other);
        }
        5 => {
            if let Some(character) = text.get_mut(from) {
                let code = u32::from(*character) ^ (1 << chance.below(16));
                *character = char::from_u32(code).unwrap_or('\u{fffd}');
            }
        }
        6 => {
            let digit = char::from(b'0' + chance.below(10) as u8);
            if let Some(character) = text.get_mut(from) {
                *character = digit;
            }
        }
        _ => drop(text.splice(from..from, chance.pick(&PIECES).chars())),
    }
}

/// Spoils bytes: those of no text among them.
pub(super) fn spoiled_bytes(chance: &mut Chance, good: &[&str]) -> Vec<u8> {
    let mut bytes = spoiled(chance, good).into_bytes();
    for _ in 0..chance.below(4) {
        let at = chance.below(bytes.len() as u64 + 1) as usize;
        match chance.below(3) {
            0 => bytes.insert(at, chance.below(256) as u8),
            1 => bytes.truncate(at.max(1)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    bytes
}
