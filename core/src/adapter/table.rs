//! The tasks that apps can ask for: one table, from which the command line's help, `docs/tasks.md` and tests derive, and by
//! which adapters are checked.

use super::task::DataPath;

/// One thing that an app can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TaskSpec {
    /// Its name: of the command, and of `task` in an adapter's description.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Kinds of data that it reads.
    pub inputs: &'static [&'static str],
    /// What it gives.
    pub output: &'static str,
    /// Parts of the foundation that it may run; an adapter picks one of them.
    pub paths: &'static [DataPath],
    /// What of a foundation it needs.
    pub needs: &'static str,
    /// What an adapter for it brings.
    pub adapter: &'static str,
    /// Commands, each with what it shows.
    pub examples: &'static [(&'static str, &'static str)],
}

impl TaskSpec {
    /// The task of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TASKS.iter().find(|task| task.name == name)
    }
}

/// All tasks, in the order in which help and documentation list them.
pub const TASKS: &[TaskSpec] = &[
    TaskSpec {
        name: "chat",
        summary: "Talk with the language model",
        inputs: &["text"],
        output: "streamed text",
        paths: &[DataPath::Backbone],
        needs: "a backbone with a chat template",
        adapter: "LoRA on the backbone, a system message",
        examples: &[
            ("loam chat", "a conversation; /help lists its commands"),
            ("loam chat 'Why is the sky blue?'", "one answer"),
            ("loam chat 'List all files' --adapter shell", "with an installed adapter"),
            ("cat letter.txt | loam chat --system 'Summarise the text.'", "a text from standard input"),
        ],
    },
    TaskSpec {
        name: "generate",
        summary: "Continue a text as it stands",
        inputs: &["text"],
        output: "streamed text",
        paths: &[DataPath::Backbone],
        needs: "a backbone",
        adapter: "LoRA on the backbone",
        examples: &[
            ("loam generate 'Once upon a time'", "up to 256 tokens"),
            ("loam generate 'The capital of France is' --max-tokens 32 --stop .", "until a full stop"),
            ("loam generate 'Roses are' --temperature 0.8 --seed 7 --json", "by chance, with what it cost"),
            ("cat main.c | loam generate --draft 5", "sooner where it repeats itself"),
        ],
    },
    TaskSpec {
        name: "classify",
        summary: "Find the label that fits a text, picture, sound or motion",
        inputs: &["text", "image", "sound", "motion"],
        output: "labels with probabilities",
        paths: &[DataPath::Encoder, DataPath::Backbone],
        needs: "the input's encoder, for labels alone the text encoder too; or a backbone with an adapter",
        adapter: "LoRA on the encoder or the backbone, a head, labels",
        examples: &[
            ("loam classify 'The striker scored twice.' --labels sports,politics,music", "label names are enough"),
            (
                "loam classify 'I want my money back' --labels complaint,praise --template 'The customer voices {}.'",
                "another sentence around the labels",
            ),
            ("loam classify 'Play some jazz in the kitchen.' --adapter topic", "an adapter's labels"),
            ("loam classify --image cat.jpg --labels cat,dog,bird --model clip-vit-base-patch32", "a picture"),
            ("loam classify --sound street.flac --labels siren,rain --model imagebind", "a sound"),
            ("echo 'Rain until Friday' | loam classify --labels weather,sports --json", "for a script"),
        ],
    },
    TaskSpec {
        name: "tag",
        summary: "Find the named parts of a sentence, and what it is about",
        inputs: &["text"],
        output: "spans with labels, places and probabilities",
        paths: &[DataPath::Encoder],
        needs: "a text encoder that gives states of tokens (BERT's kind), and an adapter",
        adapter: "LoRA on the text encoder, a head of tags",
        examples: &[
            ("loam tag 'Play some jazz by Miles Davis on Deezer' --adapter slots", "the parts of a command"),
            ("cat commands.txt | loam tag --adapter slots --json", "one text per line, with places and scores"),
        ],
    },
    TaskSpec {
        name: "regress",
        summary: "Find the values of a text, picture, sound or motion",
        inputs: &["text", "image", "sound", "motion"],
        output: "named values with units",
        paths: &[DataPath::Encoder, DataPath::Backbone],
        needs: "the input's encoder with a regression head of its own, or an adapter that brings one",
        adapter: "LoRA on the encoder or the backbone, a regression head",
        examples: &[
            ("loam regress --motion walk.csv --rate 50 --adapter speed", "an adapter's values"),
            ("loam regress 'The room was cold.' --adapter stars --json", "of a text"),
        ],
    },
    TaskSpec {
        name: "segment",
        summary: "Tell what each place of a picture belongs to",
        inputs: &["image"],
        output: "probabilities of labels by place",
        paths: &[DataPath::Encoder],
        needs: "an image encoder that reads pictures of any size, such as our own, and an adapter",
        adapter: "a dense head over the encoder's states, LoRA on the encoder",
        examples: &[
            ("loam segment --image street.jpg --adapter scene", "the share of each label"),
            ("loam segment --image me.jpg --adapter portrait --output mask.png", "a mask of the picture's size"),
        ],
    },
    TaskSpec {
        name: "detect",
        summary: "Find things in a picture, with a box around each",
        inputs: &["image"],
        output: "labels with scores and boxes in pixels",
        paths: &[DataPath::Encoder],
        needs: "as segment",
        adapter: "as segment",
        examples: &[("loam detect --image street.jpg --adapter shapes --json", "with scores")],
    },
    TaskSpec {
        name: "locate",
        summary: "Find where the points of a pose are in a picture",
        inputs: &["image"],
        output: "named points in pixels",
        paths: &[DataPath::Encoder],
        needs: "as segment",
        adapter: "as segment",
        examples: &[("loam locate --image dog.jpg --adapter joints --json", "with scores")],
    },
    TaskSpec {
        name: "count",
        summary: "Count things in a picture",
        inputs: &["image"],
        output: "how many, and their density by place",
        paths: &[DataPath::Encoder],
        needs: "as segment",
        adapter: "as segment",
        examples: &[("loam count --image crowd.jpg --adapter dots", "a number")],
    },
    TaskSpec {
        name: "embed",
        summary: "Turn texts, pictures, sounds or motion into vectors",
        inputs: &["text", "image", "sound", "motion"],
        output: "unit vectors",
        paths: &[DataPath::Encoder],
        needs: "the input's encoder",
        adapter: "LoRA on the encoder",
        examples: &[
            ("loam embed 'A cat sits on the mat.' --json", "one text"),
            ("loam embed --compare 'A cat sleeps.' 'A kitten naps.' 'Stocks fell.'", "cosines of all pairs"),
            ("loam embed --image cat.jpg --model clip-vit-base-patch32", "a picture"),
            ("cat sentences.txt | loam embed --json", "one text per line"),
        ],
    },
    TaskSpec {
        name: "retrieve",
        summary: "Find what is most like a text, picture or sound among files and lines",
        inputs: &["text", "image", "sound", "motion"],
        output: "entries with cosines, best first",
        paths: &[DataPath::Encoder],
        needs: "the encoders of the query and of the entries, in one space",
        adapter: "LoRA on the encoder of the entries",
        examples: &[
            ("loam retrieve 'how do I get a refund?' --lines questions.txt", "among the lines of a file"),
            ("loam retrieve 'a dog on a beach' --files photos/*.jpg --model clip-vit-base-patch32", "among pictures"),
            (
                "loam retrieve --image dog.jpg --files photos/*.jpg --top 3 --model clip-vit-base-patch32",
                "by a picture",
            ),
        ],
    },
    TaskSpec {
        name: "sense",
        summary: "Tell what a device's motion means, window by window",
        inputs: &["motion"],
        output: "labels with probabilities and times, one result per window",
        paths: &[DataPath::Encoder],
        needs: "an IMU encoder, for labels alone the text encoder too",
        adapter: "LoRA on the IMU encoder, a head, labels",
        examples: &[
            (
                "loam sense walk.csv --rate 50 --labels walking,running,sitting --model imagebind",
                "windows side by side",
            ),
            ("loam sense walk.csv --rate 50 --hop 1 --adapter steps --json", "a window every second"),
        ],
    },
    TaskSpec {
        name: "transcribe",
        summary: "Write down what is said in sound files or into a microphone",
        inputs: &["sound"],
        output: "text in segments with times, as it becomes certain",
        paths: &[DataPath::Encoder],
        needs: "a speech encoder with a recogniser around it: Whisper, wav2vec 2.0, or our own with a CTC head",
        adapter: "LoRA on the recogniser, a CTC head for other characters",
        examples: &[
            ("loam transcribe talk.mp3 --model whisper-tiny", "a line per segment"),
            ("loam transcribe talk.mp3 --model whisper-tiny --language de --translate", "into English"),
            ("loam transcribe film.flac --model whisper-tiny --format srt > film.srt", "subtitles"),
            (
                "arecord -q -t raw -f S16_LE -r 16000 | loam transcribe - --model wav2vec2-base-960h",
                "what a microphone hears",
            ),
        ],
    },
    TaskSpec {
        name: "spell",
        summary: "Find what follows one another in a short sound or motion: digits spoken, gestures made",
        inputs: &["sound", "motion"],
        output: "pieces in order, each with the frame at which it was found; of what the encoder reads at once",
        paths: &[DataPath::Encoder],
        needs: "an encoder of sound or motion whose states follow time (not ImageBind's sound), and an adapter",
        adapter: "LoRA on the encoder, a CTC head with its vocabulary",
        examples: &[
            ("loam spell --sound pin.wav --adapter digits", "the digits that are spoken"),
            ("loam spell --motion wave.csv --rate 50 --adapter gestures --json", "with where each was found"),
        ],
    },
    TaskSpec {
        name: "answer",
        summary: "Answer a question about pictures, sound or motion",
        inputs: &["image", "sound", "motion"],
        output: "streamed text",
        paths: &[DataPath::EncoderBackbone],
        needs: "a vision-language model, or the input's encoder, its projector and a backbone with a chat template",
        adapter: "LoRA on the vision-language model or the backbone, a system message",
        examples: &[
            ("loam answer 'What colour is the car?' --image street.jpg --model smolvlm-256m", "one picture"),
            ("loam answer 'What differs?' --image a.png --image b.png --model smolvlm-256m --json", "two pictures"),
        ],
    },
    TaskSpec {
        name: "caption",
        summary: "Describe a picture or a sound",
        inputs: &["image", "sound", "motion"],
        output: "streamed text",
        paths: &[DataPath::EncoderBackbone],
        needs: "as answer",
        adapter: "as answer",
        examples: &[("loam caption --image street.jpg --model smolvlm-256m", "a sentence about a picture")],
    },
    TaskSpec {
        name: "speak",
        summary: "Say a text aloud, into a WAV file",
        inputs: &["text"],
        output: "mono samples, a WAV file in the command line",
        paths: &[DataPath::Generator],
        needs: "a speech generator (VITS)",
        adapter: "none",
        examples: &[
            ("loam speak 'Good morning.' --output morning.wav --model mms-tts-eng", "16-bit PCM"),
            ("loam speak 'Good morning.' --output slow.wav --rate 0.8 --seed 3 --model mms-tts-eng", "slower"),
        ],
    },
    TaskSpec {
        name: "upscale",
        summary: "Make a picture larger with more detail than interpolation gives",
        inputs: &["image"],
        output: "a picture, a PNG file in the command line",
        paths: &[DataPath::Generator],
        needs: "a component for super-resolution (EDSR), whose factor is fixed; loam-nano's is 4",
        adapter: "LoRA on its convolutions",
        examples: &[
            ("loam upscale small.png --out large.png", "four times as wide and high"),
            ("loam upscale photo.jpg --out drawn.png --adapter stained-glass --json", "drawn in a style by an adapter"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_path_is_used() {
        for (i, task) in TASKS.iter().enumerate() {
            assert!(TASKS[..i].iter().all(|other| other.name != task.name), "{} is there twice", task.name);
            assert_eq!(TaskSpec::find(task.name), Some(task));
            assert!(!task.paths.is_empty() && !task.inputs.is_empty() && !task.examples.is_empty(), "{}", task.name);
            let own = format!("loam {}", task.name);
            assert!(
                task.examples.iter().all(|(command, _)| command.contains(&own)),
                "{}: a foreign example",
                task.name
            );
        }
        for path in [DataPath::EncoderBackbone, DataPath::Backbone, DataPath::Encoder, DataPath::Generator] {
            assert!(TASKS.iter().any(|task| task.paths.contains(&path)), "no task runs {path:?}");
        }
        assert_eq!(TaskSpec::find("nothing"), None);
    }
}
