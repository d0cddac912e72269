//! Memory that is short, step by step.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use proptest::prelude::*;

use crate::budget::{Budget, MemoryLimits};
use crate::engine::holdings::Holdings;
use crate::engine::language::LanguageModel;
use crate::engine::request::{GenerateOptions, Request};
use crate::engine::schedule::caller::{Caller, Priority};
use crate::engine::schedule::outlet::{Control, Message, Outlet};
use crate::engine::schedule::worker::{Desk, Job};
use crate::engine::schedule::{Quotas, Scheduler};
use crate::engine::trace::{Loading, Part};

/// Steps that any of these requests is through with, many times over.
const STEPS: usize = 5000;

fn model() -> Arc<LanguageModel> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/llama2/model.gguf"));
    Arc::new(LanguageModel::open(Part::new("backbone", 0, Loading::First), path).expect("model"))
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
struct Wish {
    app: &'static str,
    priority: Priority,
    prompt: u32,
    tokens: usize,
}

impl Wish {
    fn new(prompt: u32, tokens: usize) -> Self {
        Self { app: "mail", priority: Priority::Normal, prompt, tokens }
    }

    fn caller(self) -> Caller {
        Caller { app: Some(Arc::from(self.app)), priority: self.priority, ..Caller::default() }
    }

    /// The request, and where its end is told.
    fn job(self, scheduler: &Scheduler, model: &Arc<LanguageModel>) -> (Job, Receiver<Message>) {
        let Self { prompt, tokens, .. } = self;
        let caller = self.caller();
        let options = GenerateOptions { max_tokens: tokens, caller: caller.clone(), ..GenerateOptions::default() };
        let request = Request::new((0..prompt).map(|i| 3 + (i * 7 + prompt) % 90).collect::<Vec<_>>(), None, options);
        let admitted = scheduler.admit(&caller, 1).expect("within quotas");
        let (events, inbox) = channel();
        // Nobody takes a text while the steps run, so that it says at the beginning that it has taken all.
        let control = Arc::new(Control::default());
        (0..tokens).for_each(|_| control.took());
        let outlet = Outlet::new(events, control);
        (Job { model: Arc::clone(model), request, caller, admitted, outlet, arrived: Instant::now() }, inbox)
    }
}

/// A scheduler where there is room for `blocks` blocks of `model`'s keys and values.
fn scheduler(model: &LanguageModel, blocks: usize) -> Scheduler {
    let budget = (blocks * model.backbone().new_cache().shape().block()) as u64;
    // Of an app, as activations count beside what an engine holds.
    let holdings = Arc::new(Holdings::new(Budget::new(&MemoryLimits::default()), 0, None));
    for app in ["mail", "notes"] {
        holdings.bound(&Arc::from(app), &Quotas { bytes: budget, ..Quotas::default() });
    }
    Scheduler::new(holdings)
}

/// How many tokens each got, once nothing is left to do; `None` where that does not come about.
fn run(model: &Arc<LanguageModel>, blocks: usize, wishes: &[Wish]) -> Option<Vec<Option<usize>>> {
    let scheduler = scheduler(model, blocks);
    let (jobs, inboxes): (Vec<_>, Vec<_>) = wishes.iter().map(|wish| wish.job(&scheduler, model)).unzip();
    let mut desk = Desk::default();
    desk.welcome(jobs);
    let steps = (0..STEPS).take_while(|_| {
        desk.start(&scheduler.shared);
        desk.step(&scheduler.shared);
        !desk.is_idle()
    });
    (steps.count() < STEPS).then(|| inboxes.iter().map(generated).collect())
}

/// How many tokens were generated; `None` before the end.
fn generated(inbox: &Receiver<Message>) -> Option<usize> {
    inbox.try_iter().find_map(|message| match message {
        Message::Ended(result) => Some(result.expect("generated").generated.len()),
        Message::Text { .. } => None,
    })
}

/// A short request, whose end moves the youngest one to the front; an old one in the middle of its prompt; and a young one whose
/// prompt fills whole steps, for which there is no memory.
#[test]
fn a_long_prompt_that_waits_for_memory_leaves_the_rows_to_whoever_has_it() {
    let wishes = [(2, 1), (200, 3), (210, 4)].map(|(prompt, tokens)| Wish::new(prompt, tokens));
    assert_eq!(run(&model(), 14, &wishes), Some(vec![Some(1), Some(3), Some(4)]));
}

fn wish() -> impl Strategy<Value = Wish> {
    let priorities = prop::sample::select(vec![Priority::Interactive, Priority::Normal, Priority::Background]);
    let apps = prop::sample::select(vec!["mail", "notes"]);
    (apps, priorities, 1u32..200, 1usize..40).prop_map(|(app, priority, prompt, tokens)| Wish {
        app,
        priority,
        prompt,
        tokens,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn requests_that_fit_alone_all_end(blocks in 15usize..24, wishes in prop::collection::vec(wish(), 1..16)) {
        let got = run(&model(), blocks, &wishes);
        prop_assert!(got.is_some(), "they wait for each other");
        for (wish, got) in wishes.iter().zip(got.into_iter().flatten()) {
            // An end of the turn may come before.
            prop_assert!(got.is_some_and(|got| (1..=wish.tokens).contains(&got)), "{wish:?}: {got:?}");
        }
    }
}
