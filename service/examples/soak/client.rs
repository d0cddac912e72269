//! One client of one app, which does everything in a random order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loam::engine::Mismatch;
use loam_service::{Adapter, App, Engine, Error};

use crate::question::{Ask, Question, Questions, answer, turn};
use crate::{Failure, Tally};

pub struct Client {
    app: &'static str,
    socket: PathBuf,
    file: PathBuf,
    questions: Arc<Questions>,
    tally: Arc<Tally>,
    over: Arc<AtomicBool>,
    state: u32,
}

impl Client {
    pub fn new(
        number: usize,
        app: &'static str,
        socket: &Path,
        dir: &Path,
        questions: &Arc<Questions>,
        tally: &Arc<Tally>,
        over: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            app,
            socket: socket.to_path_buf(),
            file: dir.join(format!("chat{number}")),
            questions: Arc::clone(questions),
            tally: Arc::clone(tally),
            over: Arc::clone(over),
            state: u32::try_from(number).unwrap_or_default() + 1,
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.state >> 8) as usize % below
    }

    /// Asks until it is over.
    pub fn live(mut self) -> Result<(), Failure> {
        let mut app = Engine::connect(&self.socket)?.attach(self.app)?;
        while !self.over.load(Ordering::Relaxed) {
            if self.random(40) == 0 {
                // It goes, and comes again.
                app = Engine::connect(&self.socket)?.attach(self.app)?;
                self.tally.reconnected.fetch_add(1, Ordering::Relaxed);
            }
            let at = self.random(self.questions.all.len());
            let question = self.questions.all[at].clone();
            match self.once(&app, &question) {
                Ok(()) => {}
                Err(Error::Refused { retry_after_ms, .. }) => {
                    self.tally.refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(retry_after_ms.clamp(1, 500)));
                }
                Err(error) => return Err(format!("{}: {error}", self.app).into()),
            }
        }
        Ok(())
    }

    fn adapter(&mut self, app: &App, question: &Question) -> Result<Option<Arc<Adapter>>, Error> {
        let Some((alias, which)) = question.adapter else { return Ok(None) };
        // Both clients of an app replace each other's; what one holds is the generation that it installed.
        self.tally.replaced.fetch_add(1, Ordering::Relaxed);
        self.questions.install(app, alias, which).map(Some)
    }

    fn once(&mut self, app: &App, question: &Question) -> Result<(), Error> {
        let adapter = self.adapter(app, question)?;
        let enough = (self.random(3) == 0).then(|| 1 + self.random(12));
        let (found, cut) = match &question.ask {
            Ask::Chat { first, second } if self.random(2) == 0 => {
                (self.restored(app, adapter.as_ref(), first, second)?, false)
            }
            ask => answer(app, ask, adapter.as_ref(), enough)?,
        };
        self.tally.asked.fetch_add(1, Ordering::Relaxed);
        self.tally.stopped.fetch_add(u64::from(cut), Ordering::Relaxed);
        let right = if cut { question.answer.starts_with(&found) } else { question.answer == found };
        if !right {
            let line = format!("{question:?} was answered with {found:?}");
            self.tally.wrong.lock().expect("no panic").push(line.chars().take(600).collect());
        }
        Ok(())
    }

    /// A conversation that is saved between its turns, forgotten and restored.
    fn restored(&self, app: &App, adapter: Option<&Arc<Adapter>>, first: &str, second: &str) -> Result<String, Error> {
        let chat = app.chat(None, adapter.map(|adapter| &**adapter))?;
        let before = turn(&chat, first)?;
        chat.save(&self.file)?;
        drop(chat);
        let chat = app.restore(&self.file, adapter.map(|adapter| &**adapter), Mismatch::Refuse)?;
        let after = turn(&chat, second)?;
        self.tally.restored.fetch_add(1, Ordering::Relaxed);
        Ok(format!("{before}\n{after}"))
    }
}
