//! What is scored: the foundation, with an adapter or without one, doing a folder's task as the commands of that task do.

use std::sync::Arc;

use clap::ValueEnum;
use loam::Engine;
use loam::adapter::{Adapter, DataPath, HeadSpec};
use loam::engine::GenerateOptions;
use loam::foundation::ComponentKind;
use loam::input::{Audio, Input};
use loam::model::Modality;
use loam::task::{
    AnswerLabels, AnswerOptions, Chat, Classification, ClassifyOptions, ScoredBy, SpellOptions, TranscribeOptions,
};

use super::ask::{heard, written};
use super::metric::plain;
use crate::data::{DataSplit, DataTask, Example, Kind};
use crate::error::Error;

/// Classes that are named in the question to a backbone without instructions; more would be longer than most texts.
const MAX_NAMED: usize = 40;

/// What knows classes where no adapter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ZeroShot {
    /// The encoders: the input beside each class's sentence
    Labels,
    /// The backbone: how likely each class is as its answer; of texts
    Answers,
}

/// Classes and the words that stand for them.
#[derive(Clone, Debug)]
pub struct Words {
    labels: Vec<String>,
    texts: Vec<String>,
}

impl Words {
    /// Of a folder's classes.
    #[must_use]
    pub fn of(data: &DataSplit) -> Self {
        let texts = data.labels.iter().map(|label| data.description.words(label)).collect();
        Self { labels: data.labels.clone(), texts }
    }

    /// The class that these words stand for; the words themselves where they stand for none.
    fn label<'a>(&'a self, text: &'a str) -> &'a str {
        self.texts.iter().position(|known| known == text).map_or(text, |at| &self.labels[at])
    }
}

/// What came out of a row.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The class, or the text.
    pub text: String,
    /// Classes with their probabilities, most probable first; none of texts.
    pub probabilities: Vec<(String, f32)>,
    /// What decided.
    pub scored_by: &'static str,
}

/// A row ready to run: read and decoded.
#[derive(Debug)]
pub struct Ready<'a> {
    input: Option<Input>,
    sound: Option<Audio>,
    text: Option<&'a str>,
}

/// The foundation as it is scored.
#[derive(Debug)]
pub struct Subject<'a> {
    engine: &'a Engine,
    data: &'a DataSplit,
    adapter: Option<Arc<Adapter>>,
    zero_shot: ZeroShot,
    words: Words,
    instructions: Option<String>,
    generate: GenerateOptions,
}

impl<'a> Subject<'a> {
    /// `adapter` or the bare foundation on `data`; `instructions` is the system message where texts are written.
    ///
    /// # Errors
    /// [`Error::Argument`] for classes of the data that the adapter does not know, or for what these rows cannot be asked.
    pub fn new(
        engine: &'a Engine,
        data: &'a DataSplit,
        adapter: Option<Arc<Adapter>>,
        zero_shot: ZeroShot,
        instructions: Option<String>,
        max_tokens: usize,
    ) -> Result<Self, Error> {
        let kind = data.examples.first().map_or(Kind::Text, Example::kind);
        let refuse = |name: &'static str, reason: String| Err(Error::Argument { name, reason });
        if adapter.is_none() && zero_shot == ZeroShot::Answers && data.task == DataTask::Classify && kind != Kind::Text
        {
            return refuse("--zero-shot", format!("answers are about texts, these rows are {}", kind.as_str()));
        }
        if let Some(adapter) = adapter.as_ref().filter(|_| data.task == DataTask::Classify) {
            let known = &adapter.package.task().labels;
            let missing = data.labels.iter().find(|label| !known.is_empty() && !known.contains(label));
            if let Some(label) = missing {
                let reason =
                    format!("'{}' does not know the class '{label}'; it has {}", adapter.alias, known.join(", "));
                return refuse("ADAPTER", reason);
            }
        }
        let generate = GenerateOptions { max_tokens, ..GenerateOptions::default() };
        Ok(Self { engine, data, adapter, zero_shot, words: Words::of(data), instructions, generate })
    }

    /// `with` or `without`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.adapter.is_some() { "with" } else { "without" }
    }

    /// Reads and decodes a row.
    ///
    /// # Errors
    /// As [`DataSplit::input`] and [`DataSplit::sound`].
    pub fn prepare<'e>(&self, example: &'e Example) -> anyhow::Result<Ready<'e>> {
        let text = example.text.as_deref();
        Ok(match self.data.task {
            DataTask::Transcribe => Ready { input: None, sound: Some(self.data.sound(example)?), text },
            DataTask::Generate => Ready { input: None, sound: None, text },
            DataTask::Classify | DataTask::Answer => {
                Ready { input: Some(self.data.input(example)?), sound: None, text }
            }
        })
    }

    /// What comes out of a row.
    ///
    /// # Errors
    /// The engine's; [`Error::Malformed`] for a row without what the task needs.
    pub fn run(&self, ready: &Ready<'_>) -> anyhow::Result<Prediction> {
        let missing =
            |what: &str| Error::malformed(self.data.path.display(), "data folder", format!("it has no {what}"));
        match (self.data.task, ready) {
            (DataTask::Classify, Ready { input: Some(input), text, .. }) => self.classify(input, *text),
            (DataTask::Generate, Ready { text: Some(text), .. }) => self.generate(text),
            (DataTask::Generate, _) => Err(missing("text to answer").into()),
            (DataTask::Answer, Ready { input: Some(Input::Text(_)), .. }) => {
                Err(missing("file to answer about").into())
            }
            (DataTask::Answer, Ready { input: Some(input), text, .. }) => self.answer(input, *text),
            (DataTask::Transcribe, Ready { sound: Some(sound), .. }) => self.transcribe(sound),
            _ => Err(missing("input").into()),
        }
    }

    fn classify(&self, input: &Input, question: Option<&str>) -> anyhow::Result<Prediction> {
        let adapter = self.adapter.as_deref();
        if adapter.is_some_and(|adapter| adapter.package.task().path == DataPath::EncoderBackbone) {
            return self.classify_by_writing(input, question);
        }
        if question.is_some() && !matches!(input, Input::Text(_)) {
            let reason = "it has a text and a file; classification reads one of them";
            return Err(Error::malformed(self.data.path.display(), "data folder", reason).into());
        }
        match (adapter, input) {
            (None, Input::Text(text)) if self.zero_shot == ZeroShot::Answers => {
                let options = AnswerLabels {
                    labels: self.words.texts.clone(),
                    instructions: Some(self.question()),
                    ..AnswerLabels::default()
                };
                Ok(self.labelled(&self.engine.classify_by_answers(text, &options)?, true))
            }
            _ => {
                // Its own names are the head's outputs, and the answers that it was trained to give.
                let own = adapter.is_some_and(|adapter| !adapter.package.task().labels.is_empty());
                let head = adapter.is_some_and(|adapter| adapter.bound.head.is_some());
                let labels = match (own, head) {
                    (true, _) => Vec::new(),
                    (false, true) => self.words.labels.clone(),
                    (false, false) => self.words.texts.clone(),
                };
                let template = if adapter.is_some() { None } else { self.data.description.template.clone() };
                let options = ClassifyOptions { labels, template, adapter: self.adapter.clone(), modality: None };
                Ok(self.labelled(&self.engine.classify(input.clone(), &options)?, !own && !head))
            }
        }
    }

    /// A result, whose labels are the words for classes where `by_words` says so.
    fn labelled(&self, result: &Classification, by_words: bool) -> Prediction {
        let scored_by = name_of(result.scored_by);
        let name = |label: &str| if by_words { self.words.label(label).to_owned() } else { label.to_owned() };
        Prediction {
            text: name(&result.label),
            probabilities: result.scores.iter().map(|score| (name(&score.label), score.probability)).collect(),
            scored_by,
        }
    }

    /// Over encoder, projector and backbone: what is written is a class, or none.
    fn classify_by_writing(&self, input: &Input, question: Option<&str>) -> anyhow::Result<Prediction> {
        let written = self.answer(input, Some(question.unwrap_or(&self.question())))?;
        let same = |text: &&String| plain(text) == plain(&written.text);
        let label = self.words.texts.iter().find(same).or_else(|| self.words.labels.iter().find(same));
        let text = label.map_or_else(|| written.text.clone(), |label| self.words.label(label).to_owned());
        Ok(Prediction { text, ..written })
    }

    /// What a backbone is asked about a class without instructions of its own.
    fn question(&self) -> String {
        let named = &self.words.texts;
        self.instructions.clone().unwrap_or_else(|| match named.len() {
            0..=MAX_NAMED => format!("Name the class: {}.", named.join(", ")),
            _ => "Name the class.".to_owned(),
        })
    }

    fn generate(&self, text: &str) -> anyhow::Result<Prediction> {
        let mut chat = Chat::new(self.engine, self.instructions.as_deref());
        chat.set_adapter(self.adapter.clone());
        Ok(generated(written(|sink| chat.respond(text, &self.generate, sink))?))
    }

    fn answer(&self, input: &Input, question: Option<&str>) -> anyhow::Result<Prediction> {
        let options = AnswerOptions {
            generate: self.generate.clone(),
            instructions: self.instructions.clone(),
            adapter: self.adapter.clone(),
            modality: None,
        };
        Ok(generated(written(|sink| match question {
            Some(question) => self.engine.answer(std::slice::from_ref(input), question, &options, sink),
            None => self.engine.caption(input, &options, sink),
        })?))
    }

    fn transcribe(&self, sound: &Audio) -> anyhow::Result<Prediction> {
        if let Some(adapter) = self.adapter.as_ref().filter(|adapter| self.spells(adapter)) {
            let options = SpellOptions { adapter: Arc::clone(adapter), modality: None };
            let text = self.engine.spell(sound.clone(), &options)?.text;
            return Ok(Prediction { text, probabilities: Vec::new(), scored_by: "spelled" });
        }
        let options = TranscribeOptions { adapter: self.adapter.clone(), ..TranscribeOptions::default() };
        let text = heard(self.engine, sound, &options)?;
        Ok(Prediction { text, probabilities: Vec::new(), scored_by: "recogniser" })
    }

    /// Whether an adapter finds pieces in sound itself instead of adapting the recogniser of speech.
    fn spells(&self, adapter: &Adapter) -> bool {
        let speech = self.engine.foundation().component(ComponentKind::Encoder(Modality::SPEECH));
        let own = adapter.bound.head.as_ref().is_some_and(|head| matches!(head.spec(), HeadSpec::Ctc { .. }));
        own && !speech.is_ok_and(|speech| speech.name() == adapter.package.task().component)
    }
}

fn generated(text: String) -> Prediction {
    Prediction { text, probabilities: Vec::new(), scored_by: "generated" }
}

/// As reports name what decided.
#[must_use]
pub fn name_of(scored_by: ScoredBy) -> &'static str {
    match scored_by {
        ScoredBy::Labels => "labels",
        ScoredBy::AdapterHead => "adapter_head",
        ScoredBy::CheckpointHead => "checkpoint_head",
        ScoredBy::Answers => "answers",
    }
}
