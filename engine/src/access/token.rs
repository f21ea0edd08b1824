//! The text of a token, `rg_<prefix>_<secret>`, and the hash that is all the store keeps of it.

use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hex;

/// What every token begins with, so that a scanner of leaked secrets can know it.
const MARK: &str = "rg_";
const PREFIX_LENGTH: usize = 12;
const PREFIX_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const SECRET_BYTES: usize = 32;
/// The characters that 32 bytes have in base64 without padding.
const SECRET_LENGTH: usize = 43;

/// Why a text is no token; it never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// It does not begin as tokens do.
    #[error("a token begins with rg_")]
    Mark,
    /// The prefix is longer or shorter.
    #[error("the prefix of a token has 12 characters")]
    PrefixLength,
    /// The prefix has another character.
    #[error("the prefix of a token has small letters and digits only")]
    PrefixCharacter,
    /// The secret is longer or shorter, or missing.
    #[error("the secret of a token has 43 characters")]
    SecretLength,
    /// The secret has another character, or another last one than 32 bytes can have.
    #[error("the secret of a token is not base64url")]
    SecretCharacter,
}

/// The operating system gave no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("system gave no random numbers")]
pub struct NoRandomness;

/// The public part of a token: it names the token, in lists, in logs and to the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[a-z0-9]{12}$")]
pub struct Prefix(String);

impl Prefix {
    /// Returns the twelve characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = MalformedToken;

    /// # Errors
    /// [`MalformedToken::PrefixLength`] and [`MalformedToken::PrefixCharacter`].
    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        if text.len() != PREFIX_LENGTH {
            return Err(MalformedToken::PrefixLength);
        }
        if !text.bytes().all(|byte| PREFIX_ALPHABET.contains(&byte)) {
            return Err(MalformedToken::PrefixCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A token as its holder has it. Its `Debug` text has the prefix alone, and it has no other.
///
/// Two tokens cannot be compared: what is compared is [`SecretHash`], in constant time.
#[derive(Clone)]
pub struct Token {
    prefix: Prefix,
    secret: [u8; SECRET_BYTES],
}

impl Token {
    /// Draws a token from the randomness of the operating system.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|_| NoRandomness)?;
        Ok(Self {
            prefix: draw_prefix()?,
            secret,
        })
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`MalformedToken`]; a token has one spelling.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let rest = text.strip_prefix(MARK).ok_or(MalformedToken::Mark)?;
        // The secret may have this character, the prefix never does.
        let (prefix, text) = rest.split_once('_').ok_or(MalformedToken::SecretLength)?;
        let prefix = prefix.parse()?;
        if text.len() != SECRET_LENGTH {
            return Err(MalformedToken::SecretLength);
        }
        let mut secret = [0; SECRET_BYTES];
        let read = URL_SAFE_NO_PAD.decode_slice(text, &mut secret);
        match read {
            Ok(SECRET_BYTES) => Ok(Self { prefix, secret }),
            _ => Err(MalformedToken::SecretCharacter),
        }
    }

    /// Returns the public part.
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Returns the whole token, for the one place that hands it to its holder.
    pub fn expose(&self) -> String {
        format!(
            "{MARK}{}_{}",
            self.prefix,
            URL_SAFE_NO_PAD.encode(self.secret)
        )
    }

    /// Returns what is kept of the secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({MARK}{}_[redacted])", self.prefix)
    }
}

/// Draws twelve characters, each as likely as any other.
fn draw_prefix() -> Result<Prefix, NoRandomness> {
    /// The largest multiple of 36 among bytes: what lies above would favour the first letters.
    const FAIR: u8 = 252;
    let mut prefix = String::with_capacity(PREFIX_LENGTH);
    while prefix.len() < PREFIX_LENGTH {
        let mut bytes = [0; PREFIX_LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let fair = bytes.into_iter().filter(|byte| *byte < FAIR);
        let drawn = fair.map(|byte| char::from(PREFIX_ALPHABET[usize::from(byte % 36)]));
        prefix.extend(drawn.take(PREFIX_LENGTH - prefix.len()));
    }
    Ok(Prefix(prefix))
}

/// The SHA-256 of a token's secret: what the store has of it.
///
/// A slow hash defends secrets that people choose and others can guess. This one is 256 bits of
/// chance: whoever has its hash would have to try 2^255 of them, however fast each try is.
#[derive(Clone)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// A hash that no secret is known to have, for comparing where there is nothing to compare.
    pub const OF_NOTHING: Self = Self([0; 32]);

    /// Says whether two hashes are the same, in a time that does not tell where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Writes the hash as the store keeps it: 64 hexadecimal digits.
    pub fn to_text(&self) -> String {
        hex::written(&self.0)
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        hex::read(text).map(Self)
    }
}

/// A hash is no secret, but nothing that a log needs either.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// 32 bytes of zero.
    const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_drawn_token_reads_back_as_itself_and_is_drawn_once() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let token = Token::draw().expect("random numbers");
            let text = token.expose();
            assert_eq!(text.len(), 3 + PREFIX_LENGTH + 1 + SECRET_LENGTH);
            let read = Token::parse(&text).expect("a token");
            assert_eq!(read.expose(), text);
            assert!(read.hash().matches(&token.hash()));
            assert!(
                !Token::draw()
                    .expect("a token")
                    .hash()
                    .matches(&token.hash())
            );
            assert!(seen.insert(token.prefix().clone()));
        }
    }

    #[test]
    fn the_debug_text_of_a_token_has_its_prefix_and_not_its_secret() {
        let token = Token::draw().expect("random numbers");
        let secret = token.expose()[16..].to_owned();
        let hash = token.hash().to_text();
        for shown in [
            format!("{token:?}"),
            format!("{token:#?}"),
            format!("{:?}", token.hash()),
        ] {
            assert!(
                !shown.contains(&secret) && !shown.contains(&hash),
                "{shown}"
            );
        }
        assert!(format!("{token:?}").contains(token.prefix().as_str()));
    }

    #[test]
    fn what_is_no_token_is_refused_by_what_is_wrong_with_it() {
        use MalformedToken::{Mark, PrefixCharacter, PrefixLength, SecretCharacter, SecretLength};
        let whole = format!("rg_abcdefghij09_{ZERO}");
        assert!(Token::parse(&whole).is_ok());
        let cases = [
            (String::new(), Mark),
            (whole.replace("rg_", "RG_"), Mark),
            (format!(" {whole}"), Mark),
            ("rg_".to_owned(), SecretLength),
            ("rg_abcdefghij09".to_owned(), SecretLength),
            (whole.replace("09_", "0_"), PrefixLength),
            (whole.replace("09_", "099_"), PrefixLength),
            (whole.replace("a", "A"), PrefixCharacter),
            (whole.replace("ab", "ã"), PrefixCharacter),
            (whole.replace("09_", "0-_"), PrefixCharacter),
            (whole.replace("AAAA", "AAA"), SecretLength),
            (format!("{whole}A"), SecretLength),
            (format!("{whole}\n"), SecretLength),
            (whole.replacen('A', "+", 1), SecretCharacter),
            (whole.replacen('A', "=", 1), SecretCharacter),
            (whole.replacen("AA", "ã", 1), SecretCharacter),
            // The last character carries four bits: this would be a second spelling.
            (format!("{}B", &whole[..whole.len() - 1]), SecretCharacter),
        ];
        for (text, fault) in cases {
            let refused = Token::parse(&text).map(|token| token.expose());
            assert_eq!(refused, Err(fault), "{text:?}");
        }
        // The secret's own alphabet has both.
        assert!(Token::parse(&whole.replacen("AA", "-_", 1)).is_ok());
        assert!(Token::parse(&"9".repeat(1 << 20)).is_err());
    }

    #[test]
    fn a_hash_reads_back_as_written_and_matches_itself_alone() {
        let token = Token::parse(&format!("rg_abcdefghij09_{ZERO}")).expect("a token");
        let text = token.hash().to_text();
        // SHA-256 of 32 bytes of zero.
        assert_eq!(
            text,
            "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
        );
        let read = SecretHash::from_text(&text).expect("a hash");
        assert!(read.matches(&token.hash()));
        assert!(!SecretHash::OF_NOTHING.matches(&read));
        for wrong in ["", &text[1..], &text.replace('6', "g"), &"é".repeat(32)] {
            assert!(SecretHash::from_text(wrong).is_none(), "{wrong}");
        }
    }
}
