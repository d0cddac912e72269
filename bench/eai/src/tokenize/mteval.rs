//! The tokenizer `13a` of sacrebleu, which is that of the `mteval-v13a` script.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Marks that stand apart; full stops and commas but next to digits; dashes after digits.
static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let rule = |text: &str| Regex::new(text).expect("invariant: the expression is right");
    [
        (rule(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), " $1 "),
        (rule(r"([^0-9])([\.,])"), "$1 $2 "),
        (rule(r"([\.,])([^0-9])"), " $1 $2"),
        (rule(r"([0-9])(-)"), "$1 $2 "),
    ]
});

/// Words of a segment, in its own case.
#[must_use]
pub fn mteval_13a(text: &str) -> Vec<String> {
    let mut line = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        line = line.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    }
    let mut line = format!(" {line} ");
    for (rule, to) in RULES.iter() {
        if let Cow::Owned(changed) = rule.replace_all(&line, *to) {
            line = changed;
        }
    }
    super::whitespace(&line).map(str::to_owned).collect()
}
