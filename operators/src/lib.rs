//! The computation of strateye: rules, their filters and calculators, keyed state, and the timely operators.
//!
//! Data flow: a rule's [`document`] is compiled to a plan ([`rule`]) of filters ([`filter`]), calculators
//! ([`calculator`]) and expressions ([`expression`]); the operators ([`ops`]) match events ([`model`])
//! against the filters of all rules, fold them into keyed state ([`state`]) and emit triggers.
//!
//! **Invariant**: nothing in this crate does I/O, reads a clock or the environment, or uses an async runtime.
//! Data comes in as records and leaves as records; the composition root (`dataflow`) connects both ends.
//!
//! `SEMANTICS.md` beside this crate defines the meaning of rules in all corner cases.
//!
//! Parsing and checking a rule:
//!
//! ```
//! use std::sync::Arc;
//!
//! use strateye_operators::{document::spec::Rule, model::field::Fields, rule::compile::compile};
//!
//! let document = r#"{
//!     "rule_id": "three-orders",
//!     "name": "three orders in a day",
//!     "key_by": "guid",
//!     "conditions": [
//!         {"id": "orders", "calculator": "count", "event": {"id": "order"}, "window": {"last": "1d"},
//!          "met": "value >= 3"}
//!     ],
//!     "when": "orders",
//!     "trigger": {"event": {"id": "order"}},
//!     "action": {"channel": "coupon"}
//! }"#;
//! let mut fields = Fields::default();
//! compile(Arc::new(Rule::parse(document)?), 0, &mut fields, &())?;
//!
//! let broken = document.replace("value >= 3", "value > ");
//! let faults = compile(Arc::new(Rule::parse(&broken)?), 0, &mut fields, &()).err();
//! assert!(faults.is_some_and(|faults| faults.to_string().contains("conditions[0].met")));
//! # Ok::<(), strateye_operators::document::fault::Faults>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods))]

pub mod calculator;
pub mod document;
pub mod expression;
pub mod filter;
pub mod model;
pub mod ops;
mod processor;
pub mod rule;
pub mod state;
