//! How many rows of a step each flow gets. A flow is what one app asks for with one priority; apps share, whatever priorities
//! they give their requests, and each divides its rows among its flows.

use super::caller::Priority;

/// Rows of a step at most.
pub(super) const STEP_ROWS: usize = 128;
/// Rows of a flow that nobody waits beside, while other apps come and go: whoever comes next waits for no longer pass.
pub(super) const COMPANY_ROWS: usize = 32;
/// Rows that an app may have at once beside others, when it had less than its share before: enough for a short prompt.
pub(super) const CREDIT_ROWS: usize = 64;

/// What a flow could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// Number of its app.
    pub(super) app: usize,
    pub(super) priority: Priority,
    /// Requests that wait for their next token.
    pub(super) decoding: usize,
    /// Positions of prompts that are not computed.
    pub(super) prompts: usize,
    /// Rows that its app had less than its share of the steps before, at most [`CREDIT_ROWS`].
    pub(super) credit: usize,
}

/// What it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) decoding: usize,
    pub(super) prompts: usize,
}

/// How many rows a flow may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// While none but itself waits for tokens.
    pub(super) alone: usize,
    /// Beside others that wait for tokens: so many that they make those tokens at most about as late again.
    pub(super) beside: usize,
}

impl Demand {
    fn rows(&self) -> usize {
        self.decoding + self.prompts
    }

    /// Whether somebody waits for its next token: the first one too, of a prompt that is short for what its app had before.
    fn waits(&self) -> bool {
        self.decoding > 0 || (self.prompts > 0 && self.credit > 0 && self.priority != Priority::Background)
    }

    /// Rows that it may have while another flow waits for tokens. A background flow has no credit.
    fn rows_beside_others(&self, bounds: Bounds) -> usize {
        match self.priority {
            Priority::Interactive | Priority::Normal => bounds.beside.max(self.credit),
            Priority::Background => (bounds.beside / 4).max(1),
        }
    }
}

/// Divides a step. Every flow that wants something gets at least a row, as long as there are rows; none gets more than it
/// wants; beside flows that compute prompts only, an app gets all that its bound allows.
pub(super) fn share(demands: &[Demand], bounds: Bounds) -> Vec<Grant> {
    let apps = demands.iter().map(|demand| demand.app + 1).max().unwrap_or(0);
    let waits = |demand: &&Demand| demand.waits();
    let waiting = demands.iter().filter(waits).count();
    let (mut wanted, mut least, mut own_waiting) = (vec![0; apps], vec![0; apps], vec![0; apps]);
    demands.iter().filter(waits).for_each(|demand| own_waiting[demand.app] += 1);
    let most: Vec<usize> = demands
        .iter()
        .map(|demand| {
            let others_wait = waiting > usize::from(demand.waits());
            let most = if others_wait { demand.rows_beside_others(bounds) } else { bounds.alone.max(demand.credit) };
            demand.rows().min(most)
        })
        .collect();
    for (demand, most) in demands.iter().zip(&most) {
        let other_apps_wait = waiting > own_waiting[demand.app];
        let bound = if other_apps_wait { bounds.beside.max(demand.credit) } else { STEP_ROWS };
        least[demand.app] += usize::from(*most > 0);
        wanted[demand.app] = (wanted[demand.app] + most).min(bound).max(least[demand.app]);
    }
    let mut left = divide(&wanted, STEP_ROWS);
    let mut rows = vec![0; demands.len()];
    // A row for each, then the more urgent flows first.
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|&flow| demands[flow].priority);
    for most_at_once in [1, usize::MAX] {
        for &flow in &order {
            let left = &mut left[demands[flow].app];
            let more = (most[flow] - rows[flow]).min(most_at_once).min(*left);
            rows[flow] += more;
            *left -= more;
        }
    }
    let grant = |(demand, rows): (&Demand, usize)| {
        // Tokens first: they are what somebody waits for.
        let decoding = demand.decoding.min(rows);
        Grant { decoding, prompts: rows - decoding }
    };
    demands.iter().zip(rows).map(grant).collect()
}

/// Divides `total` so that nobody gets more than wanted, and those that get less than wanted get the same, to one.
fn divide(wanted: &[usize], total: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| wanted[i]);
    let (mut rest, mut out) = (total, vec![0; wanted.len()]);
    for (done, &i) in order.iter().enumerate() {
        // The last ones get what rounding left.
        let fair = rest.div_ceil(wanted.len() - done);
        out[i] = wanted[i].min(fair).min(rest);
        rest -= out[i];
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { alone: STEP_ROWS, beside: 16 };

    fn demand(app: usize, priority: Priority, decoding: usize, prompts: usize, credit: usize) -> Demand {
        Demand { app, priority, decoding, prompts, credit }
    }

    #[test]
    fn a_flow_alone_gets_everything_and_one_beside_others_little() {
        let long = demand(0, Priority::Normal, 1, 1000, 0);
        assert_eq!(share(&[long], BOUNDS), [Grant { decoding: 1, prompts: 127 }]);
        assert_eq!(share(&[long], Bounds { alone: 32, ..BOUNDS }), [Grant { decoding: 1, prompts: 31 }]);
        let chat = demand(1, Priority::Interactive, 1, 0, 64);
        assert_eq!(share(&[long, chat], BOUNDS)[0], Grant { decoding: 1, prompts: 15 });
        assert_eq!(share(&[long, chat], BOUNDS)[1], Grant { decoding: 1, prompts: 0 });
        let background = demand(0, Priority::Background, 3, 1000, 64);
        assert_eq!(share(&[background, chat], BOUNDS)[0], Grant { decoding: 3, prompts: 1 });
        // What it did not have before it may have at once, and others have little meanwhile.
        let comes = demand(0, Priority::Normal, 0, 1000, 40);
        assert_eq!(share(&[comes, chat], BOUNDS)[0], Grant { decoding: 0, prompts: 40 });
        let flood = demand(1, Priority::Normal, 8, 1000, 0);
        assert_eq!(
            share(&[comes, flood], BOUNDS),
            [(0, 40), (8, 8)].map(|(decoding, prompts)| Grant { decoding, prompts })
        );
        // Nobody waits for a token: prompts share all rows.
        let prompt = |app| demand(app, Priority::Normal, 0, 1000, 0);
        assert_eq!(share(&[prompt(0), prompt(1)], BOUNDS), [Grant { decoding: 0, prompts: 64 }; 2]);
    }

    #[test]
    fn priorities_win_an_app_nothing_over_others() {
        let flood = [Priority::Interactive, Priority::Normal, Priority::Background];
        let flood = flood.map(|priority| demand(0, priority, 8, 1000, 0));
        let chat = demand(1, Priority::Normal, 1, 0, 64);
        let grants = share(&[flood[0], flood[1], flood[2], chat], BOUNDS);
        let rows = |grant: &Grant| grant.decoding + grant.prompts;
        assert_eq!(grants[..3].iter().map(rows).sum::<usize>(), 16, "as much as one flow gets");
        assert!(rows(&grants[0]) > rows(&grants[1]) && grants.iter().all(|grant| rows(grant) > 0), "{grants:?}");
        assert_eq!(rows(&grants[3]), 1);
    }

    fn priorities() -> impl Strategy<Value = Priority> {
        prop_oneof![Just(Priority::Interactive), Just(Priority::Normal), Just(Priority::Background)]
    }

    proptest! {
        #[test]
        fn every_flow_is_served_and_no_app_has_more_than_its_share(
            demands in prop::collection::vec((0usize..8, priorities(), 0usize..40, 0usize..3000), 1..32),
            credits in prop::collection::vec(0..=CREDIT_ROWS, 8),
            alone in 1..=STEP_ROWS,
            beside in 1usize..=16,
        ) {
            // One flow per app and priority.
            let mut seen = std::collections::BTreeSet::new();
            let demands: Vec<Demand> = demands
                .into_iter()
                .filter(|(app, priority, ..)| seen.insert((*app, *priority)))
                .map(|(app, p, d, c)| demand(app, p, d, c, credits[app]))
                .collect();
            let grants = share(&demands, Bounds { alone, beside });
            let rows = |grant: &Grant| grant.decoding + grant.prompts;
            prop_assert!(grants.iter().map(rows).sum::<usize>() <= STEP_ROWS);
            let of_app = |app: usize| demands.iter().zip(&grants).filter(move |(demand, _)| demand.app == app);
            let waits = |app: usize| demands.iter().any(|demand| demand.app != app && demand.waits());
            for (demand, grant) in demands.iter().zip(&grants) {
                prop_assert!(grant.decoding <= demand.decoding && grant.prompts <= demand.prompts);
                prop_assert!(rows(grant) > 0 || demand.rows() == 0, "starved: {demand:?}");
                // Tokens come before prompts.
                prop_assert!(grant.prompts == 0 || grant.decoding == demand.decoding);
            }
            for (app, &credit) in credits.iter().enumerate() {
                let had: usize = of_app(app).map(|(_, grant)| rows(grant)).sum();
                if waits(app) {
                    prop_assert!(had <= beside.max(credit).max(of_app(app).count()), "{app}: {had}");
                }
                // Apps with one and the same demand get the same, to one row.
                for other in 0..8 {
                    let list = |app: usize| {
                        let mut list: Vec<_> =
                            of_app(app).map(|(d, _)| (d.priority, d.decoding, d.prompts, d.credit)).collect();
                        list.sort_unstable();
                        list
                    };
                    if list(app) == list(other) {
                        let others: usize = of_app(other).map(|(_, grant)| rows(grant)).sum();
                        prop_assert!(had.abs_diff(others) <= 1);
                    }
                }
            }
        }
    }
}
