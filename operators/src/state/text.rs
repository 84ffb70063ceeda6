//! Text form of a condition's state, as people read and write it.
//!
//! A state of one field is that field's value (`3`), one of several fields an object. Aggregates: `stats`
//! `{"sum":4.0,"count":2,"min":1.0,"max":3.0}`, `top` `[9.0,8.0]`, `distinct` `{"exact":[..]}` (hashes) or
//! `{"sketch":".."}` (registers in hexadecimal), `latest` `{"at":..,"value":..}`. A sliding window is
//! `{"folds":[[time, value], ..]}`, of a count `{"folds":[time, ..]}`, of `distinct` with hashes; with buckets of older
//! folds `{"folds":[..],"older":[[start, figure], ..]}`; and `{"b":[[start, figure], ..]}` with buckets alone.
//!
//! The meaning of a text depends on the kinds that the script's `init` gives its fields, so reading needs the initial
//! state. Floats are written so that they read back exactly; those without a JSON spelling as `"inf"`, `"-inf"` and
//! `"NaN"`.

mod read;
mod write;

pub use read::read;
pub use write::write;

#[cfg(test)]
mod tests;
