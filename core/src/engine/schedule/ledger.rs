//! What each app has had of the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::share::CREDIT_ROWS;
use crate::engine::slot::Turn;

type App = Option<Arc<str>>;

/// What a row of a prompt and one that wants logits are counted as: the latter is read by the LM head too, and comes with few others
/// of its kind, so that it takes about twice as long.
const PROMPT_ROW: usize = 1;
const TOKEN_ROW: usize = 2;

/// What a turn counts as.
pub(super) fn cost(turn: &Turn) -> usize {
    if turn.rows == 1 { TOKEN_ROW } else { PROMPT_ROW * turn.rows }
}

/// Steps for which an app that was served counts as company.
const LATELY: u64 = 256;

/// Accounts of the apps that have something to do, or had lately.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<App, Account>,
    steps: u64,
}

#[derive(Debug)]
struct Account {
    /// What its turns counted as, from where the least served app was when this one came.
    served: u64,
    /// What it had less than its share of late, as far as that counts: in rows of prompts.
    credit: usize,
    /// The step that it was last served in.
    last: u64,
}

impl Ledger {
    /// An app comes that had nothing to do, while those of `active` have: it begins where the least served of them is, as it
    /// has saved up nothing. Where none has anything to do, all begin anew.
    pub(super) fn come(&mut self, app: &App, active: &BTreeSet<&App>) {
        let least = active.iter().map(|app| self.served(app)).min();
        let last = self.steps;
        self.accounts.retain(|app, account| active.contains(app) || account.last + LATELY > last);
        if least.is_none() {
            self.accounts.values_mut().for_each(|account| account.served = 0);
        }
        let least = least.unwrap_or(0);
        let account = self.accounts.entry(app.clone()).or_insert(Account { served: least, credit: CREDIT_ROWS, last });
        account.served = account.served.max(least);
    }

    /// What an app has had.
    pub(super) fn served(&self, app: &App) -> u64 {
        self.accounts.get(app).map_or(0, |account| account.served)
    }

    /// Rows of prompts that it may have at once beside others.
    pub(super) fn credit(&self, app: &App) -> usize {
        self.accounts.get(app).map_or(0, |account| account.credit)
    }

    /// Whether apps beside `app` were served lately.
    pub(super) fn has_company(&self, app: &App) -> bool {
        let lately = |account: &Account| account.last + LATELY > self.steps;
        self.accounts.iter().any(|(other, account)| other != app && lately(account))
    }

    /// A step gave each of these apps turns that count so much. What one had less than an equal share it may have later; one that was alone had
    /// all there is, and saved nothing.
    pub(super) fn charge(&mut self, turns: &BTreeMap<App, usize>) {
        self.steps += 1;
        let equal = if turns.len() > 1 { turns.values().sum::<usize>() / turns.len() } else { 0 };
        for (app, &had) in turns {
            let Some(account) = self.accounts.get_mut(app) else { continue };
            account.served += had as u64;
            account.credit = (account.credit + equal).saturating_sub(had).min(CREDIT_ROWS);
            account.last = self.steps;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> App {
        Some(Arc::from(name))
    }

    fn step(ledger: &mut Ledger, turns: &[(&str, usize)]) {
        ledger.charge(&turns.iter().map(|(name, count)| (app(name), *count)).collect());
    }

    #[test]
    fn credit_is_what_an_app_had_less_than_its_share() {
        let mut ledger = Ledger::default();
        ledger.come(&app("flood"), &BTreeSet::new());
        (0..10).for_each(|_| step(&mut ledger, &[("flood", 128)]));
        assert_eq!((ledger.served(&app("flood")), ledger.credit(&app("flood"))), (1280, 0));
        assert!(!ledger.has_company(&app("flood")));
        ledger.come(&app("chat"), &BTreeSet::from([&app("flood")]));
        assert_eq!((ledger.served(&app("chat")), ledger.credit(&app("chat"))), (1280, CREDIT_ROWS));
        step(&mut ledger, &[("flood", 4), ("chat", 60)]);
        assert_eq!((ledger.credit(&app("flood")), ledger.credit(&app("chat"))), (28, 36));
        (0..20).for_each(|_| step(&mut ledger, &[("flood", 5), ("chat", 1)]));
        assert_eq!((ledger.credit(&app("flood")), ledger.credit(&app("chat"))), (0, CREDIT_ROWS));
        assert!(ledger.has_company(&app("flood")) && ledger.has_company(&app("chat")));
        (0..LATELY).for_each(|_| step(&mut ledger, &[("flood", 1)]));
        assert!(!ledger.has_company(&app("flood")));
        // Coming and going brings nothing back.
        ledger.come(&app("flood"), &BTreeSet::from([&app("notes")]));
        assert_eq!(ledger.credit(&app("flood")), 0);
        assert!(ledger.served(&app("flood")) > 1000 && ledger.served(&app("chat")) == 0, "it has gone for long");
        // Nobody was there: nobody has had anything.
        ledger.come(&app("notes"), &BTreeSet::new());
        assert_eq!((ledger.served(&app("flood")), ledger.served(&app("notes"))), (0, 0));
    }
}
