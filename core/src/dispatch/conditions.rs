//! How hot the device is and how it is powered, and what that changes.

use serde::{Deserialize, Serialize};

use super::options::Preference;
use crate::pool::Allowance;

/// Charge below which a device that is not charging is spared, in percent: where Android itself warns
/// (`config_lowBatteryWarningLevel` of its framework, the level of `Intent.ACTION_BATTERY_LOW`).
pub const LOW_CHARGE: u8 = 15;

/// How hot the device is, in the words of Apple's `ProcessInfo.ThermalState`.
///
/// Of Android's `PowerManager.THERMAL_STATUS_*`, `NONE` is nominal, `LIGHT` ("UX is not impacted") fair, `MODERATE` and
/// `SEVERE` serious, and `CRITICAL` and beyond critical. `MODERATE` is serious because Android's own `JobScheduler` holds jobs
/// of apps back from there on (`ThermalStatusRestriction`), and because Apple's serious is where the system "takes moderate
/// steps [...] which reduces performance".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thermal {
    /// Within normal limits.
    #[default]
    Nominal,
    /// Slightly elevated: nobody notices yet.
    Fair,
    /// High: the system slows down.
    Serious,
    /// So high that the system works to cool down alone.
    Critical,
}

impl std::fmt::Display for Thermal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nominal => "nominal",
            Self::Fair => "fair",
            Self::Serious => "serious",
            Self::Critical => "critical",
        })
    }
}

/// What the device draws its power from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Supply {
    /// A cable or a pad, whether its battery is full or not.
    #[default]
    Mains,
    /// Its battery.
    Battery,
}

/// Whether its user asks the device to save power: Android's battery saver, Apple's low power mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Saver {
    /// Not now.
    #[default]
    Off,
    /// Yes.
    On,
}

/// How the device is powered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Battery {
    /// Its charge in percent; `None` where there is no battery or the system does not tell.
    pub percent: Option<u8>,
    /// What it draws its power from.
    pub supply: Supply,
    /// Whether it is to save power.
    pub saver: Saver,
}

impl Battery {
    /// Why it is to be spared, if it is. The saver counts on mains as well: the user has asked for it.
    fn reason(&self) -> Option<Strain> {
        if self.saver == Saver::On {
            return Some(Strain::Saver);
        }
        let low = self.percent.filter(|percent| *percent < LOW_CHARGE && self.supply == Supply::Battery);
        low.map(Strain::Charge)
    }
}

/// The state of the device, as the system tells it. Cool and on mains until something else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conditions {
    /// How hot it is.
    pub thermal: Thermal,
    /// How it is powered.
    pub battery: Battery,
}

/// Why the device is spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strain {
    /// It is hot.
    Thermal(Thermal),
    /// It is to save power.
    Saver,
    /// Its charge in percent is low, and nothing charges it.
    Charge(u8),
}

impl std::fmt::Display for Strain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thermal(thermal) => write!(f, "the device's thermal state is {thermal}"),
            Self::Saver => f.write_str("the device saves power"),
            Self::Charge(percent) => write!(f, "the device's charge is {percent} %"),
        }
    }
}

/// Whether new requests of [`crate::engine::Priority::Background`] are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Background {
    /// They are.
    #[default]
    Admitted,
    /// They are not, for this reason.
    Refused(Strain),
}

/// What conditions change.
///
/// | | threads | background | delegates |
/// |---|---|---|---|
/// | nominal, fair | all | admitted | as measured |
/// | serious, saver, low charge | half | refused | preferred |
/// | critical | one | refused | preferred |
///
/// Fair changes nothing: a phone that charges, or lies in the sun, may stay there for hours, and work that nobody waits for
/// has to be done at some time. Half of the threads take well over half of the speed of all, for cores wait for memory
/// together; at critical what a user waits for goes on at the least that there is. Results are the same in all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How many of the pool's threads may work.
    pub threads: Allowance,
    /// Whether new work that nobody waits for is taken.
    pub background: Background,
    /// What is made of delegates.
    pub delegates: Preference,
}

impl Policy {
    fn sparing(threads: Allowance, reason: Strain) -> Self {
        Self { threads, background: Background::Refused(reason), delegates: Preference::Delegate }
    }
}

impl Conditions {
    /// What these conditions change: a function of nothing else. Heat is named first where there are several reasons.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let hot = Strain::Thermal(self.thermal);
        match self.thermal {
            Thermal::Critical => Policy::sparing(Allowance::One, hot),
            Thermal::Serious => Policy::sparing(Allowance::Half, hot),
            Thermal::Fair | Thermal::Nominal => {
                let low = self.battery.reason();
                low.map_or_else(Policy::default, |reason| Policy::sparing(Allowance::Half, reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(thermal: Thermal) -> Conditions {
        Conditions { thermal, ..Conditions::default() }
    }

    fn powered(percent: Option<u8>, supply: Supply, saver: Saver) -> Policy {
        Conditions { battery: Battery { percent, supply, saver }, ..Conditions::default() }.policy()
    }

    #[test]
    fn a_cool_device_on_mains_does_everything() {
        assert_eq!(Conditions::default().policy(), Policy::default());
        assert_eq!(hot(Thermal::Fair).policy(), Policy::default());
    }

    #[test]
    fn heat_takes_threads_and_background_work() {
        for (thermal, threads) in [(Thermal::Serious, Allowance::Half), (Thermal::Critical, Allowance::One)] {
            let Policy { threads: may, background, delegates } = hot(thermal).policy();
            assert_eq!((may, delegates), (threads, Preference::Delegate));
            assert_eq!(background, Background::Refused(Strain::Thermal(thermal)));
        }
    }

    #[test]
    fn a_low_charge_counts_while_nothing_charges() {
        let spared = |reason| Policy::sparing(Allowance::Half, reason);
        assert_eq!(powered(Some(14), Supply::Battery, Saver::Off), spared(Strain::Charge(14)));
        assert_eq!(powered(Some(0), Supply::Battery, Saver::Off), spared(Strain::Charge(0)));
        for (percent, supply) in [(Some(15), Supply::Battery), (Some(14), Supply::Mains), (None, Supply::Battery)] {
            assert_eq!(powered(percent, supply, Saver::Off), Policy::default(), "{percent:?} {supply:?}");
        }
        for supply in [Supply::Battery, Supply::Mains] {
            assert_eq!(powered(Some(90), supply, Saver::On), spared(Strain::Saver));
        }
    }

    #[test]
    fn the_strictest_of_two_reasons_holds() {
        let saving = Battery { percent: Some(3), supply: Supply::Battery, saver: Saver::On };
        for thermal in [Thermal::Serious, Thermal::Critical] {
            assert_eq!(Conditions { thermal, battery: saving }.policy(), hot(thermal).policy());
        }
        let warm = Conditions { thermal: Thermal::Fair, battery: saving };
        assert_eq!(warm.policy(), Policy::sparing(Allowance::Half, Strain::Saver));
    }
}
