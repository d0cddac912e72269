//! What an app may ask for: counted in whole numbers, with the time as an argument.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::caller::{Caller, Priority};
use crate::adapter::AdapterLimits;
use crate::dispatch::{Background, Strain};

/// What one app may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Requests that run at a time; further ones wait.
    pub running: usize,
    /// Requests that wait at a time; further ones are refused.
    pub waiting: usize,
    /// Tokens, of prompts and answers, that may be asked for in a minute; so many at once, too.
    pub tokens_per_minute: u64,
    /// Adapters that are installed.
    pub adapters: usize,
    /// Bytes of their matrices, those that are asleep included.
    pub adapter_bytes: u64,
    /// Contexts at rest that keep their memory; beyond these, the one that rests longest gives it back.
    pub contexts: usize,
    /// Bytes of keys and values and of adapters, in memory at a time.
    pub bytes: u64,
}

impl Default for Quotas {
    /// 8 that run, 32 that wait, 100 000 tokens, 64 adapters of 512 MiB together, 32 contexts, 1 GiB.
    fn default() -> Self {
        Self {
            running: 8,
            waiting: 32,
            tokens_per_minute: 100_000,
            adapters: 64,
            adapter_bytes: 512 << 20,
            contexts: 32,
            bytes: 1 << 30,
        }
    }
}

impl Quotas {
    pub(in crate::engine) fn adapter_limits(&self) -> AdapterLimits {
        let bytes = usize::try_from(self.adapter_bytes).unwrap_or(usize::MAX);
        AdapterLimits { count: self.adapters, bytes, ..AdapterLimits::default() }
    }
}

/// What keeps a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Quotas::waiting`].
    Waiting,
    /// [`Quotas::tokens_per_minute`].
    TokensPerMinute,
    /// [`super::Caller::patience`]: its turn did not come in time.
    Patience,
    /// None of the app's: new background work is refused while the device is to be spared.
    Conditions(Strain),
    /// None: whoever asked wanted no more before its turn came.
    Stopped,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting => f.write_str("requests that wait"),
            Self::TokensPerMinute => f.write_str("tokens per minute"),
            Self::Patience => f.write_str("time to wait"),
            Self::Conditions(reason) => write!(f, "background requests, none while {reason}"),
            Self::Stopped => f.write_str("wish of its caller"),
        }
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) limit: Limit,
    /// When it may be tried again, in ms from now.
    pub(super) retry_after_ms: u64,
    /// Requests of the app that wait.
    pub(super) waiting: usize,
}

/// How long a request usually waits where that is not known, in ms.
const USUAL_WAIT: u64 = 1000;
const MINUTE: u64 = 60_000;
/// When background work that the device's conditions keep out may ask again, in ms: phones cool and charge over minutes, and asking
/// costs next to nothing.
const SPARED: u64 = MINUTE;
/// Apps beyond which those that have nothing under way are looked for.
const MANY: usize = 1024;

/// What each app has asked for.
#[derive(Debug, Default)]
pub(super) struct Admission {
    quotas: BTreeMap<Arc<str>, Quotas>,
    usual: Quotas,
    /// Whether background requests are taken, of whoever holds the engine, too.
    pub(super) background: Background,
    usage: BTreeMap<Option<Arc<str>>, Usage>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    waiting: usize,
    running: usize,
    /// Tokens asked for and not yet forgiven, times the ms of a minute.
    level: u64,
    /// When the level was last looked at.
    at: u64,
}

/// A request that was taken: what is to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    app: Option<Arc<str>>,
    tokens: u64,
    running: bool,
}

impl Admission {
    /// Gives an app quotas of its own, from its next request on.
    pub(super) fn set(&mut self, app: &Arc<str>, quotas: Quotas) {
        self.quotas.insert(Arc::clone(app), quotas);
    }

    /// What an app may ask for.
    pub(super) fn quotas_of(&self, app: &Arc<str>) -> Quotas {
        self.quotas.get(app).copied().unwrap_or(self.usual)
    }

    fn quotas(&self, app: Option<&Arc<str>>) -> Option<Quotas> {
        // Whoever holds the engine itself is not bounded by it.
        app.map(|app| self.quotas_of(app))
    }

    /// Takes a request of `tokens` tokens at most, which waits from now on.
    pub(super) fn admit(&mut self, caller: &Caller, tokens: u64, now: u64) -> Result<Pass, Refusal> {
        let app = caller.app.as_ref();
        let quotas = self.quotas(app);
        self.forget_idle(now);
        let usage = self.usage.entry(app.cloned()).or_default();
        if let (Priority::Background, Background::Refused(reason)) = (caller.priority, self.background) {
            let limit = Limit::Conditions(reason);
            return Err(Refusal { limit, retry_after_ms: SPARED, waiting: usage.waiting });
        }
        let mut charged = 0;
        if let Some(quotas) = quotas {
            let rate = quotas.tokens_per_minute;
            usage.level = usage.level.saturating_sub(now.saturating_sub(usage.at).saturating_mul(rate));
            usage.at = now;
            let refused = |limit, retry_after_ms| Refusal { limit, retry_after_ms, waiting: usage.waiting };
            if usage.waiting >= quotas.waiting {
                return Err(refused(Limit::Waiting, USUAL_WAIT));
            }
            // One that asks for more than a minute's tokens takes the whole minute.
            charged = tokens.min(rate);
            let level = usage.level.saturating_add(charged.saturating_mul(MINUTE));
            let above = level.saturating_sub(rate.saturating_mul(MINUTE));
            if above > 0 {
                return Err(refused(Limit::TokensPerMinute, above.div_ceil(rate.max(1))));
            }
            usage.level = level;
        }
        usage.waiting += 1;
        Ok(Pass { app: app.cloned(), tokens: charged, running: false })
    }

    /// Forgets apps that have nothing under way and nothing to make up for, once there are many.
    fn forget_idle(&mut self, now: u64) {
        if self.usage.len() < MANY {
            return;
        }
        let (quotas, usual) = (&self.quotas, self.usual);
        self.usage.retain(|app, usage| {
            let rate = app.as_ref().and_then(|app| quotas.get(app)).unwrap_or(&usual).tokens_per_minute;
            let forgiven = now.saturating_sub(usage.at).saturating_mul(rate);
            usage.waiting + usage.running > 0 || usage.level > forgiven
        });
    }

    /// Requests of an app that wait, and that run.
    pub(super) fn at_work(&self, app: Option<&Arc<str>>) -> (usize, usize) {
        self.usage.get(&app.cloned()).map_or((0, 0), |usage| (usage.waiting, usage.running))
    }

    /// Whether one more request of the app may run.
    pub(super) fn may_start(&self, app: Option<&Arc<str>>) -> bool {
        let running = self.usage.get(&app.cloned()).map_or(0, |usage| usage.running);
        self.quotas(app).is_none_or(|quotas| running < quotas.running)
    }

    /// The request runs from now on.
    pub(super) fn start(&mut self, pass: &mut Pass) {
        let usage = self.usage.entry(pass.app.clone()).or_default();
        usage.waiting -= 1;
        usage.running += 1;
        pass.running = true;
    }

    /// The request is over, and had `used` tokens.
    pub(super) fn end(&mut self, pass: &Pass, used: u64) {
        let Some(usage) = self.usage.get_mut(&pass.app) else { return };
        if pass.running {
            usage.running -= 1;
        } else {
            usage.waiting -= 1;
        }
        usage.level = usage.level.saturating_sub(pass.tokens.saturating_sub(used).saturating_mul(MINUTE));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    fn of(app: &Arc<str>) -> Caller {
        Caller { app: Some(Arc::clone(app)), ..Caller::default() }
    }

    #[test]
    fn tokens_come_back_with_time_and_unused_ones_at_once() {
        let mut admission = Admission::default();
        let mail = app("mail");
        admission.set(&mail, Quotas { running: 1, waiting: 9, tokens_per_minute: 600, ..Quotas::default() });
        let first = admission.admit(&of(&mail), 500, 0).expect("within the minute's tokens");
        let refused = admission.admit(&of(&mail), 200, 0).expect_err("100 too many");
        assert_eq!(refused, Refusal { limit: Limit::TokensPerMinute, retry_after_ms: 10_000, waiting: 1 });
        assert!(admission.admit(&of(&mail), 200, 9_999).is_err());
        let second = admission.admit(&of(&mail), 200, 10_000).expect("after ten seconds");
        // It made 50 of its 200 tokens.
        admission.end(&second, 50);
        admission.admit(&of(&mail), 150, 10_000).expect("what was not used");
        assert!(admission.admit(&of(&mail), 1, 10_000).is_err());
        admission.end(&first, 500);
        // Another app has its own, and whoever holds the engine none.
        admission.admit(&of(&app("notes")), 5000, 10_000).expect("an app of its own");
        admission.admit(&Caller::default(), u64::MAX, 10_000).expect("the engine's owner");
        // More than a minute gives is a minute's.
        admission.admit(&of(&mail), u64::MAX, 200_000).expect("the whole minute");
        assert_eq!(admission.admit(&of(&mail), 600, 200_000).expect_err("all used").retry_after_ms, 60_000);
    }

    #[test]
    fn apps_that_have_gone_are_forgotten_and_owe_what_they_owe() {
        let mut admission = Admission::default();
        let debtor = app("debtor");
        admission.admit(&of(&debtor), 100_000, 0).map(|pass| admission.end(&pass, 100_000)).expect("all at once");
        for number in 0..3 * MANY {
            let pass = admission.admit(&of(&app(&format!("app{number}"))), 0, 1).expect("admitted");
            admission.end(&pass, 0);
        }
        assert!(admission.usage.len() <= MANY, "{}", admission.usage.len());
        assert!(admission.admit(&of(&debtor), 100_000, 2).is_err(), "it has had its minute");
    }

    #[test]
    fn background_work_is_kept_out_while_the_device_is_spared() {
        let mut admission = Admission::default();
        let background = |app: Option<Arc<str>>| Caller { app, priority: Priority::Background, ..Caller::default() };
        let taken = admission.admit(&background(None), 0, 0).expect("nothing was said");
        let reason = Strain::Saver;
        admission.background = Background::Refused(reason);
        for caller in [background(None), background(Some(app("mail")))] {
            let refusal = admission.admit(&caller, 0, 0).expect_err("spared");
            assert_eq!((refusal.limit, refusal.retry_after_ms), (Limit::Conditions(reason), 60_000));
            for priority in [Priority::Interactive, Priority::Normal] {
                admission.admit(&Caller { priority, ..caller.clone() }, 0, 0).expect("somebody waits for it");
            }
        }
        admission.end(&taken, 0);
        admission.background = Background::Admitted;
        admission.admit(&background(None), 0, 0).expect("all is well again");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Admit { app: usize, tokens: u64 },
        Start(usize),
        End { which: usize, used: u64 },
        Wait(u64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0usize..3, 0u64..400).prop_map(|(app, tokens)| Act::Admit { app, tokens }),
            (0usize..40).prop_map(Act::Start),
            (0usize..40, 0u64..400).prop_map(|(which, used)| Act::End { which, used }),
            (0u64..20_000).prop_map(Act::Wait),
        ];
        prop::collection::vec(act, 1..200)
    }

    proptest! {
        /// Whatever happens: no quota is exceeded, what is refused is taken after the time that it was told, and nothing is
        /// left when all is over.
        #[test]
        fn quotas_hold_in_any_order_of_events(acts in acts()) {
            let quotas = Quotas { running: 2, waiting: 5, tokens_per_minute: 1000, ..Quotas::default() };
            let apps = [app("a"), app("b"), app("c")];
            let mut admission = Admission::default();
            apps.iter().for_each(|app| admission.set(app, quotas));
            let (mut now, mut passes, mut asked) = (0u64, Vec::<Pass>::new(), Vec::<(usize, u64, u64)>::new());
            for act in acts {
                match act {
                    Act::Admit { app, tokens } => match admission.admit(&of(&apps[app]), tokens, now) {
                        Ok(pass) => {
                            asked.push((app, now, pass.tokens));
                            passes.push(pass);
                        }
                        Err(refusal) if refusal.limit == Limit::TokensPerMinute => {
                            prop_assert!(refusal.retry_after_ms > 0 && refusal.retry_after_ms <= MINUTE);
                            now += refusal.retry_after_ms;
                            let pass = admission.admit(&of(&apps[app]), tokens, now);
                            prop_assert!(pass.is_ok(), "after the time that it was told: {pass:?}");
                            passes.extend(pass.ok());
                        }
                        Err(refusal) => prop_assert_eq!((refusal.limit, refusal.waiting), (Limit::Waiting, 5)),
                    },
                    Act::Start(which) => {
                        if let Some(pass) = passes.get_mut(which).filter(|pass| !pass.running)
                            && admission.may_start(pass.app.as_ref())
                        {
                            admission.start(pass);
                        }
                    }
                    Act::End { which, used } => {
                        if which < passes.len() {
                            let pass = passes.swap_remove(which);
                            admission.end(&pass, used);
                        }
                    }
                    Act::Wait(ms) => now += ms,
                }
                for (i, app) in apps.iter().enumerate() {
                    let count = |running| passes.iter().filter(|p| p.app.as_ref() == Some(app) && p.running == running).count();
                    prop_assert!(count(true) <= 2 && count(false) <= 5, "app {i}");
                }
            }
            for pass in passes.drain(..) {
                admission.end(&pass, u64::MAX);
            }
            prop_assert!(admission.usage.values().all(|usage| usage.running == 0 && usage.waiting == 0));
        }
    }
}
