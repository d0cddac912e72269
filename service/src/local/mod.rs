//! Calls where the engine is: each is performed on the core, on the thread that asks.

mod table;
mod writing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loam::Engine;
use loam::engine::{Caller, Mismatch, Request};
use loam::input::{Affixes, Audio, Image, Input, SampleRate, Special};
use loam::task::{
    AnswerOptions, Chat, EmbedOptions, RegressOptions, Sensor, SpellOptions, TranscribeOptions, Transcriber,
    UpscaleOptions,
};

use self::table::Table;
use self::writing::{Writing, generated, transcribe, transcript, turn};
use crate::call::{AdapterInfo, AdapterKey, Call, Enlarged, FoundationInfo, Opened, Reply, Spoken, Thing};
use crate::error::{Error, Result};
use crate::event::Relay;
use crate::options::{GenerateOptions, InstallPolicy};
use crate::performer::Performer;
use crate::store::{AdapterStore, Held};

/// Conversations, and as many transcriptions and sensors, that a client may have.
pub(crate) const MAX_OPEN: usize = 64;
/// Generations that a client may hold at a time.
const MAX_HELD: usize = 1024;

struct Transcription {
    rate: SampleRate,
    /// `None` once it has ended.
    inner: Option<Transcriber>,
}

/// One client's share of an app: what it holds, and what it has begun.
pub(crate) struct Local {
    engine: Arc<Engine>,
    store: Arc<AdapterStore>,
    held: Mutex<BTreeMap<u64, (Held, u64)>>,
    sessions: Table<Chat<Arc<Engine>>>,
    transcriptions: Table<Transcription>,
    sensors: Table<Sensor<Arc<Engine>>>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Local({:?})", self.store.app().id())
    }
}

impl Local {
    pub(crate) fn new(store: Arc<AdapterStore>) -> Self {
        Self {
            engine: Arc::clone(store.app().engine()),
            store,
            held: Mutex::default(),
            sessions: Table::new("session", MAX_OPEN),
            transcriptions: Table::new("transcription", MAX_OPEN),
            sensors: Table::new("sensor", MAX_OPEN),
        }
    }

    pub(crate) fn store(&self) -> &Arc<AdapterStore> {
        &self.store
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, (Held, u64)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a generation usable until the client lets go of it as often as it was given it.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond the limit.
    pub(crate) fn hold(&self, held: Held) -> Result<AdapterInfo> {
        let mut all = self.held();
        if all.len() >= MAX_HELD && !all.contains_key(&held.generation) {
            return Err(Error::refused(format!("a client may hold {MAX_HELD} generations of adapters")));
        }
        let info = held.info();
        all.entry(held.generation).or_insert((held, 0)).1 += 1;
        Ok(info)
    }

    fn find(&self, key: &AdapterKey) -> Result<Held> {
        let held = self.held().get(&key.generation).map(|(held, _)| held.clone());
        match held.filter(|held| held.adapter.alias == key.alias) {
            Some(held) => Ok(held),
            None => self.store.current(key),
        }
    }

    fn find_any(&self, key: Option<&AdapterKey>) -> Result<Option<Held>> {
        key.map(|key| self.find(key)).transpose()
    }

    fn core(&self, key: Option<&AdapterKey>) -> Result<Option<Arc<loam::adapter::Adapter>>> {
        Ok(self.find_any(key)?.map(|held| held.adapter))
    }

    /// A turn for the encoders, for as long as somebody waits for what comes of it.
    fn turn(&self, relay: &dyn Relay) -> Result<loam::engine::Turn<'_>> {
        Ok(turn(self.store.app(), || relay.signal().is_stopped())?)
    }

    fn id(&self) -> &str {
        self.store.app().id()
    }

    fn answer_options(&self, options: GenerateOptions, adapter: Option<&Held>) -> AnswerOptions {
        let adapter = adapter.map(|held| Arc::clone(&held.adapter));
        AnswerOptions { generate: options.core(self.id()), adapter, ..AnswerOptions::default() }
    }

    fn generate(
        &self,
        prompt: &str,
        options: GenerateOptions,
        adapter: Option<Held>,
        relay: &mut dyn Relay,
    ) -> Result<Reply> {
        let tokens = self.engine.language()?.tokenizer()?.encode(prompt, Special::Plain, Affixes::Add)?;
        let adapter_core = adapter.as_ref().map(|held| Arc::clone(&held.adapter));
        let request = Request::new(tokens, adapter_core, options.core(self.id()));
        let mut writing = Writing::new(relay);
        let finished = writing.outcome(|sink| self.engine.generate(request, sink))?;
        Ok(generated(finished.stats, adapter.as_ref()))
    }

    fn chat(&self, instructions: Option<String>, adapter: Option<Held>) -> Result<Reply> {
        let own = || adapter.as_ref().and_then(|held| held.adapter.package.task().instructions.clone());
        let mut chat = Chat::new(Arc::clone(&self.engine), instructions.or_else(own).as_deref());
        chat.set_adapter(adapter.map(|held| held.adapter));
        Ok(Reply::Opened(self.sessions.open(chat)?))
    }

    fn caller(&self) -> Caller {
        Caller { app: Some(self.id().into()), ..Caller::default() }
    }

    fn respond(&self, session: Opened, text: &str, options: GenerateOptions, relay: &mut dyn Relay) -> Result<Reply> {
        let options = options.core(self.id());
        let stats = self
            .sessions
            .with(session, |chat| Writing::new(relay).outcome(|sink| chat.respond(text, &options, sink)))?;
        let used = stats.adapter.as_ref().map(|used| loam::adapter::Generation(used.generation));
        let held = used.and_then(|core| self.store.numbered(core));
        Ok(writing::numbered(stats, held))
    }
}

/// # Errors
/// [`Error::Argument`] for anything but sound.
fn sound(input: &Input) -> Result<&Audio> {
    match input {
        Input::Sound(audio) => Ok(audio),
        other => Err(Error::argument("input", format!("{}, which is no sound", other.kind()))),
    }
}

/// # Errors
/// [`Error::Argument`] for anything but a picture.
fn picture(input: &Input) -> Result<&Image> {
    match input {
        Input::Image(image) => Ok(image),
        other => Err(Error::argument("input", format!("{}, which is no picture", other.kind()))),
    }
}

impl Performer for Local {
    fn perform(&self, call: Call, relay: &mut dyn Relay) -> Result<Reply> {
        let engine = &self.engine;
        Ok(match call {
            Call::Foundation => Reply::Foundation(FoundationInfo::of(engine)),
            Call::Install { .. } | Call::Save { .. } | Call::Restore { .. } => {
                return Err(Error::protocol(format!("'{}' without its files", call.name())));
            }
            Call::Control(control) => control.perform(engine)?,
            Call::Usage => Reply::Usage(Box::new(engine.usage(self.id()))),
            Call::Adapter { alias } => Reply::Adapter(self.hold(self.store.get(&alias)?)?),
            Call::Adapters => {
                Reply::Adapters(self.store.list().into_iter().map(|held| self.hold(held)).collect::<Result<_>>()?)
            }
            Call::Remove { alias } => {
                self.store.remove(&alias)?;
                Reply::Done
            }
            Call::Classify { input, options, adapter } => {
                let _turn = self.turn(relay)?;
                let options = options.core(self.core(adapter.as_ref())?);
                Reply::Classification(engine.classify(input, &options)?)
            }
            Call::Embed { input, modality, adapter } => {
                let _turn = self.turn(relay)?;
                let options = EmbedOptions { adapter: self.core(adapter.as_ref())?, modality };
                Reply::Embedding(engine.embed(input, &options)?.into())
            }
            Call::Query { input, entries } => {
                let _turn = self.turn(relay)?;
                Reply::Embedding(engine.query(input, entries, &EmbedOptions::default())?.into())
            }
            Call::Regress { input, modality, adapter } => {
                let _turn = self.turn(relay)?;
                let options = RegressOptions { adapter: self.core(adapter.as_ref())?, modality };
                Reply::Regression(engine.regress(input, &options)?)
            }
            Call::Tag { text, adapter } => {
                let _turn = self.turn(relay)?;
                Reply::Tagging(engine.tag(&text, &self.find(&adapter)?.adapter)?)
            }
            Call::Spell { input, modality, adapter } => {
                let _turn = self.turn(relay)?;
                let options = SpellOptions { adapter: self.find(&adapter)?.adapter, modality };
                Reply::Spelling(engine.spell(input, &options)?)
            }
            Call::Transcribe { input, options, adapter } => {
                let options = TranscribeOptions { listen: options, adapter: self.core(adapter.as_ref())? };
                Reply::Transcript(transcript(self.store.app(), sound(&input)?, &options, relay)?)
            }
            Call::Speak { text, options } => {
                let _turn = self.turn(relay)?;
                let loam::engine::Speech { samples, sample_rate, trace } = engine.speak(&text, &options.core())?;
                Reply::Speech(Spoken { samples, sample_rate, trace })
            }
            Call::Upscale { input, adapter } => {
                let (image, adapter) = (picture(&input)?, self.core(adapter.as_ref())?);
                let _turn = self.turn(relay)?;
                let loam::engine::Upscaled { image, trace } = engine.upscale(image, &UpscaleOptions { adapter })?;
                Reply::Upscaled(Enlarged { image, trace })
            }
            Call::Generate { prompt, options, adapter } => {
                let adapter = self.find_any(adapter.as_ref())?;
                self.generate(&prompt, options, adapter, relay)?
            }
            Call::Answer { inputs, question, options, adapter } => {
                let adapter = self.find_any(adapter.as_ref())?;
                let options = self.answer_options(options, adapter.as_ref());
                let stats = Writing::new(relay).outcome(|sink| engine.answer(&inputs, &question, &options, sink))?;
                generated(stats, adapter.as_ref())
            }
            Call::Caption { input, options, adapter } => {
                let adapter = self.find_any(adapter.as_ref())?;
                let options = self.answer_options(options, adapter.as_ref());
                let stats = Writing::new(relay).outcome(|sink| engine.caption(&input, &options, sink))?;
                generated(stats, adapter.as_ref())
            }
            Call::TranscribeStream { input, options, adapter } => {
                let options = TranscribeOptions { listen: options, adapter: self.core(adapter.as_ref())? };
                Reply::Transcribed(transcribe(self.store.app(), sound(&input)?, &options, relay)?)
            }
            Call::Chat { instructions, adapter } => self.chat(instructions, self.find_any(adapter.as_ref())?)?,
            Call::Respond { session, text, options } => self.respond(session, &text, options, relay)?,
            Call::Messages { session } => {
                Reply::Messages(self.sessions.with(session, |chat| Ok(chat.messages().to_vec()))?)
            }
            Call::SetAdapter { session, adapter } => {
                let adapter = self.core(adapter.as_ref())?;
                self.sessions.change(session, |chat| chat.set_adapter(adapter))?;
                Reply::Done
            }
            Call::SetInstructions { session, instructions } => {
                self.sessions.change(session, |chat| chat.set_instructions(instructions.as_deref()))?;
                Reply::Done
            }
            Call::Clear { session } => {
                self.sessions.change(session, Chat::clear)?;
                Reply::Done
            }
            Call::Transcriber { rate, options, adapter } => {
                let rate = SampleRate::new(rate)?;
                let options = TranscribeOptions { listen: options, adapter: self.core(adapter.as_ref())? };
                let inner = Some(engine.transcriber(rate, &options)?);
                Reply::Opened(self.transcriptions.open(Transcription { rate, inner })?)
            }
            Call::PushSound { transcriber, samples } => self.transcriptions.with(transcriber, |own| {
                let inner = own.inner.as_mut().ok_or_else(ended)?;
                // As whole sounds are checked, so that both ways refuse the same samples.
                let events = if samples.is_empty() {
                    Vec::new()
                } else {
                    let audio = Audio::from_f32(&samples, loam::input::Channels::MONO, own.rate)?;
                    let _turn = self.turn(relay)?;
                    inner.push(audio.samples())?
                };
                Ok(Reply::Heard { events, summary: None })
            })?,
            Call::FinishSound { transcriber } => self.transcriptions.with(transcriber, |own| {
                let inner = own.inner.take().ok_or_else(ended)?;
                let _turn = self.turn(relay)?;
                let (events, summary) = inner.finish()?;
                Ok(Reply::Heard { events, summary: Some(summary) })
            })?,
            Call::Sensor { source, repair, hop_seconds, options, adapter } => {
                let options = options.core(self.core(adapter.as_ref())?);
                let hop = match hop_seconds {
                    Some(hop) => hop,
                    None => engine.window_seconds(&options)?,
                };
                let sensor = Sensor::new(Arc::clone(engine), source, repair, hop, options)?;
                let window_seconds = sensor.window_seconds();
                Reply::Sensor { opened: self.sensors.open(sensor)?, window_seconds }
            }
            Call::PushMotion { sensor, samples, times } => {
                let _turn = self.turn(relay)?;
                Reply::Sensed(self.sensors.with(sensor, |own| Ok(own.push(&samples, times.as_deref())?))?)
            }
            Call::RestartSensor { sensor } => {
                self.sensors.change(sensor, Sensor::restart)?;
                Reply::Done
            }
        })
    }

    fn install(&self, alias: &str, path: &Path, policy: InstallPolicy) -> Result<AdapterInfo> {
        self.hold(self.store.install_path(alias, path, policy)?)
    }

    fn save(&self, session: Opened, path: &Path) -> Result<()> {
        self.sessions.with(session, |chat| Ok(chat.save(path, &self.caller())?))
    }

    fn restore(&self, path: &Path, adapter: Option<&AdapterKey>, mismatch: Mismatch) -> Result<Opened> {
        let adapter = self.core(adapter)?;
        self.sessions.open(Chat::restore(Arc::clone(&self.engine), path, &self.caller(), adapter, mismatch)?)
    }

    fn release(&self, thing: Thing) {
        match thing {
            Thing::Adapter(Opened(generation)) => {
                let mut held = self.held();
                if let Some((_, count)) = held.get_mut(&generation) {
                    *count -= 1;
                    if *count == 0 {
                        held.remove(&generation);
                    }
                }
            }
            Thing::Session(opened) => self.sessions.close(opened),
            Thing::Transcriber(opened) => self.transcriptions.close(opened),
            Thing::Sensor(opened) => self.sensors.close(opened),
        }
    }
}

fn ended() -> Error {
    Error::argument("audio", "the stream has ended")
}
