//! Characters that look or count like others: digits of other scripts, and invisible ones.
//!
//! Knows Unicode only. Who writes a number in them may mean no harm, but the same number written
//! twice must not count as two.

/// The digit zero of each script whose digits NFKC leaves alone (Unicode 14, category Nd); its
/// digits one to nine follow it.
const ZEROS: [u32; 58] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650,
    0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50,
    0x1E140, 0x1E2F0, 0x1E950,
];

/// Returns the ASCII digit that a decimal digit of any script counts; expects NFKC text.
pub fn ascii_digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let value = character.to_digit(10).or_else(|| {
        let after = ZEROS.partition_point(|zero| *zero <= code);
        let zero = ZEROS.get(after.checked_sub(1)?)?;
        Some(code - zero).filter(|value| *value < 10)
    });
    value.and_then(|value| char::from_digit(value, 10))
}

/// Tells whether a character shows nothing and means nothing in a number or a word: joiners,
/// marks of direction, soft hyphens, byte-order marks, variation selectors, fillers, tags.
///
/// Source: `Default_Ignorable_Code_Point` of Unicode 14, the marks of annotations, and the blank
/// of Braille.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Tells whether a text is seen whole and copies unchanged: no control characters, nothing
/// invisible, and no blank other than the space.
pub fn is_plain_text(text: &str) -> bool {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    text.bytes().all(is_plain)
        || text.chars().all(|character| {
            character == ' '
                || !(character.is_whitespace() || character.is_control() || is_invisible(character))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zeros_are_sorted_and_their_scripts_do_not_overlap() {
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 10 <= pair[1]));
    }

    #[test]
    fn digits_of_every_script_count_and_their_neighbours_do_not() {
        for (character, expected) in [
            ('7', Some('7')),
            ('٣', Some('3')),
            ('۹', Some('9')),
            ('९', Some('9')),
            ('\u{1E950}', Some('0')),
            ('\u{066A}', None),
            ('\u{065F}', None),
            ('\u{1E95A}', None),
            ('\u{0}', None),
            ('x', None),
        ] {
            assert_eq!(ascii_digit(character), expected, "{character:?}");
        }
    }

    #[test]
    fn every_folded_character_is_numeric() {
        let folded = ('\u{80}'..=char::MAX).filter(|character| ascii_digit(*character).is_some());
        assert_eq!(folded.clone().count(), ZEROS.len() * 10);
        assert!(folded.into_iter().all(char::is_numeric));
    }
}
