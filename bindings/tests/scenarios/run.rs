//! One case of the table, run through the objects that the packages wrap. Every package has a file like this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam_ffi::{
    Acceleration, Adapter, AngularRate, App, Axes, ClassifyOptions, Embedding, Engine, EngineOptions, Event,
    GenerateOptions, GenerateStats, Gravity, ImuLayout, ImuSource, Index, Input, InstallPolicy, LoamError, Modality,
    PcmFormat, PixelLayout, Repair, SpeakOptions, Trace, TranscribeOptions, TranscriptEvent, provoke_panic,
    provoke_panic_in_worker,
};
use serde_json::{Value, json};

use crate::listener::{Listener, Manner};

/// Where things are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The prepared folder.
    pub root: PathBuf,
    /// The real foundation, where it was pulled.
    pub nano: Option<PathBuf>,
    /// Adapters that were trained for it.
    pub trained: PathBuf,
}

impl Place {
    /// The foundation of a case; `None` for one that is not there.
    pub fn foundation(&self, name: &str) -> Option<PathBuf> {
        match name {
            "nano" => self.nano.clone(),
            other => Some(self.root.join(other)),
        }
    }

    fn adapter(&self, name: &str) -> PathBuf {
        let own = self.root.join("adapters").join(name);
        if own.exists() { own } else { self.trained.join(name) }
    }

    fn file(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

/// A case at work.
pub struct Run<'a> {
    pub place: &'a Place,
    pub engine: Arc<Engine>,
    pub app: Arc<App>,
    pub args: &'a Value,
}

pub type Outcome = Result<Value, LoamError>;

pub fn open(path: &Path) -> Result<Arc<Engine>, LoamError> {
    Engine::open(path.display().to_string(), EngineOptions::default())
}

impl Run<'_> {
    /// What the operation of that name gives.
    pub fn outcome(&self, op: &str) -> Outcome {
        match op {
            "foundation" => self.foundation(),
            "classify" => self.classify(),
            "pixels" => self.pixels(),
            "embed" => self.embed(),
            "retrieve" => self.retrieve(),
            "sense" => self.sense(),
            "sensor" => self.sensor(),
            "transcribe" => self.transcribe(),
            "transcribe_stream" => self.transcribe_stream(),
            "transcriber" => self.transcriber(),
            "chat" => self.chat(),
            "generate" => self.generate(),
            "answer" => self.answer(),
            "stop" => self.stop(),
            "busy" => self.busy(),
            "policies" => self.policies(),
            "apps" => self.apps(),
            "refuse" => self.refuse(),
            "bad_data" => self.bad_data(),
            "callback" => self.callback(),
            "panic" => self.panic(),
            "speak" => self.speak(),
            "upscale" => self.upscale(),
            "close" => self.close(),
            "save" => self.save(),
            "target" => self.target(),
            "usage" => self.usage(),
            "quotas" => self.quotas(),
            "trim" => self.trim(),
            "options" => self.engine_options(),
            other => panic!("no operation '{other}'"),
        }
    }

    pub fn text_of(&self, name: &str) -> Option<String> {
        self.args[name].as_str().map(str::to_owned)
    }

    pub fn count(&self, name: &str) -> u32 {
        self.args[name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_else(|| panic!("a number '{name}'"))
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.args[name].as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect()
    }

    pub fn install(&self, app: &App, policy: InstallPolicy) -> Result<Option<Arc<Adapter>>, LoamError> {
        let Some(name) = self.text_of("adapter") else { return Ok(None) };
        app.install_adapter(name.clone(), self.place.adapter(&name).display().to_string(), policy).map(Some)
    }

    fn input(&self) -> Result<Arc<Input>, LoamError> {
        if let Some(text) = self.text_of("text") {
            return Ok(Input::text(text));
        }
        if let Some(file) = self.text_of("picture") {
            return Input::image_file(self.place.file(&file));
        }
        if let Some(file) = self.text_of("sound") {
            return Input::wav_file(self.place.file(&file));
        }
        Input::motion(&self.motion(), &[], source(), Repair::Refuse)
    }

    fn motion(&self) -> Vec<u8> {
        let file = self.text_of("motion").expect("a case with an input");
        std::fs::read(self.place.root.join(file)).expect("prepared")
    }

    pub fn options(&self) -> GenerateOptions {
        tokens(self.count("max_tokens"))
    }

    fn foundation(&self) -> Outcome {
        let info = self.engine.foundation()?;
        let components: Vec<Value> = info.components.iter().map(|c| json!([c.name, c.kind])).collect();
        Ok(json!({ "id": info.id, "version": info.version, "components": components }))
    }

    fn classify(&self) -> Outcome {
        let adapter = self.install(&self.app, InstallPolicy::Create)?;
        let options = ClassifyOptions { labels: self.list("labels"), ..ClassifyOptions::default() };
        let result = self.app.classify(self.input()?, options, adapter)?;
        let scores: Vec<Value> = result.scores.iter().map(|s| json!([s.label, s.probability])).collect();
        Ok(json!({ "label": result.label, "scores": scores, "trace": trace(&result.trace) }))
    }

    /// Pixels by a rule, as grey and as RGBA: the same picture.
    fn pixels(&self) -> Outcome {
        let (width, height) = (self.count("width"), self.count("height"));
        let grey: Vec<u8> = (0..width * height).map(|i| (i * 7 % 256) as u8).collect();
        let rgba: Vec<u8> = grey.iter().flat_map(|&v| [v, v, v, 255]).collect();
        let of = |bytes: &[u8], layout| -> Result<Embedding, LoamError> {
            self.app.embed(Input::pixels(bytes, layout, width, height)?, None, None)
        };
        let (one, other) = (of(&grey, PixelLayout::Grey)?, of(&rgba, PixelLayout::Rgba)?);
        Ok(json!({ "first": first(&one), "same": one.vector == other.vector }))
    }

    fn embed(&self) -> Outcome {
        let result = self.app.embed(self.input()?, None, None)?;
        Ok(json!({ "dim": result.vector.len() / 4, "first": first(&result), "trace": trace(&result.trace) }))
    }

    fn retrieve(&self) -> Outcome {
        let index = Index::new();
        for name in self.list("pictures") {
            let picture = Input::image_file(self.place.file(&name))?;
            index.insert(name, &self.app.embed(picture, None, None)?.vector)?;
        }
        let query = self.app.query(self.input()?, Modality::Image)?;
        let found = index.search(&query.vector, self.count("count"))?;
        Ok(json!(found.iter().map(|one| json!([one.key, one.similarity])).collect::<Vec<_>>()))
    }

    fn sense(&self) -> Outcome {
        let adapter = self.install(&self.app, InstallPolicy::Create)?;
        let bytes = self.motion();
        // A window's worth.
        let window = Input::motion(&bytes[..50 * 6 * 4], &[], source(), Repair::Refuse)?;
        let result = self.app.classify(window, ClassifyOptions::default(), adapter)?;
        let scores: Vec<Value> = result.scores.iter().map(|s| json!([s.label, s.probability])).collect();
        Ok(json!({ "label": result.label, "scores": scores, "trace": trace(&result.trace) }))
    }

    fn sensor(&self) -> Outcome {
        let adapter = self.install(&self.app, InstallPolicy::Create)?;
        let hop = self.args["hop_seconds"].as_f64();
        let sensor = self.app.sensor(source(), Repair::Refuse, hop, ClassifyOptions::default(), adapter)?;
        let mut windows = Vec::new();
        for push in self.motion().chunks(self.count("push_steps") as usize * 6 * 4) {
            for sensed in sensor.push(push, &[])? {
                windows.push(json!([sensed.start, sensed.end, sensed.classification.label]));
            }
        }
        Ok(json!({ "window_seconds": sensor.window_seconds(), "windows": windows }))
    }

    fn transcribe(&self) -> Outcome {
        let result = self.app.transcribe(self.input()?, transcribe_options(), None)?;
        let segments: Vec<Value> = result.segments.iter().map(|s| json!([s.start, s.end, s.text])).collect();
        Ok(json!({
            "text": result.text, "segments": segments, "seconds": result.summary.seconds,
            "trace": trace(&result.summary.trace)
        }))
    }

    fn transcribe_stream(&self) -> Outcome {
        let listener = Listener::new(Manner::Patient);
        self.app.transcribe_stream(self.input()?, transcribe_options(), None, listener.clone()).wait()?;
        let (mut text, mut partials, mut seconds) = (String::new(), 0, 0.0);
        for event in listener.events() {
            match event {
                Event::Segment { segment } => text.push_str(&segment.text),
                Event::Partial { .. } => partials += 1,
                Event::Transcribed { summary } => seconds = summary.seconds,
                other => panic!("{other:?}"),
            }
        }
        Ok(json!({ "text": text, "partials": partials, "seconds": seconds }))
    }

    fn transcriber(&self) -> Outcome {
        let file = std::fs::read(self.place.root.join(self.text_of("sound").expect("a sound"))).expect("prepared");
        // The samples of a plain WAV file begin after 44 bytes.
        let samples = &file[44..];
        let transcriber = self.app.transcriber(16_000, transcribe_options(), None)?;
        let mut events = Vec::new();
        for chunk in samples.chunks(16 * 2 * self.count("chunk_ms") as usize) {
            events.extend(transcriber.push(chunk, PcmFormat::I16)?);
        }
        let end = transcriber.finish()?;
        events.extend(end.events);
        let text: String = events
            .iter()
            .map(|event| if let TranscriptEvent::Segment { segment } = event { segment.text.as_str() } else { "" })
            .collect();
        let again = error(transcriber.push(&[0, 0], PcmFormat::I16).map(|_| ()));
        Ok(json!({ "text": text, "seconds": end.summary.seconds, "after_the_end": again }))
    }

    fn chat(&self) -> Outcome {
        let adapter = self.install(&self.app, InstallPolicy::Create)?;
        let session = self.app.chat(self.text_of("instructions"), adapter)?;
        let mut turns = Vec::new();
        for turn in self.list("turns") {
            let listener = Listener::new(Manner::Patient);
            session.respond(turn, self.options(), listener.clone())?.wait()?;
            let stats = done(&listener);
            turns.push(json!({
                "text": listener.text(), "generated": stats.generated_tokens, "reused": stats.cached_tokens > 0,
                "adapter": stats.adapter.map(|used| used.alias), "path": stats.trace.path
            }));
        }
        let roles: Vec<String> = session.messages()?.iter().map(|m| format!("{:?}", m.role).to_lowercase()).collect();
        Ok(json!({ "turns": turns, "roles": roles }))
    }

    fn generate(&self) -> Outcome {
        let listener = Listener::new(Manner::Patient);
        let prompt = self.text_of("prompt").expect("a prompt");
        self.app.generate(prompt, self.options(), None, listener.clone()).wait()?;
        Ok(json!({ "text": listener.text(), "reason": reason(&done(&listener)) }))
    }

    fn answer(&self) -> Outcome {
        let listener = Listener::new(Manner::Patient);
        let question = self.text_of("question").expect("a question");
        self.app.answer(vec![self.input()?], question, self.options(), None, listener.clone()).wait()?;
        let stats = done(&listener);
        let steps: Vec<&str> = stats.trace.steps.iter().map(|step| step.component.as_str()).collect();
        Ok(json!({ "text": listener.text(), "path": stats.trace.path, "steps": steps }))
    }

    fn stop(&self) -> Outcome {
        let session = self.app.chat(None, None)?;
        let listener = Listener::new(Manner::Stops(self.count("after_events") as usize));
        let handle = session.respond("Hello".to_owned(), self.options(), listener.clone())?;
        listener.listens_to(&handle);
        handle.wait()?;
        let texts = listener.events().iter().filter(|event| matches!(event, Event::Text { .. })).count();
        let short = tokens(2);
        let next = Listener::new(Manner::Patient);
        session.respond("Go on".to_owned(), short, next.clone())?.wait()?;
        Ok(json!({
            "texts": texts, "reason": reason(&done(&listener)), "finished": handle.is_finished(),
            "messages": session.messages()?.len(), "next": done(&next).generated_tokens
        }))
    }

    fn busy(&self) -> Outcome {
        let session = self.app.chat(None, None)?;
        let listener = Listener::new(Manner::Patient);
        let handle = session.respond("Hello".to_owned(), self.options(), listener.clone())?;
        let second =
            error(session.respond("And".to_owned(), self.options(), Listener::new(Manner::Patient)).map(|_| ()));
        let messages = error(session.messages().map(|_| ()));
        handle.stop();
        handle.wait()?;
        Ok(json!({ "second": second, "messages": messages, "reason": reason(&done(&listener)) }))
    }

    fn policies(&self) -> Outcome {
        let install = |policy| self.install(&self.app, policy).map(|adapter| adapter.expect("a case with an adapter"));
        let first = install(InstallPolicy::Create)?;
        let again = error(install(InstallPolicy::Create).map(|_| ()));
        let second = install(InstallPolicy::Upsert)?;
        let stale = error(install(InstallPolicy::CompareAndSwap { generation: first.generation() }).map(|_| ()));
        let third = install(InstallPolicy::CompareAndSwap { generation: second.generation() })?;
        // A generation that was replaced stays usable by who holds it.
        let listener = Listener::new(Manner::Patient);
        let options = tokens(4);
        self.app.chat(None, Some(first.clone()))?.respond("Hello".to_owned(), options, listener.clone())?.wait()?;
        let held = done(&listener).adapter.expect("it ran").generation == first.generation();
        let name = first.alias();
        let listed: Vec<String> = self.app.adapters()?.iter().map(|adapter| adapter.alias()).collect();
        self.app.remove_adapter(name.clone())?;
        let removed = error(self.app.adapter(name).map(|_| ()));
        Ok(json!({
            "grows": first.generation() < second.generation() && second.generation() < third.generation(),
            "again": again, "stale": stale, "held": held, "listed": listed, "removed": removed,
            "component": first.component(), "description": first.description()
        }))
    }

    fn apps(&self) -> Outcome {
        let other = self.engine.attach("com.example.other".to_owned())?;
        let name = self.text_of("adapter").expect("a case with an adapter");
        self.install(&self.app, InstallPolicy::Create)?;
        let unseen = error(other.adapter(name.clone()).map(|_| ()));
        self.install(&other, InstallPolicy::Create)?;
        self.app.remove_adapter(name.clone())?;
        let bad = error(self.engine.attach("no spaces".to_owned()).map(|_| ()));
        Ok(json!({
            "ids": [self.app.id(), other.id()], "unseen": unseen, "kept": other.adapter(name)?.alias(), "bad": bad
        }))
    }

    fn refuse(&self) -> Outcome {
        let refused = error(self.install(&self.app, InstallPolicy::Create).map(|_| ()));
        Ok(json!({ "refused": refused, "installed": self.app.adapters()?.len() }))
    }

    fn bad_data(&self) -> Outcome {
        let nan = f32::NAN.to_le_bytes();
        let picture = std::fs::read(self.place.root.join("square.png")).expect("prepared");
        let sound = Input::pcm(&[0, 0, 1, 0], PcmFormat::I16, 16_000, 1)?;
        Ok(json!({
            "no_foundation": error(open(&self.place.root.join("nowhere")).map(|_| ())),
            "half_a_picture": error(Input::encoded_image(&picture[..picture.len() / 2]).map(|_| ())),
            "no_picture": error(Input::encoded_image(b"hello").map(|_| ())),
            "few_pixels": error(Input::pixels(&[0; 5], PixelLayout::Rgb, 2, 2).map(|_| ())),
            "no_sample": error(Input::pcm(&[], PcmFormat::I16, 16_000, 1).map(|_| ())),
            "half_a_sample": error(Input::pcm(&[0], PcmFormat::I16, 16_000, 1).map(|_| ())),
            "not_a_number": error(Input::pcm(&nan, PcmFormat::F32, 16_000, 1).map(|_| ())),
            "wrong_rate": error(Input::pcm(&[0, 0], PcmFormat::I16, 5, 1).map(|_| ())),
            "one_step": error(Input::motion(&[0; 24], &[], source(), Repair::Refuse).map(|_| ())),
            "no_text": error(self.app.transcribe(Input::text("x".to_owned()), transcribe_options(), None).map(|_| ())),
            "no_label": error(self.app.classify(Input::text("x".to_owned()), ClassifyOptions::default(), None).map(|_| ())),
            "other_kind": error(self.app.embed(sound, Some(Modality::Depth), None).map(|_| ())),
        }))
    }

    fn callback(&self) -> Outcome {
        let message = self.text_of("message").expect("a message");
        let session = self.app.chat(None, None)?;
        let options = tokens(50);
        let listener = Listener::new(Manner::Throws(message.clone()));
        let handle = session.respond("Hello".to_owned(), options, listener.clone())?;
        let failed = handle.wait().expect_err("the sink failed");
        let last = listener.events().pop();
        Ok(json!({
            "kind": kind(&failed), "named": failed.to_string().contains(&message),
            "told": matches!(last, Some(Event::Failed { .. })), "answers": self.answers()?
        }))
    }

    fn panic(&self) -> Outcome {
        let caught = std::panic::catch_unwind(provoke_panic).is_err();
        let listener = Listener::new(Manner::Patient);
        let failed = provoke_panic_in_worker(Arc::clone(&self.app), listener.clone()).wait().expect_err("it panicked");
        Ok(json!({ "caught": caught, "kind": kind(&failed), "answers": self.answers()? }))
    }

    /// Whether the engine still does.
    fn answers(&self) -> Result<bool, LoamError> {
        let listener = Listener::new(Manner::Patient);
        let options = tokens(3);
        self.app.chat(None, None)?.respond("Hello".to_owned(), options, listener.clone())?.wait()?;
        Ok(done(&listener).generated_tokens > 0)
    }

    fn speak(&self) -> Outcome {
        let seed = u64::from(self.count("seed"));
        let text = self.text_of("text").expect("a text");
        let speech = self.app.speak(text, SpeakOptions { seed, speaking_rate: None, speaker: None })?;
        let loudest = floats(&speech.samples).iter().fold(0.0f32, |most, value| most.max(value.abs()));
        Ok(json!({
            "samples": speech.samples.len() / 4, "sample_rate": speech.sample_rate, "loudest": loudest,
            "trace": trace(&speech.trace)
        }))
    }

    fn upscale(&self) -> Outcome {
        let made = self.app.upscale(self.input()?, None)?;
        let sum: f64 = made.pixels.iter().map(|byte| f64::from(*byte)).sum();
        let mean = sum / made.pixels.len() as f64;
        Ok(json!({
            "bytes": made.pixels.len(), "width": made.width, "height": made.height, "mean": mean, "trace": trace(&made.trace)
        }))
    }

    fn close(&self) -> Outcome {
        self.answers()?;
        let loaded = |engine: &Engine| {
            let components = engine.foundation().expect("here").components;
            components.iter().any(|component| component.name == "vision-language" && component.loaded)
        };
        let before = loaded(&self.engine);
        let unloaded = self.engine.unload("vision-language".to_owned());
        // A worker counts as idle a moment after its stream's end.
        for _ in 0..1000 {
            if self.engine.active_streams() == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(json!({
            "before": before, "unloaded": unloaded, "after": loaded(&self.engine),
            "active": self.engine.active_streams(), "answers": self.answers()?
        }))
    }
}

pub fn tokens(max_tokens: u32) -> GenerateOptions {
    GenerateOptions {
        max_tokens,
        sampling: None,
        stop: Vec::new(),
        priority: None,
        patience_ms: None,
        deadline_ms: None,
        target: None,
    }
}

fn source() -> ImuSource {
    ImuSource {
        rate: 50.0,
        layout: ImuLayout::AccelerometerGyroscope,
        acceleration: Acceleration::MetersPerSecondSquared,
        rotation: AngularRate::RadiansPerSecond,
        gravity: Gravity::Included,
        axes: Axes::Android,
    }
}

fn transcribe_options() -> TranscribeOptions {
    TranscribeOptions { language: None, translate: false, beams: 1, pace: None }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn first(embedding: &Embedding) -> Value {
    json!(floats(&embedding.vector)[..4])
}

fn trace(trace: &Trace) -> Value {
    json!({ "path": trace.path, "steps": trace.steps.iter().map(|step| &step.component).collect::<Vec<_>>() })
}

pub fn done(listener: &Listener) -> GenerateStats {
    match listener.events().pop() {
        Some(Event::Done { stats }) => stats,
        other => panic!("the stream ended with {other:?}"),
    }
}

/// As the variant is called.
fn reason(stats: &GenerateStats) -> String {
    format!("{:?}", stats.finish_reason)
}

/// As the variant is called.
fn kind(error: &LoamError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// Kind of the failure that is expected, and its code.
pub fn error(result: Result<(), LoamError>) -> Value {
    match result {
        Ok(()) => json!("it was accepted"),
        Err(error) => json!([kind(&error), error.code()]),
    }
}
