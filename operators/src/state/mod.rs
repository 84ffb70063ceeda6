//! Keyed state: what is remembered per key.
//!
//! Key-major: one look-up by the routing hash finds a key's block; inside lie the states of the rules that the key
//! has met, each one array of cells for all its conditions.

pub mod rule_state;
pub mod store;

pub use rule_state::{Armed, Extra, RuleState};
pub use store::{KeyBlock, KeyId, Store};
