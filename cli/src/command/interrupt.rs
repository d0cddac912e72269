//! Ctrl-C: ends the running generation after its current token; a second one, or one outside of a generation, ends the
//! program as the shell expects.

use std::sync::atomic::{AtomicU8, Ordering};

/// Exit code of a program that SIGINT ended.
pub const EXIT_CODE: u8 = 130;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const STOPPING: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(IDLE);

/// Starts to listen. A system that refuses a handler keeps its own behaviour.
pub fn listen() {
    let installed = ctrlc::set_handler(|| {
        if STATE.compare_exchange(RUNNING, STOPPING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            std::process::exit(i32::from(EXIT_CODE));
        }
    });
    if let Err(reason) = installed {
        log::warn!("Ctrl-C ends the program at once: {reason}");
    }
}

/// A generation that Ctrl-C may end; over when dropped.
#[derive(Debug)]
pub struct Interruptible(());

impl Interruptible {
    /// From now on Ctrl-C asks the generation to end.
    #[must_use]
    pub fn begin() -> Self {
        STATE.store(RUNNING, Ordering::SeqCst);
        Self(())
    }

    /// Whether Ctrl-C was pressed since [`Interruptible::begin`].
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        STATE.load(Ordering::SeqCst) == STOPPING
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        STATE.store(IDLE, Ordering::SeqCst);
    }
}
