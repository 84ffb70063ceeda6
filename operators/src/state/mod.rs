//! Keyed state: everything remembered per key.
//!
//! Key-major: one look-up by the routing hash finds a key's block, and this a piece of memory with the states
//! of all rules that the key has met, part by part in words. Changes are written as texts that people can
//! read ([`text`], [`entry`]), gathered in a [`Delta`] per checkpoint.
//!
//! - `store`: all keys of a worker that are in memory; `key_block`: one key; `open_key`: one that is changed
//! - `rule_state`, `rule_level`: state of one rule for one key; `walk`: conditions of many rules
//! - `table`: keys by hash
//! - `layout`: the numbers that parts of states have in pieces
//! - `piece`: what a key remembers; `aside`: parts made and not yet put in
//! - `memory`, `arena`: memory of all pieces and what they name; `segments`: rows that are not moved as they
//!   grow
//! - `origin`: partition of a key's records
//! - `evicted`: stubs and timers of keys out of memory
//! - `delta`: changes between two checkpoints
//! - [`text`], [`entry`]: stored forms of a condition's state and of rule-level state

mod arena;
mod aside;
pub mod delta;
pub mod entry;
pub mod evicted;
pub mod key_block;
pub mod layout;
mod memory;
pub mod open_key;
pub mod origin;
mod piece;
mod rule_level;
pub mod rule_state;
mod segments;
pub mod store;
mod table;
pub mod text;
pub mod walk;

pub use delta::Delta;
pub use evicted::Evicted;
pub use key_block::KeyBlock;
pub use layout::RuleParts;
pub use open_key::{OpenKey, UnsavedPart};
pub use origin::Origin;
pub use rule_level::{Armed, MESSAGES};
pub use rule_state::RuleState;
pub use store::{KeyId, Store};
pub use walk::Walk;
