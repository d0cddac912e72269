//! On the simulator.
