//! Texts.

use loam_bench::loader::{Direction, Format, Input, Split, Target};

use super::{labels_of, read, text, texts};

const EN_DE: Direction = Direction { from: "en", into: "de" };
const DE_EN: Direction = Direction { from: "de", into: "en" };

#[test]
fn penn_treebank_has_a_sentence_a_line() {
    let (_, rows) = read("ptb", Format::PennTreebank, Split::Test);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].input, text("but while the <unk> fell N points it held"));
}

#[test]
fn squad_has_questions_with_and_without_answers() {
    let (_, rows) = read("squad", Format::Squad, Split::Valid);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].id.as_str(), &rows[0].target), ("q1", &texts(&["at noon", "noon"])));
    assert_eq!(rows[1].target, texts(&[]));
    let Input::Question { context, question } = &rows[0].input else { panic!("a question") };
    assert!(context.starts_with("Der Zug – the train") && question == "When does it leave?");
}

#[test]
fn tydi_answers_are_cut_by_bytes() {
    let (_, rows) = read("tydi", Format::TydiQa, Split::Valid);
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["-7", "8", "9"]);
    assert_eq!(rows[0].target, texts(&["1911"]));
    assert_eq!(rows[1].target, texts(&["yes"]));
    assert_eq!(rows[2].target, texts(&[]));
    let context = |row: usize| match &rows[row].input {
        Input::Question { context, .. } => context.clone(),
        other => panic!("{other:?} is no question"),
    };
    assert_eq!(context(0), "Kyiv lies on the Dnipro. Das Café opened in 1911.");
    assert_eq!(context(1), "It is large.");
    assert!(context(2).ends_with("1911.\nIt is large."));
}

#[test]
fn the_secondary_task_of_tydi_is_in_the_form_of_squad() {
    let (_, rows) = read("tydi-goldp", Format::TydiQa, Split::Valid);
    assert_eq!((rows[0].id.as_str(), &rows[0].target), ("finnish--1-0", &texts(&["at noon"])));
}

#[test]
fn wmt_comes_in_three_forms() {
    for name in ["wmt-xml", "wmt-sgm"] {
        let (_, rows) = read(name, Format::Wmt(EN_DE), Split::Test);
        let found: Vec<_> = rows.iter().map(|row| (&row.input, &row.target)).collect();
        let expected = [
            (text("Tom & Jerry run."), texts(&["Tom & Jerry laufen."])),
            (text("It's late."), texts(&["Es ist spät."])),
            (text("Good night."), texts(&["Gute Nacht."])),
        ];
        assert_eq!(found, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>(), "{name}");
    }
    let (_, rows) = read("wmt-lines", Format::Wmt(DE_EN), Split::Test);
    assert_eq!((&rows[1].input, &rows[1].target), (&text("Danke."), &texts(&["Thanks."])));
}

#[test]
fn classes_of_texts_are_those_of_the_lists() {
    let (labels, rows) = read("tweeteval", Format::TweetEval, Split::Test);
    assert_eq!((labels.len(), labels_of(&rows)), (3, vec![1, 2]));
    assert_eq!(labels[2], "\u{1f384}");
    let (labels, rows) = read("goemotions", Format::GoEmotions, Split::Test);
    assert_eq!(labels, ["admiration", "anger", "neutral"]);
    assert_eq!(rows[0].input, text("He said \"no\" and left"));
    assert_eq!((rows[1].id.as_str(), &rows[1].target), ("abc2", &Target::LabelSet(vec![0, 2])));
    let (labels, rows) = read("agnews", Format::AgNews, Split::Test);
    assert_eq!((labels[3].as_str(), labels_of(&rows)), ("Sci/Tech", vec![2, 1]));
    assert_eq!(rows[1].input, text("Cup \"final\" tonight\nIt begins at eight."));
    let (labels, rows) = read("sst2", Format::Sst2, Split::Valid);
    assert_eq!((labels.len(), labels_of(&rows)), (2, vec![1, 0]));
    assert_eq!(rows[0].input, text("a \" fine \" film ."));
}

#[test]
fn corrections_and_summaries_have_their_references() {
    let (_, rows) = read("jfleg", Format::Jfleg, Split::Test);
    assert_eq!(rows[1].input, text("She go home . "));
    assert_eq!(rows[1].target, texts(&["She goes home . ", "She went home . "]));
    let (_, rows) = read("cnndm", Format::CnnDailyMail, Split::Test);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].input, text("Second story.\n\nMore of it."));
    assert_eq!(rows[1].target, texts(&["Second story. In short.\nThere is more"]));
    let (_, rows) = read("cnndm-jsonl", Format::CnnDailyMail, Split::Test);
    assert_eq!((rows[0].id.as_str(), &rows[0].target), ("r1", &texts(&["Short.\nText."])));
}

#[test]
fn code_is_read_from_all_forms() {
    let (_, rows) = read("codesearchnet", Format::CodeSearchNet, Split::Test);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].id, "https://example.org/a.py#L1");
    assert_eq!(rows[0].input, text("def add(a, b):\n    return a + b"));
    assert_eq!(rows[0].target, texts(&["Adds two numbers."]));
    let (_, rows) = read("shellcode", Format::Shellcode, Split::Test);
    assert_eq!(rows[0].target, texts(&["xor eax, eax\nint 0x80"]));
    let (_, rows) = read("shellcode-table", Format::ShellcodeTable, Split::Test);
    assert_eq!((&rows[0].input, &rows[0].target), (&text("define cmd as \"ls\""), &texts(&["cmd: db \"ls\""])));
}
