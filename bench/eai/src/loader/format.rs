//! The formats, by name: what the registry points at, and what opens them.

use std::path::Path;

use super::example::{Examples, Split};
use super::stand_in::{self, View};
use super::translation::{self, Direction};
use super::{
    about_pictures, coco, language, masks, motion, pictures, questions, retrieval, sounds, speech, text_classes,
};
use crate::error::Result;

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `ptb.test.txt`.
    PennTreebank,
    /// `dev-v2.0.json`.
    Squad,
    /// `tydiqa-v1.0-dev.jsonl.gz`.
    TydiQa,
    /// `*.en-de.xml`, SGML pairs, or lines.
    Wmt(Direction),
    /// `test_text.txt` and `test_labels.txt`.
    TweetEval,
    /// `test.tsv` and `emotions.txt`.
    GoEmotions,
    /// `test.csv` and `classes.txt`.
    AgNews,
    /// `dev.tsv` of GLUE.
    Sst2,
    /// `test/test.src` and `test/test.ref0` to `ref3`.
    Jfleg,
    /// Stories and `url_lists`, or `test.jsonl`.
    CnnDailyMail,
    /// `python_test_0.jsonl.gz`.
    CodeSearchNet,
    /// `assembly-test.in` and `.out`.
    Shellcode,
    /// `Shellcode_IA32.tsv`: no splits.
    ShellcodeTable,
    /// `annotations/instances_val2017.json`.
    CocoInstances,
    /// `annotations/captions_val2014.json`.
    CocoCaptions,
    /// `lvis_v1_val.json`.
    Lvis,
    /// `annotations/ap10k-test-split1.json`.
    Ap10k,
    /// `Eval/list_eval_partition.txt`.
    InShop,
    /// `name_query.txt` and `name_test.txt`.
    VeRi,
    /// Pairs in `image_SRF_4`, for that factor.
    SuperResolution(u8),
    /// `style_val.csv` and `style_class.txt`, with `content`.
    WikiArt,
    /// `images/validation` and `annotations/validation`.
    Ade20k,
    /// `VOCdevkit/VOC2012`.
    Voc2012,
    /// A folder of pictures for each class in `test`.
    ClassFolders,
    /// `test.bin` of the binary version.
    Cifar100,
    /// Pictures and the devkit.
    ImageNet,
    /// `GT-final_test.csv`.
    Gtsrb,
    /// `fold_4_data.txt`.
    Adience,
    /// `val.csv` and films.
    Kinetics,
    /// `Test/*_ann.mat`.
    UcfQnrf,
    /// `refmatte_rw100_label.json`.
    RefMatte,
    /// `test-clean/*/*/*.trans.txt`.
    LibriSpeech,
    /// `data/test_data.csv`.
    FluentSpeechCommands,
    /// `dataset/slurp/test.jsonl`.
    Slurp,
    /// `Session5/dialog/EmoEvaluation/*.txt`.
    Iemocap,
    /// `meta/esc50.csv`.
    Esc50,
    /// `testing_list.txt` and folders of words.
    SpeechCommands,
    /// `test/Inertial Signals`.
    UciHar,
    /// `Phones_accelerometer.csv` and `Phones_gyroscope.csv`.
    Hhar,
    /// `A_DeviceMotion_data/*/sub_*.csv`.
    MotionSense,
    /// `metadata.csv`.
    LjSpeech,
    /// `clotho_captions_evaluation.csv`.
    Clotho,
    /// `test.csv` of AudioCaps.
    AudioCaps,
    /// `Flickr8k.token.txt` and `Flickr_8k.testImages.txt`.
    Flickr8k,
    /// `results_20130124.token` and `test.txt`.
    Flickr30k,
    /// `vggsound.csv`.
    VggSound,
    /// `v2_OpenEnded_mscoco_val2014_questions.json`.
    Vqa2,
    /// `Annotations/val.json`.
    VizWiz,
    /// Sets that stand in for others.
    StandIn(View),
}

impl Format {
    /// Opens the folder `data`, in which files lie as their authors publish them.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Missing`](crate::Error::Missing),
    /// [`Error::Split`](crate::Error::Split), [`Error::Outside`](crate::Error::Outside) and
    /// [`Error::Malformed`](crate::Error::Malformed), here or with the row that is wrong; no row follows that one.
    pub fn open(self, data: &Path, split: Split) -> Result<Examples> {
        match self {
            Self::PennTreebank => language::penn_treebank(data, split),
            Self::Squad => questions::squad(data, split),
            Self::TydiQa => questions::tydi(data, split),
            Self::Wmt(direction) => translation::wmt(data, split, direction),
            Self::TweetEval => text_classes::tweet_eval(data, split),
            Self::GoEmotions => text_classes::go_emotions(data, split),
            Self::AgNews => text_classes::ag_news(data, split),
            Self::Sst2 => text_classes::sst2(data, split),
            Self::Jfleg => language::jfleg(data, split),
            Self::CnnDailyMail => language::cnn_dailymail(data, split),
            Self::CodeSearchNet => language::code_search_net(data, split),
            Self::Shellcode => language::shellcode(data, split),
            Self::ShellcodeTable => language::shellcode_table(data),
            Self::CocoInstances => coco::instances(data, split),
            Self::CocoCaptions => coco::captions(data, split),
            Self::Lvis => coco::lvis(data, split),
            Self::Ap10k => coco::ap10k(data, split),
            Self::InShop => retrieval::in_shop(data, split),
            Self::VeRi => retrieval::veri(data, split),
            Self::SuperResolution(factor) => masks::super_resolution(data, split, factor),
            Self::WikiArt => pictures::wikiart(data, split),
            Self::Ade20k => masks::ade20k(data, split),
            Self::Voc2012 => masks::voc2012(data, split),
            Self::ClassFolders => pictures::class_folders(data, split, "folders of classes"),
            Self::Cifar100 => pictures::cifar100(data, split),
            Self::ImageNet => pictures::imagenet(data, split),
            Self::Gtsrb => pictures::gtsrb(data, split),
            Self::Adience => pictures::adience(data, split),
            Self::Kinetics => sounds::kinetics(data, split),
            Self::UcfQnrf => masks::ucf_qnrf(data, split),
            Self::RefMatte => masks::refmatte(data, split),
            Self::LibriSpeech => speech::librispeech(data, split),
            Self::FluentSpeechCommands => speech::fluent_speech_commands(data, split),
            Self::Slurp => speech::slurp(data, split),
            Self::Iemocap => speech::iemocap(data, split),
            Self::Esc50 => sounds::esc50(data, split),
            Self::SpeechCommands => sounds::speech_commands(data, split),
            Self::UciHar => motion::uci_har(data, split),
            Self::Hhar => motion::hhar(data, split),
            Self::MotionSense => motion::motion_sense(data, split),
            Self::LjSpeech => speech::ljspeech(data, split),
            Self::Clotho => sounds::clotho(data, split),
            Self::AudioCaps => sounds::audiocaps(data, split),
            Self::Flickr8k => about_pictures::flickr8k(data, split),
            Self::Flickr30k => about_pictures::flickr30k(data, split),
            Self::VggSound => sounds::vggsound(data, split),
            Self::Vqa2 => about_pictures::vqa2(data, split),
            Self::VizWiz => about_pictures::vizwiz(data, split),
            Self::StandIn(view) => stand_in::open(data, split, view),
        }
    }

    /// The files that it looks for, as Markdown.
    #[must_use]
    pub fn files(self) -> &'static str {
        match self {
            Self::PennTreebank => "`ptb.test.txt`",
            Self::Squad => "`dev-v2.0.json` (or 1.1)",
            Self::TydiQa => "`tydiqa-v1.0-dev.jsonl.gz`, or `tydiqa-goldp-v1.1-dev.json`",
            Self::Wmt(_) => "`*.en-de.xml`; or `*-src.en.sgm` and `*-ref.de.sgm`; or lines in `*.en` and `*.de`",
            Self::TweetEval => "`test_text.txt`, `test_labels.txt`, `mapping.txt`",
            Self::GoEmotions => "`test.tsv`, `emotions.txt`",
            Self::AgNews => "`test.csv`, `classes.txt`",
            Self::Sst2 => "`dev.tsv` of GLUE",
            Self::Jfleg => "`test/test.src`, `test/test.ref0` to `ref3`",
            Self::CnnDailyMail => "`url_lists/all_test.txt`, `cnn/stories`, `dailymail/stories`; or `test.jsonl`",
            Self::CodeSearchNet => "`LANGUAGE/final/jsonl/test/LANGUAGE_test_0.jsonl.gz`",
            Self::Shellcode => "`assembly-test.in`, `assembly-test.out`",
            Self::ShellcodeTable => "`Shellcode_IA32.tsv`",
            Self::CocoInstances => "`annotations/instances_val2017.json`, `val2017`",
            Self::CocoCaptions => "`annotations/captions_val2014.json`, `val2014`",
            Self::Lvis => "`lvis_v1_val.json`, `val2017`",
            Self::Ap10k => "`annotations/ap10k-test-split1.json`, `data`",
            Self::InShop => "`Eval/list_eval_partition.txt`, `img` or `Img/img`",
            Self::VeRi => "`name_query.txt`, `name_test.txt`, `image_query`, `image_test`",
            Self::SuperResolution(_) => "`image_SRF_4` with `*_HR.png` and `*_LR.png`",
            Self::WikiArt => "`Style/style_val.csv`, `Style/style_class.txt`, `wikiart`; pictures of COCO in `content`",
            Self::Ade20k => "`images/validation`, `annotations/validation` of `ADEChallengeData2016`",
            Self::Voc2012 => "`VOCdevkit/VOC2012`",
            Self::ClassFolders => "`test` with a folder for each class",
            Self::Cifar100 => "`cifar-100-binary`",
            Self::ImageNet => "`ILSVRC2012_devkit_t12`, `val` with `ILSVRC2012_val_*.JPEG`",
            Self::Gtsrb => "`Final_Test/Images` with `GT-final_test.csv`",
            Self::Adience => "`fold_0_data.txt` to `fold_4_data.txt`, `aligned` or `faces`",
            Self::Kinetics => "`val.csv`, `val` with `ID_START_END.mp4`",
            Self::UcfQnrf => "`Test` with `img_*.jpg` and `img_*_ann.mat`",
            Self::RefMatte => "`refmatte_rw100_label.json`, `eval_index_expression.json`, `image_all`, `mask`",
            Self::LibriSpeech => "`LibriSpeech/test-clean`",
            Self::FluentSpeechCommands => "`data/train_data.csv`, `data/test_data.csv`, `wavs`",
            Self::Slurp => "`dataset/slurp/test.jsonl`, `slurp_real`",
            Self::Iemocap => "`Session1` to `Session5`",
            Self::Esc50 => "`meta/esc50.csv`, `audio`",
            Self::SpeechCommands => "folders of words, `testing_list.txt`, `validation_list.txt`",
            Self::UciHar => "`UCI HAR Dataset`",
            Self::Hhar => "`Phones_accelerometer.csv`, `Phones_gyroscope.csv`",
            Self::MotionSense => "`A_DeviceMotion_data`",
            Self::LjSpeech => "`metadata.csv`, `wavs`",
            Self::Clotho => "`clotho_captions_evaluation.csv`, `evaluation`",
            Self::AudioCaps => "`test.csv`, `audio` with `YOUTUBE_ID.wav`",
            Self::Flickr8k => "`Flickr8k_text`, `Flicker8k_Dataset`",
            Self::Flickr30k => "`results_20130124.token`, `test.txt`, `flickr30k-images`",
            Self::VggSound => "`vggsound.csv`, `video` with `ID_BEGIN.mp4`",
            Self::Vqa2 => {
                "`v2_OpenEnded_mscoco_val2014_questions.json`, `v2_mscoco_val2014_annotations.json`, `val2014`"
            }
            Self::VizWiz => "`Annotations/val.json`, `val`",
            Self::StandIn(_) => "`meta.json`, and `test.jsonl.zst`, `data.npz`, `audio.tar` or `images.tar.zst`",
        }
    }
}
