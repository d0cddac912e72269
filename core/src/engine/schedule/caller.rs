//! Who asks, and how urgently.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::event::Target;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody looks at the screen.
    Interactive,
    /// Somebody waits, but not at every token.
    #[default]
    Normal,
    /// Nobody waits: beside others it gets a quarter of their rows, and starts after the app's own more urgent requests.
    Background,
}

/// On whose behalf a request runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// The app; `None` for whoever holds the engine itself.
    pub app: Option<Arc<str>>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it may wait for its turn; it is refused when that has passed. `None` waits.
    pub patience: Option<Duration>,
    /// When it is to be over, counted from its arrival: it ends then with what there is, or is refused where it has not begun.
    pub deadline: Option<Duration>,
    /// How fast it is to be; its result says whether it was.
    pub target: Target,
}

impl Caller {
    /// How long it may wait for its start.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.patience.into_iter().chain(self.deadline).min()
    }

    /// When it should have its first token at the latest, counted from its arrival.
    pub(super) fn due(&self) -> Option<Duration> {
        let ms = self.target.time_to_first_token_ms.filter(|ms| ms.is_finite() && *ms >= 0.0);
        let target = ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
        target.into_iter().chain(self.deadline).min()
    }
}
