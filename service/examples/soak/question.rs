//! What is asked, and what the answer is when nobody else asks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use loam::engine::{EngineOptions, ListenOptions};
use loam::input::{Audio, Channels, Image, ImuLayout, ImuSource, ImuWindow, Input, PixelLayout, Repair, SampleRate};
use loam_service::{
    Adapter, App, ClassifyOptions, Engine, Error, Event, GenerateOptions, InstallPolicy, Session, TaskHandle,
};

use crate::Failure;

/// Adapters by the alias that apps give them: those of one alias are replaced by each other.
pub const ADAPTERS: [(&str, [&str; 2]); 3] =
    [("chat", ["reply", "brief"]), ("text", ["topic-text", "emotion-text"]), ("sense", ["sounds", "falls"])];
const TOKENS: u32 = 24;

/// One thing to ask.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Continue a text.
    Generate {
        prompt: String,
        priority: loam::engine::Priority,
    },
    /// Two turns of a conversation.
    Chat {
        first: String,
        second: String,
    },
    /// Find the label, with or without an adapter.
    Classify {
        input: Input,
        labels: Vec<String>,
    },
    Embed {
        input: Input,
    },
    Transcribe {
        input: Input,
    },
}

/// A question, which adapter it takes, and the answer.
#[derive(Clone, Debug)]
pub struct Question {
    pub ask: Ask,
    /// Alias, and which of its packages.
    pub adapter: Option<(&'static str, usize)>,
    pub answer: String,
}

/// All of them.
#[derive(Debug)]
pub struct Questions {
    pub all: Vec<Question>,
    adapters: PathBuf,
}

impl Questions {
    /// Asks them one by one, in this process.
    pub fn ask(foundation: &Path, adapters: &Path) -> Result<Self, Failure> {
        let engine = Engine::open(foundation, EngineOptions::default())?;
        let app = engine.attach("alone")?;
        let mut questions = Self { all: questions(), adapters: adapters.to_path_buf() };
        for at in 0..questions.all.len() {
            let question = questions.all[at].clone();
            let adapter = match question.adapter {
                Some((alias, which)) => Some(questions.install(&app, alias, which)?),
                None => None,
            };
            questions.all[at].answer = answer(&app, &question.ask, adapter.as_ref(), None)?.0;
        }
        Ok(questions)
    }

    /// Installs one of the packages of an alias, in place of what is there.
    pub fn install(&self, app: &App, alias: &str, which: usize) -> Result<Arc<Adapter>, Error> {
        let names = ADAPTERS.iter().find(|(known, _)| *known == alias).map_or([""; 2], |(_, names)| *names);
        let path = self.adapters.join(format!("{}.safetensors", names[which]));
        app.install_adapter(alias, path, InstallPolicy::Upsert)
    }
}

fn questions() -> Vec<Question> {
    use loam::engine::Priority::{Background, Interactive, Normal};
    let prompts =
        ["The sea is", "In the morning she", "A good recipe for bread begins with", "1, 2, 3,", "def main():"];
    let mut all = Vec::new();
    let mut add = |ask: Ask, adapter: Option<(&'static str, usize)>| {
        all.push(Question { ask, adapter, answer: String::new() });
    };
    for (at, prompt) in prompts.iter().enumerate() {
        let priority = [Interactive, Normal, Background][at % 3];
        let long = format!("{} {prompt}", "They spoke of the weather and of the harvest. ".repeat(at * 3));
        for adapter in [None, Some(("chat", at % 2))] {
            add(Ask::Generate { prompt: long.clone(), priority }, adapter);
        }
    }
    for (first, second) in [("Good morning", "And what then?"), ("Name a colour.", "Another one, please.")] {
        for adapter in [None, Some(("chat", 0)), Some(("chat", 1))] {
            add(Ask::Chat { first: first.to_owned(), second: second.to_owned() }, adapter);
        }
    }
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for text in ["The team won the final after extra time.", "Shares fell by a tenth on Monday."] {
        let input = Input::Text(text.to_owned());
        add(Ask::Classify { input: input.clone(), labels: labels(&["sports", "business", "weather"]) }, None);
        add(Ask::Embed { input: input.clone() }, None);
        for which in 0..2 {
            add(Ask::Classify { input: input.clone(), labels: Vec::new() }, Some(("text", which)));
        }
    }
    for seed in 0..2 {
        add(Ask::Classify { input: picture(seed), labels: labels(&["a cat", "a ship", "the digit 7"]) }, None);
        add(Ask::Embed { input: picture(seed) }, None);
        add(Ask::Classify { input: sound(seed, 2), labels: Vec::new() }, Some(("sense", 0)));
        add(Ask::Classify { input: motion(seed), labels: Vec::new() }, Some(("sense", 1)));
        add(Ask::Transcribe { input: sound(seed, 1) }, None);
    }
    all
}

fn noise(seed: u32, at: usize) -> f32 {
    let value = (at as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503));
    ((value >> 9) & 0xffff) as f32 / 65_535.0
}

fn picture(seed: u32) -> Input {
    let pixels: Vec<u8> = (0..96 * 80 * 3).map(|at| (noise(seed, at / 7) * 255.0) as u8).collect();
    Input::Image(Image::from_pixels(&pixels, PixelLayout::Rgb, 96, 80).expect("a picture"))
}

fn sound(seed: u32, seconds: usize) -> Input {
    let wave = |at: usize| (at as f32 * 0.05 * (1.0 + seed as f32)).sin() * noise(seed, at / 800);
    let samples: Vec<f32> = (0..16_000 * seconds).map(wave).collect();
    Input::Sound(Audio::from_f32(&samples, Channels::MONO, SampleRate::SPEECH).expect("a sound"))
}

fn motion(seed: u32) -> Input {
    let samples: Vec<f32> = (0..200 * 6).map(|at| noise(seed, at) * 4.0 - 2.0).collect();
    let source = ImuSource::android(50.0, ImuLayout::AccelerometerGyroscope);
    let window = ImuWindow::new(source, samples, None).expect("a window");
    Input::Motion { window, repair: Repair::Refuse }
}

/// Asks, and gives up after `enough` texts of a stream; the answer, and whether it was given up.
pub fn answer(
    app: &App,
    ask: &Ask,
    adapter: Option<&Arc<Adapter>>,
    enough: Option<usize>,
) -> Result<(String, bool), Error> {
    let options = |priority| GenerateOptions { max_tokens: TOKENS, priority, ..GenerateOptions::default() };
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits().to_string()).collect::<Vec<_>>().join(" ");
    Ok(match ask {
        Ask::Generate { prompt, priority } => {
            stream(enough, |sink| Ok(app.generate(prompt, options(*priority), adapter, sink)))?
        }
        Ask::Chat { first, second } => {
            let chat = app.chat(None, adapter.map(|adapter| &**adapter))?;
            let before = turn(&chat, first)?;
            let normal = options(loam::engine::Priority::Normal);
            let (after, cut) = stream(enough, |sink| chat.respond(second, normal, sink))?;
            (format!("{before}\n{after}"), cut)
        }
        Ask::Classify { input, labels } => {
            let options = ClassifyOptions { labels: labels.clone(), ..ClassifyOptions::default() };
            let found = app.classify(input.clone(), options, adapter.map(|adapter| &**adapter))?;
            let scores: Vec<f32> = found.scores.iter().map(|score| score.probability).collect();
            (format!("{} {}", found.label, bits(&scores)), false)
        }
        Ask::Embed { input } => {
            (bits(&app.embed(input.clone(), None, adapter.map(|adapter| &**adapter))?.vector), false)
        }
        Ask::Transcribe { input } => {
            let Input::Sound(audio) = input else { return Ok((String::new(), false)) };
            (app.transcribe(audio.clone(), ListenOptions::default(), None)?.text, false)
        }
    })
}

/// One whole turn of a conversation.
pub fn turn(chat: &Session, text: &str) -> Result<String, Error> {
    let options = GenerateOptions { max_tokens: TOKENS, ..GenerateOptions::default() };
    Ok(stream(None, |sink| chat.respond(text, options, sink))?.0)
}

fn stream(
    enough: Option<usize>,
    begin: impl FnOnce(Arc<dyn loam_service::EventSink>) -> Result<Arc<TaskHandle>, Error>,
) -> Result<(String, bool), Error> {
    let texts: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&texts);
    let handle = begin(Arc::new(move |event: Event| {
        let mut texts = kept.lock().expect("no panic");
        if let Event::Text { text } = event {
            texts.push(text);
        }
        let goes_on = enough.is_none_or(|enough| texts.len() < enough);
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }))?;
    handle.wait()?;
    let texts = texts.lock().expect("no panic");
    Ok((texts.concat(), enough.is_some_and(|enough| texts.len() >= enough)))
}
