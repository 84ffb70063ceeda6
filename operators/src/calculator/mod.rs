//! Calculators: Rhai scripts that fold the events of one condition and one key into a few state fields.
//!
//! A script defines `init(params)`, `on_event(state, event, params)`, `outputs(state, params, now)` and, if
//! it needs them, `on_timer(state, now, params)`, `on_timer_dropped(state, now, params)` and `merge(state,
//! history, params)`, whose parameters are checked and which nothing calls yet. [`Program`] is a script
//! compiled with its params; a [`Runner`] runs it on the cells of a key's state. Built-in scripts and users'
//! scripts are treated alike.
//!
//! - `init` returns a map of state fields: booleans, numbers, texts and native aggregates. A field keeps the
//!   kind that `init` gives it, so a time that is not known yet is -1, not `()`.
//! - `event.time` is the event's own time, `event.now` the ingest time of the key, both unix ms; `event.step`
//!   is the index of the matching step, 0 without steps. Any other name, written `event.NAME`,
//!   `event["NAME"]` or `event[params.NAME]`, is a property or a top-level field, `()` if absent.
//! - `on_event` returns `true` if the event is used up, so that no further step is called with it; without
//!   steps its value has no effect.
//! - `params` are those of the rule; of a built-in calculator, durations are ms and absent optional ones
//!   `()`. `params.window` is the length of a sliding window in ms, the text of one of the calendar (`"day
//!   Asia/Shanghai"`), `()` for any other; `params.steps` is the number of steps. An aggregate made with it moves by
//!   itself: `count(params.window)`. Events outside a fixed window are not folded.
//! - `outputs` only reads the state and returns a map of figures; `()` is absent.
//! - The functions that scripts may call are [`NATIVE`](interpreter::engine::NATIVE), besides Rhai's
//!   operators.
//!
//! Data flow: script and params → [`Program`] (once per rule version) → [`Runner`] (one per worker and
//! program) → [`Outputs`] for `met`, `when` and the trigger.
//!
//! Functions are compiled to register code (`compiled`); what can't be is interpreted, some 100 times more
//! slowly, with the same results ([`Program::interpreted`] tells which and why).
//!
//! **Invariant**: a script reaches nothing but its arguments. The interpreter has no packages, loops, modules
//! or closures, and steps and sizes are limited; see [`interpreter::engine`].
//!
//! - `aggregate`: native aggregates
//! - `builtin`: the built-in calculators
//! - `cell`: state fields
//! - `compile`: script to program
//! - `compiled`: compiled functions of scripts
//! - `fields`: state fields as they are kept in memory
//! - `interpreter`: Rhai
//! - `outputs`: outputs
//! - `program`: compiled calculators
//! - `runs`: the script of a sequence with `within`
//!
//! ```
//! use strateye_operators::{
//!     calculator::{FoldInput, Program, Runner},
//!     expression::Operand,
//! };
//!
//! let script = "
//!     fn init(params) { #{ count: 0 } }
//!     fn on_event(state, event, params) { state.count += 1; true }
//!     fn outputs(state, params, now) { #{ value: state.count } }
//! ";
//! let program = Program::compile(script, &serde_json::Map::new(), None, None)?;
//! let mut runner = Runner::new(&program);
//! let mut cells = program.initial().to_vec();
//! let input = FoldInput { time: 1_000, now: 1_000, step: 0 };
//! runner.on_event(&program, &mut cells[..], input, std::iter::empty())?;
//! assert_eq!(runner.outputs(&program, &mut cells[..], 1_000)?.get("value"), Operand::Int(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod aggregate;
pub mod builtin;
pub mod cell;
mod compile;
mod compiled;
pub mod fields;
pub mod interpreter;
pub mod outputs;
pub mod program;
mod runs;

pub use aggregate::Aggregate;
pub use cell::{Cell, CellRef};
pub use compiled::{Direct, Precondition, Refusal, Slots};
pub use fields::{Fields, Objects, Shape};
pub use interpreter::runner::{CallError, FoldInput, Runner};
pub use outputs::Outputs;
pub use program::{Execution, Inputs, Program, ProgramError};
