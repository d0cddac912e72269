//! What is wrong with a file of operators.

/// Why the operators of a file cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends within a value, or refers to something behind its end.
    #[error("it ends within {0}")]
    Short(&'static str),
    /// A bound is passed that no known file comes near.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A value that the format does not have.
    #[error("{0}")]
    Wrong(String),
}
