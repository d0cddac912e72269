//! Who asks, and how urgently.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The app; `None` for whoever holds the engine itself.
    pub app: Option<Arc<str>>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it may wait for its turn; it is refused when that has passed. `None` waits.
    pub patience: Option<Duration>,
}
