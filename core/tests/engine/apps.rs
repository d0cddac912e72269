//! Apps that share an engine, and streams that are given up before their first token.

use std::ops::ControlFlow;
use std::sync::Arc;

use loam::Error;
use loam::adapter::InstallPolicy;
use loam::engine::{Batch, Engine, Event, FinishReason, GenerateOptions, PREFILL_CHUNK, Request, Sink};
use loam::input::Role;
use loam::task::Chat;

use crate::fixture::path;

/// Says that it has enough after so many questions.
struct Impatient {
    asked: std::cell::Cell<usize>,
    patience: usize,
    texts: usize,
}

impl Sink for Impatient {
    fn event(&mut self, event: Event<'_>) -> loam::Result<ControlFlow<()>> {
        self.texts += usize::from(matches!(event, Event::Text(_)));
        Ok(ControlFlow::Continue(()))
    }

    fn is_stopped(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.patience
    }
}

fn impatient(patience: usize) -> Impatient {
    Impatient { asked: 0.into(), patience, texts: 0 }
}

#[test]
fn apps_have_adapters_of_their_own() {
    let engine = Arc::new(Engine::open(path("models/llama2")).expect("engine"));
    let (mail, notes) =
        (engine.attach("com.example.mail").expect("app"), engine.attach("com.example.notes").expect("app"));
    let one = mail.install("tone", path("peft/llama2-all-r4"), InstallPolicy::Create).expect("installed");
    assert!(matches!(notes.adapter("tone"), Err(Error::UnknownAdapter(_))));
    assert!(engine.adapters().list().is_empty(), "the engine's own are not an app's");
    let other = notes.install("tone", path("peft/llama2-all-r8"), InstallPolicy::Create).expect("installed");
    assert_ne!(one.bytes(), other.bytes());
    mail.adapters().remove("tone").expect("removed");
    assert_eq!(notes.adapters().list().len(), 1);

    // Whoever attaches again meets what is held.
    let again = engine.attach("com.example.notes").expect("app");
    assert!(Arc::ptr_eq(&again, &notes));
    drop((again, notes));
    assert!(engine.attach("com.example.notes").expect("app").adapters().list().is_empty());
    for bad in ["", "a b", "../x", &"a".repeat(256)] {
        assert!(matches!(engine.attach(bad), Err(Error::Argument { name: "app", .. })), "'{bad}'");
    }
}

#[test]
fn a_stream_that_is_stopped_in_its_prompt_generates_nothing_and_leaves_no_turn() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    let mut chat = Chat::new(&engine, Some("Be brief."));
    let options = GenerateOptions { max_tokens: 20, ..GenerateOptions::default() };
    let mut sink = impatient(0);
    let stats = chat.respond("Hello", &options, &mut sink).expect("stopped");
    assert_eq!((stats.finish_reason, stats.generated_tokens, sink.texts), (FinishReason::Stopped, 0, 0));
    assert_eq!(chat.messages().len(), 1, "only the instructions are left");

    // A prompt of two chunks is given up between them: on this thread, where it is known when the receiver is asked.
    let model = engine.language().expect("model");
    let mut sink = impatient(1);
    let mut batch = Batch::new(&model).expect("a tokenizer");
    batch.add(Request::new(vec![5; PREFILL_CHUNK + 1], None, options.clone()), &mut sink).expect("added");
    let stats = batch.run().expect("stopped").remove(0).stats;
    assert_eq!((stats.generated_tokens, sink.asked.get()), (0, 2));
    // Beside others it is asked from time to time: what it has seen until then counts.
    let long = "Tell me more. ".repeat(11);
    let mut sink = impatient(1);
    let stats = chat.respond(&long, &options, &mut sink).expect("stopped");
    assert_eq!(stats.finish_reason, FinishReason::Stopped);
    assert!(stats.generated_tokens <= sink.texts + 1, "{} tokens, {} texts", stats.generated_tokens, sink.texts);
    chat.clear();

    // What was computed of a prompt that was given up does no harm to the next turn.
    let mut text = String::new();
    chat.respond("Hello", &options, &mut text).expect("answered");
    let mut fresh = String::new();
    Chat::new(&engine, Some("Be brief.")).respond("Hello", &options, &mut fresh).expect("answered");
    assert_eq!(text, fresh);
    assert_eq!(chat.messages().last().map(|message| message.role), Some(Role::Assistant));
}
