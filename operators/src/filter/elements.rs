//! Predicates on the elements of a list.

use std::sync::Arc;

use super::{
    Faulted,
    predicate::{Evaluation, Predicate},
};
use crate::model::{decode::values_of, event::Event, field::Fields, value::Value};

/// What holds of one element, an object, if its members satisfy all predicates.
#[derive(Clone, Debug)]
pub(super) struct AnyElement {
    /// The members that the predicates read.
    members: Arc<Fields>,
    parts: Arc<[Predicate]>,
}

impl AnyElement {
    /// The predicates refer to members by their positions in `members`.
    pub(super) fn new(members: Fields, parts: Vec<Predicate>) -> AnyElement {
        AnyElement { members: Arc::new(members), parts: parts.into() }
    }

    /// Whether an element satisfies all predicates. An object that is no list is its own element.
    pub(super) fn is_among(&self, elements: &[Value<'_>], faulted: &mut Faulted) -> bool {
        let objects = elements.iter().filter_map(|element| match element {
            Value::Nested(object) => Some(object),
            _ => None,
        });
        objects.into_iter().any(|object| {
            let values = values_of(object, &self.members);
            let element = Event { event_time: 0, values, unusable: 0 };
            let mut evaluation = Evaluation::new(&element, faulted);
            self.parts.iter().all(|part| part.holds(&mut evaluation))
        })
    }
}
