//! Folding of lists: what a calculator is given of an event with lists among the values that it reads.

use std::borrow::Cow;

use crate::{model::value::Value, rule::plan::Lists};

/// Whether one of these values is a list or an object.
#[inline]
pub(super) fn is_nested(value: &Value<'_>) -> bool {
    matches!(value, Value::Nested(_))
}

/// Calls `fold` with each value to be folded for the one that is a list or an object. Returns whether one call returned
/// true.
///
/// # Errors
/// The last one, if no call folded.
#[cold]
pub(super) fn fold_list<E>(
    lists: Lists,
    nested: &Value<'_>,
    mut fold: impl FnMut(Option<&Value<'_>>) -> Result<bool, E>,
) -> Result<bool, E> {
    match (lists, nested) {
        (Lists::Each, list) => {
            let elements = list.elements();
            let mut result = Ok(false);
            for element in elements.iter().filter(|element| !is_nested(element)) {
                match (fold(Some(element)), &result) {
                    (Ok(used), Ok(before)) => result = Ok(used || *before),
                    (Ok(used), Err(_)) => result = Ok(used),
                    (Err(error), Ok(false)) => result = Err(error),
                    (Err(_), _) => {}
                }
            }
            result
        }
        (Lists::Whole, Value::Nested(json)) => fold(Some(&Value::Text(Cow::Borrowed(json)))),
        (Lists::Whole | Lists::Absent, _) => fold(None),
    }
}
