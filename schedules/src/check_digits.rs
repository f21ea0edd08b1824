//! The two families of check digits that Brazilian documents and bank slips use.
//!
//! Knows characters and weights; which field is guarded by which digit is its callers' business.

/// Returns the mod 10 check digit of a text of ASCII digits.
///
/// Weights 2, 1 from the right; the digits of each product are summed. Source: FEBRABAN layout
/// v06, section 07.
pub fn mod10(digits: &str) -> u8 {
    let sum = values_from_right(digits)
        .zip([2, 1].into_iter().cycle())
        .map(|(value, weight)| value * weight)
        .map(|product| product / 10 + product % 10)
        .sum::<u32>();
    small(10 - sum % 10) % 10
}

/// Returns the mod 11 digit of a bank slip's barcode over its other 43 digits; never 0.
///
/// Source: bank manuals (Caixa, Banco do Brasil, Itaú, Bradesco, Santander).
pub fn mod11_bank(digits: &str) -> u8 {
    match 11 - weighted_sum(digits, 9) % 11 {
        10 | 11 => 1,
        digit => small(digit),
    }
}

/// Returns the mod 11 digit in which a remainder of 0 or 1 gives 0.
///
/// Weights run from 2 at the right up to `heaviest` and start again. Collection lines use 9
/// (FEBRABAN layout v06, section 09), CNPJ 9 and CPF 11 (Receita Federal). The value of a
/// character is its ASCII code less 48, so that letters count too (IN RFB 2.229/2024).
pub fn mod11(characters: &str, heaviest: u32) -> u8 {
    match weighted_sum(characters, heaviest) % 11 {
        0 | 1 => 0,
        remainder => small(11 - remainder),
    }
}

fn weighted_sum(characters: &str, heaviest: u32) -> u32 {
    values_from_right(characters)
        .zip((2..=heaviest).cycle())
        .map(|(value, weight)| value * weight)
        .sum()
}

fn values_from_right(characters: &str) -> impl Iterator<Item = u32> {
    let values = characters.bytes().rev();
    values.map(|byte| u32::from(byte.saturating_sub(b'0')))
}

fn small(digit: u32) -> u8 {
    u8::try_from(digit).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_slip_is_never_guarded_by_zero() {
        for number in 0..2_000 {
            assert!((1..=9).contains(&mod11_bank(&format!("{number:043}"))));
        }
    }

    #[test]
    fn letters_count_by_their_ascii_code() {
        // The official example 12.ABC.345/01DE-35: the first sum is 459.
        assert_eq!(weighted_sum("12ABC34501DE", 9), 459);
        assert_eq!(mod11("12ABC34501DE", 9), 3);
    }
}
