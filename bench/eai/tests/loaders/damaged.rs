//! A damaged file of each format: the error names the file, the place and the value.

use std::fs;
use std::path::Path;

use loam_bench::loader::{Direction, Format, Split, Target, View};

use super::fixture;

/// What is done to a file.
enum Damage {
    /// The first occurrence becomes something else.
    Swap(&'static str, &'static str),
    /// It ends after so many bytes.
    Cut(usize),
    /// It is gone.
    Gone,
}
use Damage::{Cut, Gone, Swap};

const EN_DE: Direction = Direction { from: "en", into: "de" };

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(|_| ()).expect("copied") }
    }
}

/// The message of what reading the damaged fixture ends with.
fn refused(name: &str, format: Format, split: Split, file: &str, damage: &Damage) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&fixture(name), folder.path());
    let path = folder.path().join(file);
    match damage {
        Swap(from, to) => {
            let bytes = fs::read(&path).expect("read");
            let place = bytes.windows(from.len()).position(|part| part == from.as_bytes());
            let place = place.unwrap_or_else(|| panic!("{file} of {name} has no {from:?}"));
            let changed = [&bytes[..place], to.as_bytes(), &bytes[place + from.len()..]].concat();
            fs::write(&path, changed).expect("written");
        }
        Cut(length) => fs::write(&path, &fs::read(&path).expect("read")[..*length]).expect("written"),
        Gone => fs::remove_file(&path).expect("removed"),
    }
    let outcome = format.open(folder.path(), split).and_then(|examples| {
        for row in examples {
            if let Target::Mask(mask) = row?.target {
                mask.values()?;
            }
        }
        Ok(())
    });
    outcome.expect_err(&format!("{name} without {file}")).to_string()
}

fn check(rows: &[(&str, Format, Split, &str, Damage, &str)]) {
    for (name, format, split, file, damage, expected) in rows {
        let message = refused(name, *format, *split, file, damage);
        assert!(message.contains(expected), "{name}: {message:?} does not say {expected:?}");
    }
}

#[test]
fn texts() {
    use Split::{Test, Valid};
    let rows = [
        ("ptb", Format::PennTreebank, Test, "ptb.test.txt", Gone, "no ptb.test.txt or test.txt"),
        (
            "squad",
            Format::Squad,
            Valid,
            "dev-v2.0.json",
            Swap("at noon\"", "at dusk\""),
            "question q1: malformed SQuAD: \"at dusk\"",
        ),
        (
            "squad",
            Format::Squad,
            Valid,
            "dev-v2.0.json",
            Cut(200),
            "dev-v2.0.json, line 1 column 200: malformed SQuAD: EOF",
        ),
        ("tydi", Format::TydiQa, Valid, "tydiqa-v1.0-dev.jsonl.gz", Cut(60), "dev.jsonl.gz, line 1"),
        (
            "wmt-xml",
            Format::Wmt(EN_DE),
            Test,
            "wmttest2022.en-de.all.xml",
            Swap("id=\"2\"", "id=\"1\""),
            "stands twice",
        ),
        (
            "wmt-sgm",
            Format::Wmt(EN_DE),
            Test,
            "newstest-ende-ref.de.sgm",
            Swap("<seg id=\"2\">", "<seg>"),
            "a segment without an id",
        ),
        (
            "wmt-lines",
            Format::Wmt(EN_DE),
            Test,
            "wmt22.de",
            Cut(11),
            "line 2: malformed WMT test set: it has fewer lines",
        ),
        (
            "tweeteval",
            Format::TweetEval,
            Test,
            "test_labels.txt",
            Swap("2", "7"),
            "test_labels.txt, line 2: malformed TweetEval: class 7 of 3",
        ),
        (
            "goemotions",
            Format::GoEmotions,
            Test,
            "test.tsv",
            Swap("0,2", "0,x"),
            "line 2: malformed GoEmotions: class is \"x\"",
        ),
        (
            "agnews",
            Format::AgNews,
            Test,
            "test.csv",
            Swap("\"2\"", "\"5\""),
            "line 2: malformed AG News: class 5, expected 1 to 4",
        ),
        ("sst2", Format::Sst2, Valid, "dev.tsv", Swap("label", "labels"), "no column \"label\" among sentence, labels"),
        (
            "jfleg",
            Format::Jfleg,
            Test,
            "test/test.ref1",
            Cut(25),
            "line 2: malformed JFLEG: reference 1 has no such line",
        ),
        (
            "cnndm",
            Format::CnnDailyMail,
            Test,
            "url_lists/all_test.txt",
            Swap("example", "elsewhere"),
            ".story or dailymail/stories/",
        ),
        ("cnndm-jsonl", Format::CnnDailyMail, Test, "test.jsonl", Swap("highlights", "high"), "line 1 column"),
        (
            "codesearchnet",
            Format::CodeSearchNet,
            Test,
            "python/final/jsonl/test/python_test_1.jsonl.gz",
            Cut(40),
            "python_test_1.jsonl.gz, line 1",
        ),
        ("shellcode", Format::Shellcode, Test, "assembly-test.out", Cut(25), "it has fewer lines"),
        (
            "shellcode-table",
            Format::ShellcodeTable,
            Test,
            "Shellcode_IA32.tsv",
            Swap("\tpush", " push"),
            "line 3: malformed Shellcode_IA32: 1 columns, \"INTENTS\" is missing",
        ),
    ];
    check(&rows);
}

#[test]
fn pictures() {
    use Split::{Test, Valid};
    let val = "annotations/instances_val2017.json";
    let ade = "ADEChallengeData2016/annotations/validation/ADE_val_00000001.png";
    let voc = "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png";
    let rows = [
        (
            "coco",
            Format::CocoInstances,
            Valid,
            val,
            Swap("\"image_id\": 9", "\"image_id\": 8"),
            "image 8 is not listed",
        ),
        (
            "coco",
            Format::CocoInstances,
            Valid,
            val,
            Swap("\"category_id\": 18", "\"category_id\": 17"),
            "category 17 is not listed",
        ),
        (
            "coco",
            Format::CocoCaptions,
            Valid,
            "annotations/captions_val2014.json",
            Swap("\"caption\"", "\"text\""),
            "missing field `caption`",
        ),
        ("lvis", Format::Lvis, Valid, "lvis_v1_val.json", Swap("[3]", "[-3]"), "invalid value: integer `-3`"),
        (
            "ap10k",
            Format::Ap10k,
            Test,
            "annotations/ap10k-test-split1.json",
            Swap("[0.0, 0.0, 0.0, ", "["),
            "48 values of keypoints, expected 51",
        ),
        (
            "inshop",
            Format::InShop,
            Test,
            "Eval/list_eval_partition.txt",
            Swap("4", "9"),
            "9 pictures are announced, 4 listed",
        ),
        ("veri", Format::VeRi, Test, "name_test.txt", Swap("0005_c003", "0005-c003"), "line 2: malformed VeRi-776"),
        (
            "set5",
            Format::SuperResolution(4),
            Test,
            "Set5/image_SRF_4/img_001_SRF_4_LR.png",
            Gone,
            "no img_001_SRF_4_LR.png",
        ),
        ("wikiart", Format::WikiArt, Valid, "Style/style_val.csv", Swap(",0", ",2"), "class 2 of 2"),
        ("ade20k", Format::Ade20k, Valid, ade, Cut(50), "malformed PNG mask"),
        ("voc", Format::Voc2012, Valid, voc, Cut(30), "malformed PNG mask"),
        ("class-folders", Format::ClassFolders, Test, "test/ZW/c.jpg", Gone, "no pictures"),
        ("cifar100", Format::Cifar100, Test, "test.bin", Cut(3075), "3075 bytes, no multiple of 3074"),
        ("imagenet", Format::ImageNet, Valid, "ILSVRC2012_devkit_t12/data/meta.mat", Cut(2000), "meta.mat, byte"),
        (
            "imagenet",
            Format::ImageNet,
            Valid,
            "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
            Swap("1000", "1001"),
            "line 3",
        ),
        (
            "gtsrb",
            Format::Gtsrb,
            Test,
            "Final_Test/Images/GT-final_test.csv",
            Swap(";48;49;16", ";5;49;16"),
            "the sign is from 6, 5 to 5, 49",
        ),
        ("adience", Format::Adience, Test, "fold_4_data.txt", Swap("\tm\t", "\tq\t"), "gender \"q\""),
        (
            "ucf",
            Format::UcfQnrf,
            Test,
            "Test/img_0002_ann.mat",
            Swap("annPoints", "annpoints"),
            "annPoints: malformed UCF-QNRF",
        ),
        ("refmatte", Format::RefMatte, Test, "eval_index_expression.json", Swap("1}", "2}"), "phrase 2 of 2"),
        (
            "vqa2",
            Format::Vqa2,
            Valid,
            "v2_mscoco_val2014_annotations.json",
            Swap("458752000", "458752001"),
            "question 458752000: malformed VQA 2.0: it has no answers",
        ),
        (
            "vizwiz",
            Format::VizWiz,
            Valid,
            "Annotations/val.json",
            Swap("\"image\"", "\"img\""),
            "missing field `image`",
        ),
        (
            "flickr8k",
            Format::Flickr8k,
            Test,
            "Flickr8k_text/Flickr_8k.testImages.txt",
            Swap("1000", "2000"),
            "has no captions",
        ),
        (
            "flickr30k",
            Format::Flickr30k,
            Test,
            "results_20130124.token",
            Swap("#0\t", " "),
            "line 1: malformed Flickr30k",
        ),
    ];
    check(&rows);
}

#[test]
fn sounds_and_motion() {
    use Split::{Test, Valid};
    let transcript = "LibriSpeech/test-clean/1089/134691/1089-134691.trans.txt";
    let gyro = "UCI HAR Dataset/test/Inertial Signals/body_gyro_x_test.txt";
    let rows = [
        (
            "librispeech",
            Format::LibriSpeech,
            Test,
            transcript,
            Cut(5),
            "134691.trans.txt, line 1: malformed LibriSpeech",
        ),
        (
            "fsc",
            Format::FluentSpeechCommands,
            Test,
            "data/test_data.csv",
            Swap("music,none", "music,bedroom"),
            "class \"activate|music|bedroom\" is none of the 2 known",
        ),
        (
            "slurp",
            Format::Slurp,
            Test,
            "dataset/slurp/test.jsonl",
            Swap("[2, 3]", "[2, 30]"),
            "line 1: malformed SLURP: word 30 of 5",
        ),
        (
            "iemocap",
            Format::Iemocap,
            Test,
            "Session5/dialog/EmoEvaluation/Ses05F_impro01.txt",
            Swap("F001\texc\t", "F001 exc "),
            "line 6: malformed IEMOCAP",
        ),
        (
            "esc50",
            Format::Esc50,
            Test,
            "meta/esc50.csv",
            Swap(",5,1,rooster", ",5,0,rooster"),
            "class 0 is \"rooster\", before it was \"dog\"",
        ),
        (
            "speechcommands",
            Format::SpeechCommands,
            Test,
            "testing_list.txt",
            Swap("bed", "cat"),
            "class \"cat\" is none of the 2 known",
        ),
        ("ljspeech", Format::LjSpeech, Test, "metadata.csv", Swap("0002|in being|", "0002 in being "), "line 2"),
        (
            "clotho",
            Format::Clotho,
            Test,
            "clotho_captions_evaluation.csv",
            Swap("caption_5", "caption_6"),
            "no column \"caption_5\"",
        ),
        (
            "audiocaps",
            Format::AudioCaps,
            Test,
            "test.csv",
            Swap(",10,", ",ten,"),
            "line 4: malformed AudioCaps: start_time is \"ten\"",
        ),
        ("vggsound", Format::VggSound, Test, "vggsound.csv", Swap(",train", ",dev"), "split \"dev\""),
        ("kinetics", Format::Kinetics, Valid, "val.csv", Swap("59,69", "69,59"), "from 69 to 59 s"),
        ("ucihar", Format::UciHar, Test, gyro, Cut(600), "body_gyro_x_test.txt, line 1: malformed UCI-HAR"),
        ("hhar", Format::Hhar, Test, "Phones_gyroscope.csv", Swap("walk", "wlak"), "gt \"wlak\" is no activity"),
        (
            "motionsense",
            Format::MotionSense,
            Test,
            "A_DeviceMotion_data/jog_16/sub_3.csv",
            Swap("gravity.x", "gravity"),
            "no column \"gravity.x\"",
        ),
    ];
    check(&rows);
}

#[test]
fn stand_ins() {
    use Split::Test;
    let main = Format::StandIn(View::Main);
    let rows = [
        ("stand-in/labels", main, Test, "test.jsonl.zst", Cut(20), "test.jsonl.zst"),
        ("stand-in/labels", main, Test, "meta.json", Swap(", \"good\"", ""), "class 1 of 1"),
        ("stand-in/sounds", main, Test, "audio.tar", Cut(700), "audio.tar"),
        (
            "stand-in/sounds",
            main,
            Test,
            "manifest.jsonl",
            Swap("b.flac", "c.flac"),
            "line 1: malformed stand-in set: \"c.flac\" is not packed",
        ),
        ("stand-in/images", main, Test, "images.tar.zst", Cut(40), "images.tar.zst"),
        ("stand-in/motion", main, Test, "data.npz", Cut(300), "data.npz, archive"),
        ("stand-in/motion", main, Test, "meta.json", Swap("\"hz\": 20", "\"hz\": -1"), "neither motion nor pictures"),
    ];
    check(&rows);
}
