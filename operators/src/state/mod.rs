//! Keyed state: everything remembered per key.
//!
//! Key-major: one look-up by the routing hash finds a key's block; it contains the states of the rules that
//! the key has met, each one array of cells for all conditions. Changes are written as texts that people can
//! read ([`text`], [`entry`]), gathered in a [`Delta`] per checkpoint.
//!
//! - `store`: all keys of a worker that are in memory; `key_block`: one key; `weight`: their memory
//! - `rule_state`, `rule_level`: state of one rule for one key
//! - `origin`: partition of a key's records
//! - `evicted`: stubs and timers of keys out of memory
//! - `delta`: changes between two checkpoints
//! - [`text`], [`entry`]: stored forms of a condition's state and of rule-level state

pub mod delta;
pub mod entry;
pub mod evicted;
pub mod key_block;
pub mod origin;
mod rule_level;
pub mod rule_state;
pub mod store;
pub mod text;
mod weight;

pub use delta::Delta;
pub use evicted::Evicted;
pub use key_block::KeyBlock;
pub use origin::Origin;
pub use rule_level::Armed;
pub use rule_state::RuleState;
pub use store::{KeyId, Store};
