//! Questions about pictures, sound and motion, and descriptions of them: Path 1, encoder to projector to backbone.
//!
//! A foundation with a vision-language model answers about pictures with it. Any other one needs an encoder, a projector of
//! the same modality and a backbone: what the encoder gives becomes soft tokens, which stand at the begin of the user's
//! message, before the question.

use std::sync::Arc;
use std::time::Instant;

use crate::adapter::Adapter;
use crate::engine::{Engine, GenerateOptions, GenerateStats, Prompt, Request, Sink, Step};
use crate::error::{Error, Result};
use crate::foundation::{Component, ComponentKind};
use crate::input::{ChatOptions, Image, Input, Message, Position, encode_chat_around};
use crate::model::Modality;

/// Inputs of one question.
const MAX_INPUTS: usize = 64;

/// How a question is answered.
#[derive(Clone, Debug, Default)]
pub struct AnswerOptions {
    /// How the text is generated and ends.
    pub generate: GenerateOptions,
    /// System message; the adapter's own where it is `None`.
    pub instructions: Option<String>,
    /// An adapter of a component that runs: vision-language model, encoder, projector or backbone.
    pub adapter: Option<Arc<Adapter>>,
    /// What the inputs are, where their kind does not tell: a grey picture may be a depth map.
    pub modality: Option<Modality>,
}

impl AnswerOptions {
    /// The adapter, if it acts on that component.
    fn adapter_of(&self, component: &str) -> Option<&Arc<Adapter>> {
        self.adapter.as_ref().filter(|adapter| adapter.package.task().component == component)
    }

    /// An adapter that acts on nothing that ran would be ignored without a word.
    fn check(&self, ran: &[&str]) -> Result<()> {
        let Some(adapter) = &self.adapter else { return Ok(()) };
        let component = &adapter.package.task().component;
        if ran.contains(&component.as_str()) {
            return Ok(());
        }
        let reason = format!("it acts on '{component}', the answer takes {}", ran.join(", "));
        Err(Error::adapter(&adapter.alias, reason))
    }

    fn messages(&self, inputs: usize, question: &str) -> Vec<Message> {
        let own = || self.adapter.as_ref().and_then(|adapter| adapter.package.task().instructions.clone());
        let instructions = self.instructions.clone().or_else(own).map(Message::system);
        instructions.into_iter().chain([Message::user_with_images(inputs, question)]).collect()
    }
}

impl Engine {
    /// Answers `question` about `inputs`, which are shown in their order. The text goes to `sink`.
    ///
    /// # Errors
    /// [`Error::Argument`] for no input, more than 64, an empty question or a text among the inputs;
    /// [`Error::MissingComponent`] naming what the foundation lacks; [`Error::Adapter`] for an adapter of a component that
    /// does not run; [`Error::ContextFull`]; as [`Engine::generate`] otherwise.
    pub fn answer(
        &self,
        inputs: &[Input],
        question: &str,
        options: &AnswerOptions,
        sink: &mut dyn Sink,
    ) -> Result<GenerateStats> {
        if inputs.is_empty() || inputs.len() > MAX_INPUTS {
            return Err(Error::argument("inputs", format!("{}, expected 1 to {MAX_INPUTS}", inputs.len())));
        }
        if question.trim().is_empty() {
            return Err(Error::argument("question", "it is empty"));
        }
        let pictures: Option<Vec<Image>> = inputs
            .iter()
            .map(|input| match input {
                Input::Image(image) => Some(image.clone()),
                _ => None,
            })
            .collect();
        let whole = options.modality.is_none_or(|modality| modality == Modality::IMAGE)
            && self.foundation().has(ComponentKind::VisionLanguage);
        match pictures.filter(|_| whole) {
            Some(pictures) => self.answer_by_vision_language(&pictures, question, options, sink),
            None => self.answer_by_projector(inputs, question, options, sink),
        }
    }

    /// Describes one input: an [`Engine::answer`] to a plain request for a description.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub fn caption(&self, input: &Input, options: &AnswerOptions, sink: &mut dyn Sink) -> Result<GenerateStats> {
        let question = match input {
            Input::Image(_) => "Describe this image in one sentence.",
            Input::Sound(_) => "Describe this sound in one sentence.",
            Input::Motion { .. } => "Describe this motion in one sentence.",
            Input::Text(_) => return Err(Error::argument("input", "text, which describes itself")),
        };
        self.answer(std::slice::from_ref(input), question, options, sink)
    }

    fn answer_by_vision_language(
        &self,
        pictures: &[Image],
        question: &str,
        options: &AnswerOptions,
        sink: &mut dyn Sink,
    ) -> Result<GenerateStats> {
        let component = self.foundation().component(ComponentKind::VisionLanguage)?.name();
        options.check(&[component])?;
        let deltas = options.adapter_of(component).map(|adapter| &adapter.bound.deltas);
        let model = self.vision_language()?;
        let turn = self.turn(&options.generate.caller)?;
        let prompt = model.encode_prompt(pictures, &options.messages(pictures.len(), question), deltas)?;
        drop(turn);
        let request = prompt.request(options.adapter.clone(), options.generate.clone());
        Ok(self.generate_on(model.language(), request, sink)?.stats)
    }

    fn answer_by_projector(
        &self,
        inputs: &[Input],
        question: &str,
        options: &AnswerOptions,
        sink: &mut dyn Sink,
    ) -> Result<GenerateStats> {
        let backbone = self.foundation().component(ComponentKind::Backbone)?.name();
        let mut ran = vec![backbone];
        let mut modalities = Vec::with_capacity(inputs.len());
        for input in inputs {
            if matches!(input, Input::Text(_)) {
                return Err(Error::argument("inputs", "text, which belongs into the question"));
            }
            let (modality, encoder) = self.reader(input, options.modality, None)?;
            ran.push(encoder);
            let projector = self.foundation().component(ComponentKind::Projector(modality))?;
            check_wiring(projector, encoder, backbone)?;
            ran.push(projector.name());
            modalities.push(modality);
        }
        options.check(&ran)?;

        let language = self.language()?;
        let template = language.template().ok_or_else(|| {
            Error::unsupported("questions", "the backbone has no chat template, which says where they stand")
        })?;
        let messages = options.messages(inputs.len(), question);
        let runs = encode_chat_around(language.tokenizer()?, template, &messages, &ChatOptions::default())?;
        let mut prompt = Prompt::new();
        let mut steps = Vec::new();
        for (at, run) in runs.iter().enumerate() {
            run.iter().for_each(|id| prompt.push_token(*id));
            if let Some(input) = inputs.get(at) {
                let turn = self.turn(&options.generate.caller)?;
                let soft = self.soft_tokens(input, modalities[at], options, &mut steps)?;
                drop(turn);
                prompt.push_soft(soft, language.backbone().config().hidden_size)?;
            }
        }
        let adapter = options.adapter_of(backbone);
        let mut request = Request::new(prompt, adapter.cloned(), options.generate.clone());
        request.position = Position::Start;
        request.steps = steps;
        Ok(self.generate_on(&language, request, sink)?.stats)
    }

    /// An input's soft tokens for the backbone; what ran is appended to `steps`.
    fn soft_tokens(
        &self,
        input: &Input,
        modality: Modality,
        options: &AnswerOptions,
        steps: &mut Vec<Step>,
    ) -> Result<Vec<f32>> {
        let encoder = self.encoder(modality)?;
        let start = Instant::now();
        let inputs = std::slice::from_ref(input);
        let (encodings, ran) = match options.adapter_of(&encoder.part().name) {
            None => encoder.encode(inputs, None)?,
            Some(adapter) => encoder.encode_adapted(inputs, &adapter.bound)?,
        };
        steps.push(encoder.part().step(start).on(ran));
        let projector = self.projector(modality)?;
        let start = Instant::now();
        let deltas = options.adapter_of(&projector.part().name).map(|adapter| &adapter.bound.deltas);
        let soft = projector.project(&encodings[0], encoder.encoder().state_width(), deltas)?;
        steps.push(projector.part().step(start));
        Ok(soft)
    }
}

/// A projector fits the encoder and the backbone that it was made for, and no others of the same widths.
fn check_wiring(projector: &Component, encoder: &str, backbone: &str) -> Result<()> {
    let wiring = projector.record().and_then(|record| record.wiring.as_ref());
    let ends = wiring.and_then(|wiring| wiring.from.as_deref().zip(wiring.to.as_deref()));
    match ends {
        Some((from, to)) if (from, to) != (encoder, backbone) => {
            let reason =
                format!("it leads from '{from}' to '{to}', the answer would take '{encoder}' and '{backbone}'");
            Err(Error::unsupported(format!("projector '{}'", projector.name()), reason))
        }
        _ => Ok(()),
    }
}
