//! Copies of a key's fields to the script's state map and back.

use std::mem;

use rhai::{Dynamic, Map, Position, Scope};

use crate::calculator::{Aggregate, Cell, Program, ProgramError};

/// State map with the initial cells.
pub(super) fn state_map(program: &Program) -> Map {
    let value = |cell: &Cell| match cell {
        Cell::Bool(b) => (*b).into(),
        Cell::Int(i) => (*i).into(),
        Cell::Float(f) => (*f).into(),
        Cell::Text(t) => t.as_ref().into(),
        Cell::Aggregate(a) => Dynamic::from((**a).clone()),
    };
    program.names.iter().zip(program.initial()).map(|(name, cell)| (name.clone(), value(cell))).collect()
}

/// Writes the cells into the state map of the scope; aggregates are moved.
pub(super) fn load(scope: &mut Scope<'static>, cells: &mut [Cell]) {
    let Some(mut state) = scope.get_mut("state").and_then(|s| s.write_lock::<Map>()) else { return };
    for (slot, cell) in state.values_mut().zip(cells) {
        match cell {
            Cell::Bool(b) => *slot = (*b).into(),
            Cell::Int(i) => *slot = (*i).into(),
            Cell::Float(f) => *slot = (*f).into(),
            Cell::Text(t) => *slot = t.as_ref().into(),
            Cell::Aggregate(a) => {
                if let Some(mut held) = slot.write_lock::<Aggregate>() {
                    mem::swap(&mut **a, &mut *held);
                }
            }
        }
    }
}

/// Writes the state map back into the cells. All kinds are checked first, so either all cells are written or
/// none.
///
/// # Errors
/// If the script replaced the state, added a field, or gave a field a value of another kind.
pub(super) fn store(
    scope: &mut Scope<'static>,
    program: &Program,
    cells: &mut [Cell],
) -> Result<(), ProgramError> {
    let Some(mut state) = scope.get_mut("state").and_then(|s| s.write_lock::<Map>()) else {
        return Err(wrong("the script replaced `state`; assign to its fields instead"));
    };
    check(&state, program, cells)?;
    for (value, cell) in state.values_mut().zip(cells) {
        match cell {
            Cell::Bool(b) => *b = value.as_bool().unwrap_or(*b),
            Cell::Int(i) => *i = value.as_int().unwrap_or(*i),
            Cell::Float(f) => {
                *f = value.as_float().or_else(|_| value.as_int().map(|i| i as f64)).unwrap_or(*f)
            }
            Cell::Text(t) => {
                if let Ok(text) = value.as_immutable_string_ref()
                    && text.as_str() != t.as_ref()
                {
                    *t = text.as_str().into();
                }
            }
            Cell::Aggregate(a) => {
                if let Some(mut held) = value.write_lock::<Aggregate>() {
                    mem::swap(&mut **a, &mut *held);
                }
            }
        }
    }
    Ok(())
}

/// Checks that the map has a value of the right kind for each cell, and no more.
fn check(state: &Map, program: &Program, cells: &[Cell]) -> Result<(), ProgramError> {
    if state.len() != cells.len() {
        let new =
            state.keys().find(|k| !program.names.contains(*k)).map_or_else(String::new, ToString::to_string);
        return Err(wrong(format!("state field `{new}` is not declared; give it a first value in `init`")));
    }
    for ((name, value), cell) in state.iter().zip(cells) {
        let same = match cell {
            Cell::Bool(_) => value.is_bool(),
            Cell::Int(_) => value.is_int(),
            Cell::Float(_) => value.is_float() || value.is_int(),
            Cell::Text(_) => value.is_string(),
            Cell::Aggregate(_) => value.is::<Aggregate>(),
        };
        if !same {
            return Err(wrong(format!(
                "state field `{name}` is {} by `init`, and was given {} (`{value}`)",
                cell.kind(),
                value.type_name()
            )));
        }
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> ProgramError {
    ProgramError::new(Position::NONE, message)
}
