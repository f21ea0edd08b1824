//! What every checked text has in common: it is read by `parse`, stored whole, logged masked.

/// Gives a type with `parse` and a masking `Display` its conversions from and to text.
///
/// `$stored` is the field that is written; `Debug` prints the type's name around the mask.
macro_rules! text_form {
    ($name:ident, $error:ty, $stored:tt) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.$stored
            }
        }
    };
}

pub(crate) use text_form;
