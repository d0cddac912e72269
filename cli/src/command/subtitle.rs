//! Subtitle files: SubRip and WebVTT.

use loam::engine::Segment;

/// Numbers the subtitles of one file.
#[derive(Debug, Default)]
pub struct Subtitles {
    count: usize,
}

impl Subtitles {
    /// The next subtitle in SubRip's form, with the line between it and the one after it.
    pub fn srt(&mut self, segment: &Segment) -> String {
        self.count += 1;
        let (start, end) = (time(segment.start, ','), time(segment.end, ','));
        format!("{}\n{start} --> {end}\n{}\n", self.count, words(segment))
    }

    /// The same in WebVTT's, in which `&` and `<` begin something else.
    pub fn vtt(&mut self, segment: &Segment) -> String {
        let (start, end) = (time(segment.start, '.'), time(segment.end, '.'));
        let text = words(segment).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!("{start} --> {end}\n{text}\n")
    }
}

/// The text on one line: an empty line would end the subtitle.
fn words(segment: &Segment) -> String {
    segment.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Hours, minutes, seconds and milliseconds, with `mark` before the last.
fn time(seconds: f64, mark: char) -> String {
    let ms = (seconds * 1000.0).round() as u64;
    format!("{:02}:{:02}:{:02}{mark}{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_texts_are_as_players_read_them() {
        let segment = Segment {
            start: 3_723.004_6,
            end: 36_000.0,
            text: " a <b> &\n\nc ".into(),
            tokens: Vec::new(),
            log_probability: 0.0,
            no_speech_probability: None,
            temperature: 0.0,
        };
        let mut subtitles = Subtitles::default();
        assert_eq!(subtitles.srt(&segment), "1\n01:02:03,005 --> 10:00:00,000\na <b> & c\n");
        assert!(subtitles.srt(&segment).starts_with("2\n"));
        assert_eq!(subtitles.vtt(&segment), "01:02:03.005 --> 10:00:00.000\na &lt;b&gt; &amp; c\n");
    }
}
