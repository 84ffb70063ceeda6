//! Objects: values of fields that have no words of their own.

use slab::Slab;

use super::shape::Kind;
use crate::calculator::{Aggregate, aggregate::weight};

/// Texts and aggregates of many states, by number from 1.
#[derive(Debug, Default)]
pub struct Objects {
    texts: Slab<Box<str>>,
    aggregates: Slab<Aggregate>,
    /// Whether objects are weighed.
    weighs: bool,
    bytes: usize,
}

impl Objects {
    /// Starts to weigh; to be called while there are no objects.
    pub fn weigh(&mut self) {
        self.weighs = true;
    }

    /// Approximate bytes of all objects; 0 if they are not weighed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.texts.len() + self.aggregates.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn text(&self, number: u64) -> Option<&str> {
        self.texts.get(index(number)).map(|text| &**text)
    }

    pub(super) fn aggregate(&self, number: u64) -> Option<&Aggregate> {
        self.aggregates.get(index(number))
    }

    /// Changes an aggregate in its place.
    pub(super) fn change<T>(&mut self, number: u64, change: impl FnOnce(&mut Aggregate) -> T) -> Option<T> {
        let Objects { aggregates, weighs, bytes, .. } = self;
        let aggregate = aggregates.get_mut(index(number))?;
        if !*weighs {
            return Some(change(aggregate));
        }
        let before = weight::of_aggregate(aggregate);
        let changed = change(aggregate);
        *bytes = *bytes - before + weight::of_aggregate(aggregate);
        Some(changed)
    }

    pub(super) fn add_text(&mut self, text: Box<str>) -> u64 {
        self.bytes += if self.weighs { weight::of_text(&text) } else { 0 };
        self.texts.insert(text) as u64 + 1
    }

    pub(super) fn add_aggregate(&mut self, aggregate: Aggregate) -> u64 {
        self.bytes += if self.weighs { weight::of_aggregate(&aggregate) } else { 0 };
        self.aggregates.insert(aggregate) as u64 + 1
    }

    pub(super) fn remove(&mut self, kind: Kind, number: u64) {
        let weight = match kind {
            Kind::Text => self.texts.try_remove(index(number)).map(|text| weight::of_text(&text)),
            Kind::Aggregate | Kind::Sliding(_) => {
                self.aggregates.try_remove(index(number)).map(|a| weight::of_aggregate(&a))
            }
            _ => None,
        };
        self.bytes -= if self.weighs { weight.unwrap_or(0) } else { 0 };
    }

    pub(super) fn copy(&mut self, kind: Kind, number: u64) -> u64 {
        match kind {
            Kind::Text => self.text(number).map(Box::from).map_or(0, |text| self.add_text(text)),
            Kind::Aggregate | Kind::Sliding(_) => {
                self.aggregate(number).cloned().map_or(0, |a| self.add_aggregate(a))
            }
            _ => number,
        }
    }
}

/// Index in a slab of the object of a number; none has the number 0.
fn index(number: u64) -> usize {
    (number as usize).wrapping_sub(1)
}
