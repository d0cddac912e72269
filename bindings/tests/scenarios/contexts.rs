//! Cases of conversations that are saved, of what apps may ask for, and of memory.

use std::path::Path;
use std::sync::Arc;

use loam_ffi::{
    App, CacheType, Engine, EngineOptions, GenerateOptions, GenerateStats, InstallPolicy, LoamError, Mismatch, Quotas,
    Session, Target, TrimLevel,
};
use serde_json::{Value, json};

use crate::listener::{Listener, Manner};
use crate::run::{Outcome, Run, done, error, open, tokens};
use crate::table::APP;

/// A turn's text and cost.
fn turn(session: &Session, text: &str, options: GenerateOptions) -> Result<(String, GenerateStats), LoamError> {
    let listener = Listener::new(Manner::Patient);
    session.respond(text.to_owned(), options, listener.clone())?.wait()?;
    Ok((listener.text(), done(&listener)))
}

fn generated(app: &App, prompt: &str, options: GenerateOptions) -> Result<GenerateStats, LoamError> {
    let listener = Listener::new(Manner::Patient);
    app.generate(prompt.to_owned(), options, None, listener.clone()).wait()?;
    Ok(done(&listener))
}

fn listed(quotas: &Quotas) -> Value {
    json!([
        quotas.running,
        quotas.waiting,
        quotas.tokens_per_minute,
        quotas.adapters,
        quotas.adapter_bytes,
        quotas.contexts,
        quotas.bytes
    ])
}

impl Run<'_> {
    fn prompt(&self) -> String {
        self.text_of("prompt").expect("a prompt")
    }

    fn tiny(&self) -> std::path::PathBuf {
        self.place.foundation("tiny").expect("prepared")
    }

    /// Goes on in another engine, as in another process.
    pub fn save(&self) -> Outcome {
        let adapter = self.install(&self.app, InstallPolicy::Create)?;
        let session = self.app.chat(self.text_of("instructions"), adapter)?;
        for text in self.list("turns") {
            turn(&session, &text, self.options())?;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("chat");
        let path = file.display().to_string();
        session.save(path.clone())?;
        let next = self.text_of("next").expect("a text");
        let (unbroken, _) = turn(&session, &next, self.options())?;

        let other = open(&self.tiny())?.attach(APP.to_owned())?;
        let adapter = self.install(&other, InstallPolicy::Create)?;
        let restored = other.restore(path.clone(), adapter, Mismatch::Refuse)?;
        let (text, stats) = turn(&restored, &next, self.options())?;
        let bare = |mismatch| other.restore(path.clone(), None, mismatch);
        let other_adapter = error(bare(Mismatch::Refuse).map(|_| ()));
        let recomputed = bare(Mismatch::Recompute)?.messages()?.len();
        Ok(json!({
            "text": text, "same": text == unbroken, "reused": stats.cached_tokens > 0,
            "context": format!("{:?}", stats.context), "messages": restored.messages()?.len(),
            "other_adapter": other_adapter, "recomputed": recomputed, "damaged": self.damaged(&file)
        }))
    }

    /// What becomes of a saved conversation with another bit, of half of one, and of none.
    fn damaged(&self, file: &Path) -> Value {
        let restore = || error(self.app.restore(file.display().to_string(), None, Mismatch::Recompute).map(|_| ()));
        let mut bytes = std::fs::read(file).expect("saved");
        *bytes.last_mut().expect("bytes") ^= 1;
        std::fs::write(file, &bytes).expect("written");
        let flipped = restore();
        std::fs::write(file, &bytes[..bytes.len() / 2]).expect("written");
        let cut = restore();
        std::fs::remove_file(file).expect("removed");
        json!([flipped, cut, restore()])
    }

    pub fn target(&self) -> Outcome {
        let wish = |name: &str| self.args[name].as_f64();
        let target = Target {
            time_to_first_token_ms: wish("time_to_first_token_ms"),
            tokens_per_second: wish("tokens_per_second"),
        };
        let stats = generated(&self.app, &self.prompt(), GenerateOptions { target: Some(target), ..self.options() })?;
        let achieved = stats.achieved.map(|all| json!([all.time_to_first_token, all.tokens_per_second]));
        let without = generated(&self.app, &self.prompt(), self.options())?;
        Ok(json!({
            "achieved": achieved, "without": without.achieved.is_some(), "context": format!("{:?}", stats.context),
            "in_order": 0.0 <= stats.queue_ms && stats.queue_ms <= stats.time_to_first_token_ms
        }))
    }

    pub fn usage(&self) -> Outcome {
        let stats = generated(&self.app, &self.prompt(), self.options())?;
        let usage = self.app.usage()?;
        let counters = &usage.counters;
        Ok(json!({
            "named": usage.app.is_some_and(|app| app.ends_with(APP)), "waiting": usage.waiting,
            "requests": counters.requests, "refused": counters.refused, "finished": counters.finished,
            "generated": counters.generated_tokens, "prompt": counters.prompt_tokens == stats.prompt_tokens,
            "quotas": usage.quotas.as_ref().map(listed)
        }))
    }

    pub fn quotas(&self) -> Outcome {
        let usual = self.engine.quotas(APP.to_owned())?;
        let set = |quotas| self.engine.set_quotas(APP.to_owned(), quotas);
        let ask = || generated(&self.app, &self.prompt(), self.options());
        set(Quotas { tokens_per_minute: self.count("tokens_per_minute").into(), ..usual.clone() })?;
        ask()?;
        let refused = ask().expect_err("beyond the quota");
        let LoamError::Refused { retry_after_ms, ref reason, .. } = refused else { panic!("{refused}") };
        let (named, later) = (reason.contains("tokens per minute"), retry_after_ms > 1000);
        let counted = self.app.usage()?.counters.refused;
        set(Quotas { adapters: 0, ..usual.clone() })?;
        let adapters = error(self.install(&self.app, InstallPolicy::Create).map(|_| ()));
        let again = ask()?.generated_tokens > 0;
        let nobody = error(self.engine.set_quotas("no spaces".to_owned(), usual.clone()));
        Ok(json!({
            "usual": usual == Quotas::default(), "refused": error(Err(refused)), "named": named, "later": later,
            "counted": counted, "adapters": adapters, "again": again, "nobody": nobody
        }))
    }

    pub fn trim(&self) -> Outcome {
        let session = self.app.chat(None, None)?;
        let (_, first) = turn(&session, "Hello", self.options())?;
        let before = self.engine.status()?;
        let trimmed = self.engine.trim(TrimLevel::Idle)?;
        let (_, second) = turn(&session, "Why?", self.options())?;
        let app = &before.apps[0];
        Ok(json!({
            "first": format!("{:?}", first.context), "rests": before.held.resting > 0,
            "contexts": trimmed.contexts > 0, "second": format!("{:?}", second.context), "apps": before.apps.len(),
            "finished": app.counters.finished, "steps": before.steps > 0, "components": before.components
        }))
    }

    pub fn engine_options(&self) -> Outcome {
        let foundation = self.tiny().display().to_string();
        let opened = |options| -> Result<(Arc<Engine>, Arc<App>), LoamError> {
            let engine = Engine::open(foundation.clone(), options)?;
            let app = engine.attach(APP.to_owned())?;
            Ok((engine, app))
        };
        let folder = tempfile::tempdir().expect("a folder");
        let swap = Some(folder.path().display().to_string());
        let (engine, app) = opened(EngineOptions { swap, ..EngineOptions::default() })?;
        let session = app.chat(None, None)?;
        turn(&session, "Hello", self.options())?;
        engine.trim(TrimLevel::Idle)?;
        let (_, swapped) = turn(&session, "Why?", self.options())?;

        let (_, app) = opened(EngineOptions { memory_budget: Some(1), ..EngineOptions::default() })?;
        let small = error(generated(&app, "The cat", tokens(1)).map(|_| ()));

        let bytes = |cache_type| -> Result<u64, LoamError> {
            let (_, app) = opened(EngineOptions { cache_type: Some(cache_type), ..EngineOptions::default() })?;
            Ok(generated(&app, "The cat", tokens(1))?.cache_bytes)
        };
        let (singles, halves, quarters) = (bytes(CacheType::F32)?, bytes(CacheType::F16)?, bytes(CacheType::Q8)?);
        Ok(json!({
            "swapped": format!("{:?}", swapped.context), "small": small,
            "types": [halves * 2 == singles, quarters < halves]
        }))
    }
}
