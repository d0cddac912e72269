//! A conversation: history, and the key-value cache that carries over from turn to turn.

use std::ops::{ControlFlow, Deref};
use std::path::Path;
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::engine::{
    Caller, Context, Engine, Event, FinishReason, GenerateOptions, GenerateStats, LanguageModel, Mismatch, Overflow,
    Request, Sink,
};
use crate::error::{Error, Result};
use crate::input::{Message, Position, Role};

/// A conversation with the language model. Each turn computes only what the last one did not. `E` is a reference to the
/// engine, or an `Arc` of it for a conversation that goes from thread to thread.
#[derive(Debug)]
pub struct Chat<E> {
    engine: E,
    messages: Vec<Message>,
    adapter: Option<Arc<Adapter>>,
    context: Option<Arc<Context>>,
}

impl<E: Deref<Target = Engine>> Chat<E> {
    /// A conversation that opens with `instructions` as its system message, if given.
    #[must_use]
    pub fn new(engine: E, instructions: Option<&str>) -> Self {
        let messages = instructions.map(Message::system).into_iter().collect();
        Self { engine, messages, adapter: None, context: None }
    }

    /// Answers from now on with `adapter`, or with the bare base. The history stays; its cache does not, for keys and
    /// values depend on the adapter.
    pub fn set_adapter(&mut self, adapter: Option<Arc<Adapter>>) {
        self.adapter = adapter;
    }

    /// Replaces the system message, or removes it. The rest of the history stays.
    pub fn set_instructions(&mut self, instructions: Option<&str>) {
        self.messages.retain(|message| message.role != Role::System);
        if let Some(text) = instructions {
            self.messages.insert(0, Message::system(text));
        }
    }

    /// Writes the conversation to a file, with what was computed for it, so that it goes on in another process as it would in
    /// this one. What was computed is the app's that `caller` names. The file takes the place of what was there when it
    /// is whole and on the disk.
    ///
    /// # Errors
    /// [`crate::Error::Io`], and then what was at `path` stays; as [`Engine::language`].
    pub fn save(&self, path: impl AsRef<Path>, caller: &Caller) -> Result<()> {
        let note = serde_json::to_string(&self.messages).map_err(|e| Error::argument("history", e))?;
        let (adapter, context) = (self.adapter.as_deref(), self.context.as_deref());
        self.engine.save_context(path.as_ref(), &caller.app, adapter, context, note)
    }

    /// Goes on with a conversation that was saved, with the adapter that it had.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Malformed`] and [`crate::Error::Digest`] for the file; [`crate::Error::Context`]
    /// for other weights or another adapter, where `mismatch` does not let them pass; [`crate::Error::Memory`].
    pub fn restore(
        engine: E,
        path: impl AsRef<Path>,
        caller: &Caller,
        adapter: Option<Arc<Adapter>>,
        mismatch: Mismatch,
    ) -> Result<Self> {
        let path = path.as_ref();
        let (note, context) = engine.restore_context(path, &caller.app, adapter.as_deref(), mismatch)?;
        let messages = serde_json::from_str(&note).map_err(|e| Error::malformed(path.display(), "saved context", e))?;
        Ok(Self { engine, messages, adapter, context })
    }

    /// The history, instructions included.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Forgets everything but the instructions.
    pub fn clear(&mut self) {
        self.messages.retain(|message| message.role == Role::System);
    }

    /// Answers `text`. What was generated becomes part of the history, also when the receiver stopped it; after an
    /// error, and when it was stopped before the first text, the history is as before.
    ///
    /// # Errors
    /// [`crate::Error::ContextFull`] when the conversation does not fit into the window; as [`Engine::generate`]
    /// otherwise.
    pub fn respond(&mut self, text: &str, options: &GenerateOptions, sink: &mut dyn Sink) -> Result<GenerateStats> {
        self.messages.push(Message::user(text));
        let mut answer = String::new();
        match self.run(options, &mut answer, sink) {
            // Stopped within the prompt: there was no turn.
            Ok(stats) if answer.is_empty() && stats.finish_reason == FinishReason::Stopped => {
                self.messages.pop();
                Ok(stats)
            }
            Ok(stats) => {
                self.messages.push(Message::assistant(answer));
                Ok(stats)
            }
            Err(error) => {
                self.messages.pop();
                Err(error)
            }
        }
    }

    fn run(&mut self, options: &GenerateOptions, answer: &mut String, sink: &mut dyn Sink) -> Result<GenerateStats> {
        let model = self.engine.language()?;
        let prompt = self.prompt(&model, options)?;
        let mut request = Request::new(prompt, self.adapter.clone(), options.clone());
        request.position = Position::Start;
        // It stays where the request is refused.
        request.context = self.context.clone();
        let generated = self.engine.generate_on(&model, request, &mut Tee { answer, sink })?;
        self.context = Some(generated.context);
        Ok(generated.stats)
    }

    /// The conversation as tokens. Where it may slide, its oldest turns are left out until a quarter of the window, or as much
    /// as is asked for, is free.
    fn prompt(&self, model: &LanguageModel, options: &GenerateOptions) -> Result<Vec<u32>> {
        let limit = model.backbone().config().max_position_embeddings;
        let room = options.max_tokens.min(limit / 4);
        let mut messages = self.messages.clone();
        loop {
            let prompt = model.encode_chat(&messages)?;
            // The question stays, and the instructions do.
            let oldest = messages.iter().position(|message| message.role != Role::System);
            match oldest.filter(|oldest| oldest + 1 < messages.len()) {
                Some(oldest) if options.overflow != Overflow::Fail && prompt.len() + room > limit => {
                    messages.remove(oldest);
                    // An answer is not left without its question.
                    let is_answer = |message: &Message| !matches!(message.role, Role::User | Role::System);
                    while messages.get(oldest).is_some_and(is_answer) {
                        messages.remove(oldest);
                    }
                }
                _ => return Ok(prompt),
            }
        }
    }
}

/// Keeps the answer on its way to the receiver.
struct Tee<'a> {
    answer: &'a mut String,
    sink: &'a mut dyn Sink,
}

impl Sink for Tee<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<ControlFlow<()>> {
        if let Event::Text(text) = event {
            self.answer.push_str(text);
        }
        self.sink.event(event)
    }

    fn is_stopped(&self) -> bool {
        self.sink.is_stopped()
    }
}
