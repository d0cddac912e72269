//! Windows of a stream, with a network whose frames see a few samples: then seams would show.

use super::*;
use crate::engine::Loading;
use crate::model::recognizer::ctc::CtcHead;
use crate::model::{LinearRole, RowOrder};
use crate::quant::{Linear, Matrix};

const HOP: usize = 160;
const REACH: usize = 400;
/// Tokens: a blank, a space, and letters.
const TOKENS: [&str; 6] = ["", " ", "a", "b", "c", "d"];

/// Hears the token `round(100 * first sample of a frame)`, a little less surely the louder its last one is.
#[derive(Debug)]
struct Ear {
    head: CtcHead,
    table: LinearTable,
    longest: usize,
}

impl CtcNetwork for Ear {
    fn rate(&self) -> SampleRate {
        SampleRate::SPEECH
    }

    fn hop(&self) -> usize {
        HOP
    }

    fn longest(&self) -> usize {
        self.longest
    }

    fn frames(&self, samples: usize) -> usize {
        samples.checked_sub(REACH).map_or(0, |rest| rest / HOP + 1)
    }

    fn width(&self) -> usize {
        TOKENS.len()
    }

    fn head(&self) -> Option<&CtcHead> {
        Some(&self.head)
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn features(&self, samples: &[f32]) -> Result<Option<Features>> {
        assert!(samples.len() <= self.longest, "{} samples at once", samples.len());
        let is_heard = self.frames(samples.len()) > 0;
        is_heard.then(|| Features::new(samples.to_vec(), vec![samples.len()])).transpose()
    }

    fn states_of(&self, features: &Features, _: Option<&Deltas>) -> Result<Vec<f32>> {
        let samples = &features.values;
        let frame = |k: usize| {
            let heard = (samples[k * HOP] * 100.0).round() as usize;
            let sure = 0.9 - 0.1 * samples[k * HOP + REACH - 1].abs();
            (0..TOKENS.len()).map(move |id| if id == heard { sure.ln() } else { ((1.0 - sure) / 5.0).ln() })
        };
        Ok((0..self.frames(samples.len())).flat_map(frame).collect())
    }
}

fn ear(longest: usize) -> Arc<CtcRecognizer> {
    let vocabulary = CtcVocabulary::new(TOKENS.map(str::to_owned).to_vec(), 0).expect("vocabulary");
    let (mut table, count) = (LinearTable::default(), TOKENS.len());
    let id = table.add("head".into(), LinearRole::Linear, (count, count), RowOrder::Same);
    // The states are log-probabilities already.
    let identity: Vec<f32> = (0..count * count).map(|at| f32::from(at % (count + 1) == 0)).collect();
    let linear = Linear::new(id, Matrix::from_f32(&identity, count, count), None).expect("linear");
    let network = Box::new(Ear { head: CtcHead::new(linear, vocabulary), table, longest });
    Arc::new(CtcRecognizer { part: Part::new("speech", 0, Loading::First), network })
}

/// Samples that say tokens by a rule without a period, with silence now and then.
fn samples(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(|at| {
        let frame = at / HOP;
        let token =
            if frame % 900 > 800 { usize::from(frame % 900 == 801) } else { (frame * frame / 7) % TOKENS.len() };
        token as f32 / 100.0
    })
}

fn listener(longest: usize, pace: Pace, search: Search) -> Box<dyn Listener + Send> {
    let options = ListenOptions { pace, search, ..ListenOptions::default() };
    Arc::clone(&ear(longest)).listen(&options, None).expect("listener")
}

fn text(segments: &[Segment]) -> String {
    segments.iter().map(|segment| &*segment.text).collect()
}

#[test]
fn windows_join_without_a_seam() {
    let sound: Vec<f32> = samples(16_000 * 45 + 123).collect();
    let once = ear(usize::MAX);
    let (frames, _) = once.frames(&sound, None).expect("heard");
    let tokens = Greedy::new(TOKENS.len(), 0).push(&frames);
    let expected: String = tokens.iter().map(|token| TOKENS[token.id as usize]).collect();
    for longest in [24 * 16_000, 7 * 16_000 + 11, 2_500] {
        for pace in [Pace::Thorough, Pace::Live] {
            for search in [Search::Greedy, Search::Beam(3)] {
                for chunk in [1_600, 99_999] {
                    let mut listener = listener(longest, pace, search);
                    let mut segments: Vec<Segment> = Vec::new();
                    for samples in sound.chunks(chunk) {
                        segments.extend(listener.push(samples).expect("heard"));
                    }
                    segments.extend(listener.finish().expect("finished"));
                    assert_eq!(text(&segments), expected.trim(), "{longest} {pace:?} {search:?} {chunk}");
                    assert!(segments.len() >= 5, "{} segments: pauses part them", segments.len());
                }
            }
        }
    }
}

#[test]
fn four_hours_hold_one_window() {
    let model = ear(usize::MAX);
    let vocabulary = model.vocabulary(None).expect("vocabulary");
    let plan = Plan::new(&*model.network, Pace::Thorough).expect("plan");
    let mut listener = CtcListener {
        plan,
        writer: Writer::new(&vocabulary, 0.01),
        vocabulary,
        search: CtcSearch::Greedy(Greedy::new(TOKENS.len(), 0)),
        held: Vec::new(),
        received: 0,
        context: 0,
        state: State::Listening,
        model,
        adapter: None,
        ran: Ran::default(),
    };
    let minute: Vec<f32> = samples(60 * 16_000).collect();
    let (mut last, mut count) = (0.0, 0);
    for _ in 0..240 {
        for segment in listener.push(&minute).expect("heard") {
            assert!(segment.start >= last && segment.end - segment.start < LONGEST_SEGMENT, "{segment:?}");
            last = segment.end;
            count += 1;
        }
        assert!(listener.held.len() < plan.length && listener.held.capacity() <= 2 * plan.length);
        assert!(listener.partial().len() < 10_000);
    }
    listener.finish().expect("finished");
    assert!(last > 4.0 * 3600.0 - 60.0 && count > 1000, "{count} segments up to {last} s");
}

/// A little more than what the writer allows.
const LONGEST_SEGMENT: f64 = 41.0;

/// Windows without a frame, and frames that lie further apart than a window is long.
#[test]
fn a_network_whose_windows_hold_nothing_is_refused() {
    for longest in [1, HOP - 1, REACH - 1] {
        let model = ear(longest);
        for pace in [Pace::Thorough, Pace::Live] {
            assert!(matches!(Plan::new(&*model.network, pace), Err(Error::Unsupported { .. })), "{longest}");
        }
    }
    for longest in REACH.max(HOP)..REACH.max(HOP) + 40 * HOP {
        for pace in [Pace::Thorough, Pace::Live] {
            let plan = Plan::new(&*ear(longest).network, pace).expect("plan");
            assert!(plan.body > 0 && (plan.left + plan.body) * HOP <= plan.length, "{longest}: {plan:?}");
        }
    }
}
