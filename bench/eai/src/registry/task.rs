//! The tasks and their domains.

/// What tasks are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// Text.
    Language,
    /// Pictures and films.
    Vision,
    /// Speech and sounds.
    Audio,
    /// Motion.
    Sensing,
    /// More than one of them.
    Mixed,
}

impl Domain {
    /// As tables name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Language => "NLP",
            Self::Vision => "CV",
            Self::Audio => "audio",
            Self::Sensing => "sensing",
            Self::Mixed => "misc",
        }
    }
}

macro_rules! tasks {
    ($($(#[$doc:meta])* $variant:ident $domain:ident $name:literal,)+) => {
        /// A task of the benchmark.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Task { $($(#[$doc])* $variant,)+ }

        impl Task {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As tables name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is about.
            #[must_use]
            pub fn domain(self) -> Domain {
                match self { $(Self::$variant => Domain::$domain,)+ }
            }
        }
    };
}

tasks! {
    /// The next word of a text.
    InputPrediction Language "input word prediction",
    /// Answers from a text.
    QuestionAnswering Language "question answering",
    /// From one language into another.
    Translation Language "machine translation",
    /// The emoji of a message.
    EmojiPrediction Language "emoji prediction",
    /// The feeling of a message.
    TextEmotion Language "emotion prediction",
    /// The class of a text.
    TextClassification Language "text classification",
    /// For or against.
    Sentiment Language "sentiment analysis",
    /// Mistakes put right.
    GrammarCorrection Language "grammatical error correction",
    /// A text in short.
    Summarisation Language "text summarisation",
    /// What code does.
    CodeDocumentation Language "code document generation",
    /// Code that does it.
    CodeGeneration Language "code generation",
    /// Objects with their places.
    ObjectDetection Vision "object detection",
    /// The same thing in other pictures.
    ImageRetrieval Vision "image retrieval",
    /// A picture made larger.
    SuperResolution Vision "super-resolution",
    /// A picture in the manner of another.
    StyleTransfer Vision "style transfer",
    /// The class of each pixel.
    Segmentation Vision "semantic segmentation",
    /// What a picture of text says.
    CharacterRecognition Vision "optical character recognition",
    /// The class of a picture.
    ImageClassification Vision "image classification",
    /// The kind of a traffic sign.
    TrafficSigns Vision "traffic sign classification",
    /// The same car seen by other cameras.
    VehicleReidentification Vision "vehicle re-identification",
    /// Of a face.
    GenderRecognition Vision "gender recognition",
    /// In which country a picture was taken.
    LocationRecognition Vision "location recognition",
    /// Keypoints of a body.
    PoseEstimation Vision "pose estimation",
    /// What happens in a film.
    VideoClassification Vision "video classification",
    /// How many people.
    CrowdCounting Vision "crowd counting",
    /// How opaque each pixel of an object is.
    ImageMatting Vision "image matting",
    /// What is said.
    SpeechRecognition Audio "automatic speech recognition",
    /// What is meant by what is said; the paper counts intents of commands and frames as one task.
    SpokenLanguageUnderstanding Audio "spoken language understanding",
    /// The feeling of a voice.
    SpeechEmotion Audio "emotion recognition",
    /// What is heard.
    SoundClassification Audio "audio classification",
    /// Which of some words is said.
    KeywordSpotting Audio "keyword spotting",
    /// What a person does.
    ActivityRecognition Sensing "human activity recognition",
    /// A text read aloud.
    TextToSpeech Mixed "text-to-speech",
    /// A sentence about a sound.
    AudioCaptioning Mixed "audio captioning",
    /// A sentence about a picture.
    ImageCaptioning Mixed "image captioning",
    /// The picture that a text describes.
    TextToImageRetrieval Mixed "text-to-image retrieval",
    /// The picture that belongs to a sound.
    AudioToImageRetrieval Mixed "audio-to-image retrieval",
    /// Answers about a picture.
    VisualQuestionAnswering Mixed "visual question answering",
}
