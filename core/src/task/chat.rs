//! A conversation: history, and the key-value cache that carries over from turn to turn.

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use crate::adapter::{Adapter, Generation};
use crate::engine::{Engine, Event, FinishReason, GenerateOptions, GenerateStats, Prompt, Request, Sink};
use crate::error::Result;
use crate::input::{Message, Position, Role};
use crate::model::KvCache;

/// A conversation with the language model. Each turn computes only what the last one did not. `E` is a reference to the
/// engine, or an `Arc` of it for a conversation that goes from thread to thread.
#[derive(Debug)]
pub struct Chat<E> {
    engine: E,
    messages: Vec<Message>,
    adapter: Option<Arc<Adapter>>,
    context: Option<Context>,
}

/// What is in the cache, and under which adapter it was computed.
#[derive(Debug)]
struct Context {
    sequence: Prompt,
    cache: KvCache,
    adapter: Option<Generation>,
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
        let prompt = self.engine.language()?.encode_chat(&self.messages)?;
        let mut request = Request::new(prompt, self.adapter.clone(), options.clone());
        request.position = Position::Start;
        let generation = self.adapter.as_ref().map(|adapter| adapter.generation);
        if let Some(context) = self.context.take().filter(|context| context.adapter == generation) {
            let shared = context.sequence.shared_prefix(&request.prompt);
            let mut cache = context.cache;
            cache.truncate(shared);
            request.cache = Some(cache);
        }
        let finished = self.engine.generate(request, &mut Tee { answer, sink })?;
        self.context = Some(Context { sequence: finished.sequence, cache: finished.cache, adapter: generation });
        Ok(finished.stats)
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
