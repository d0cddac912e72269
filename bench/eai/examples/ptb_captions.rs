//! Captions, one a line, as `ptb_caption` cuts them: to compare with the tokenizer of Stanford on whole sets.

fn main() {
    for line in std::io::stdin().lines() {
        println!("{}", loam_bench::tokenize::ptb_caption(&line.expect("a line of UTF-8")));
    }
}
