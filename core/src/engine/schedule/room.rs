//! Memory for the rows of a step, and who gives some up for it.

use super::Shared;
use super::group::Group;
use super::worker::Desk;
use crate::budget::Scope;
use crate::engine::holdings::insist;
use crate::engine::slot::Turn;
use crate::error::Error;
use crate::model::backbone::KEYS_AND_VALUES;

/// A slot among all groups.
type Place = (usize, usize);

/// Requests that hold memory which another one needs.
enum InTheWay {
    /// This one may give it up.
    Younger(Place),
    /// Some that will end.
    Older,
    Nobody,
}

impl Desk {
    /// Takes memory for the turns of a group, for those first whose requests started first. One that gets none waits, or fails
    /// where it would wait for itself alone. The oldest request always goes on: it takes what younger ones have, which compute it
    /// again later.
    pub(super) fn make_room(
        &mut self,
        group: usize,
        turns: Vec<Turn>,
        shared: &Shared,
    ) -> (Vec<Turn>, Vec<(usize, Error)>) {
        let mut order = turns;
        order.sort_by_key(|turn| self.groups[group].tags[turn.slot].started);
        let (mut granted, mut failed) = (Vec::with_capacity(order.len()), Vec::new());
        for turn in order {
            let own = (group, turn.slot);
            loop {
                let tag = &self.groups[group].tags[turn.slot];
                // It was in the way of an older one.
                if tag.parked {
                    break;
                }
                let app = tag.app.clone();
                let slot = &mut self.groups[group].slots[turn.slot];
                let Err(shortage) = insist(&shared.holdings, &app, || slot.reserve(turn.rows)) else {
                    granted.push(turn);
                    break;
                };
                match self.in_the_way(own, shortage.scope) {
                    InTheWay::Younger((group, slot)) => {
                        self.groups[group].slots[slot].forget();
                        let tag = &mut self.groups[group].tags[slot];
                        tag.parked = true;
                        shared.counters().of(&tag.app).preempted += 1;
                    }
                    InTheWay::Older => {
                        // Its rows go to others: were they its own in the next step again, the older one might get none.
                        self.groups[group].tags[turn.slot].parked = true;
                        break;
                    }
                    InTheWay::Nobody => {
                        failed.push((turn.slot, shortage.error(KEYS_AND_VALUES)));
                        break;
                    }
                }
            }
        }
        granted.retain(|turn| !self.groups[group].tags[turn.slot].parked);
        granted.sort_by_key(|turn| turn.slot);
        (granted, failed)
    }

    /// Who has memory that the request at `own` could use.
    fn in_the_way(&self, own: Place, scope: Scope) -> InTheWay {
        let tag = |(group, slot): Place| &self.groups[group].tags[slot];
        let slots = |(at, group): (usize, &Group)| (0..group.slots.len()).map(move |slot| (at, slot));
        let others = self.groups.iter().enumerate().flat_map(slots).filter(|&place| {
            let of_app = scope != Scope::App || tag(place).app == tag(own).app;
            place != own && of_app && self.groups[place.0].slots[place.1].bytes() > 0
        });
        let mut any = false;
        let mut younger: Option<(bool, u64, Place)> = None;
        for place in others {
            any = true;
            // Nobody waits for one whose receiver does not listen.
            let waits = tag(place).is_stalled();
            if waits || tag(place).started > tag(own).started {
                younger = younger.max(Some((waits, tag(place).started, place)));
            }
        }
        match younger {
            Some((_, _, place)) => InTheWay::Younger(place),
            None if any => InTheWay::Older,
            None => InTheWay::Nobody,
        }
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
