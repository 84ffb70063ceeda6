//! The most recent value.

use super::Cut;

/// A scalar in a state field.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Box<str>),
}

/// The value of the event with the highest time; between equal times the later arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latest {
    cut: Option<Cut>,
    held: Option<(i64, Scalar)>,
}

impl Latest {
    /// An empty aggregate. With a window, a value counts at `now` only if its time is not before the window.
    pub fn new(cut: Option<Cut>) -> Self {
        Latest { cut, held: None }
    }

    /// The same aggregate without its value.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Latest::new(self.cut)
    }

    /// Time and value, also of a value that no longer counts.
    pub fn held(&self) -> Option<(i64, &Scalar)> {
        self.held.as_ref().map(|(at, value)| (*at, value))
    }

    /// Folds the value of an event at `time`, unix ms.
    pub fn add(&mut self, value: Scalar, time: i64) {
        if self.held.as_ref().is_none_or(|(at, _)| *at <= time) {
            self.held = Some((time, value));
        }
    }

    /// Time and value that count at `now`, if any.
    pub fn at(&self, now: i64) -> Option<(i64, &Scalar)> {
        let (at, value) = self.held.as_ref()?;
        self.cut.is_none_or(|cut| *at >= cut.since(now)).then_some((*at, value))
    }
}
