//! Connectionist temporal classification: networks that give each frame of speech probabilities over characters and a blank,
//! and the searches that make text of them.
//!
//! A. Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
//! Networks" (2006).

mod beam;
mod greedy;
mod head;
mod network;
mod token;
mod tower;
mod vocabulary;
mod wav2vec2;

pub use beam::{MAX_BEAM, PrefixBeam};
pub use greedy::Greedy;
pub use head::{CtcHead, log_softmax};
pub use network::{CtcGraph, CtcNetwork};
pub use token::{CtcSearch, CtcToken};
pub use tower::TowerCtc;
pub use vocabulary::CtcVocabulary;
pub use wav2vec2::Wav2Vec2Ctc;
