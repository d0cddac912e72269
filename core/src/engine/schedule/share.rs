//! How many rows of a step each flow gets. A flow is what one app asks for with one priority.

use super::caller::Priority;

/// Rows of a step at most.
pub(super) const STEP_ROWS: usize = 128;

/// What a flow could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) priority: Priority,
    /// Requests that wait for their next token.
    pub(super) decoding: usize,
    /// Positions of prompts that are not computed.
    pub(super) prompts: usize,
}

/// What it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) decoding: usize,
    pub(super) prompts: usize,
}

impl Priority {
    /// Rows that a flow gets at most while another one waits for tokens: so few that they make that one's tokens at most about
    /// as late again, for a pass over 16 rows takes less than twice the time of a pass over one.
    fn rows_beside_others(self) -> usize {
        match self {
            Self::Interactive | Self::Normal => 16,
            Self::Background => 4,
        }
    }
}

/// Divides a step. Every flow that wants something gets at least a row, as long as there are rows; none gets more than it
/// wants; alone, or beside flows that compute prompts only, a flow gets all there is.
pub(super) fn share(demands: &[Demand]) -> Vec<Grant> {
    let decoding = demands.iter().filter(|demand| demand.decoding > 0).count();
    let wanted: Vec<usize> = demands
        .iter()
        .map(|demand| {
            let others_wait = decoding > usize::from(demand.decoding > 0);
            let most = if others_wait { demand.priority.rows_beside_others() } else { STEP_ROWS };
            (demand.decoding + demand.prompts).min(most)
        })
        .collect();
    let rows = divide(&wanted, STEP_ROWS);
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

    fn demand(priority: Priority, decoding: usize, prompts: usize) -> Demand {
        Demand { priority, decoding, prompts }
    }

    #[test]
    fn a_flow_alone_gets_everything_and_one_beside_others_little() {
        let long = demand(Priority::Normal, 1, 1000);
        assert_eq!(share(&[long]), [Grant { decoding: 1, prompts: 127 }]);
        let chat = demand(Priority::Interactive, 1, 0);
        assert_eq!(share(&[long, chat])[0], Grant { decoding: 1, prompts: 15 });
        assert_eq!(share(&[long, chat])[1], Grant { decoding: 1, prompts: 0 });
        let background = demand(Priority::Background, 3, 1000);
        assert_eq!(share(&[background, chat])[0], Grant { decoding: 3, prompts: 1 });
        // Nobody waits for a token: prompts share all rows.
        let prompt = demand(Priority::Normal, 0, 1000);
        assert_eq!(share(&[prompt, prompt]), [Grant { decoding: 0, prompts: 64 }; 2]);
    }

    fn priorities() -> impl Strategy<Value = Priority> {
        prop_oneof![Just(Priority::Interactive), Just(Priority::Normal), Just(Priority::Background)]
    }

    proptest! {
        #[test]
        fn every_flow_is_served_and_no_row_is_wasted(
            demands in prop::collection::vec((priorities(), 0usize..40, 0usize..3000), 1..STEP_ROWS),
        ) {
            let demands: Vec<Demand> = demands.into_iter().map(|(p, d, c)| demand(p, d, c)).collect();
            let grants = share(&demands);
            let rows = |grant: &Grant| grant.decoding + grant.prompts;
            let total: usize = grants.iter().map(rows).sum();
            prop_assert!(total <= STEP_ROWS);
            let decoding = demands.iter().filter(|demand| demand.decoding > 0).count();
            for (demand, grant) in demands.iter().zip(&grants) {
                prop_assert!(grant.decoding <= demand.decoding && grant.prompts <= demand.prompts);
                prop_assert!(rows(grant) > 0 || demand.decoding + demand.prompts == 0, "starved: {demand:?}");
                // Tokens come before prompts.
                prop_assert!(grant.prompts == 0 || grant.decoding == demand.decoding);
                if decoding > usize::from(demand.decoding > 0) {
                    prop_assert!(rows(grant) <= 16);
                } else if total < STEP_ROWS {
                    prop_assert_eq!(rows(grant), demand.decoding + demand.prompts, "rows were left");
                }
            }
            // Flows with equal demands get equal shares, to one row.
            for (a, ga) in demands.iter().zip(&grants) {
                for (b, gb) in demands.iter().zip(&grants) {
                    prop_assert!(a != b || rows(ga).abs_diff(rows(gb)) <= 1);
                }
            }
        }
    }
}
