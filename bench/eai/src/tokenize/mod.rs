//! How the usual tools cut text into words before they score it.

mod mteval;
mod porter;
mod ptb;
mod rouge;

pub use mteval::mteval_13a;
pub use porter::stem;
pub use ptb::ptb_caption;
pub use rouge::{rouge_tokens, rouge_tokens_stemmed};

/// Words between white space, as Python's `str.split` finds them.
pub fn whitespace(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// White space as Python sees it: four control characters are, too.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
