//! Triggers of a replay, for comparison with those of another.
//!
//! The order in which triggers are written is not guaranteed; their set and their values are.

use std::{
    cmp::Ordering,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use crate::Error;

/// Lines of each side that are shown if two runs differ.
const SHOWN: usize = 3;

/// The triggers of one run, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    lines: Vec<String>,
}

impl Fired {
    /// Reads a file of triggers, one per line.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(path: &Path) -> Result<Fired, Error> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        let lines: Result<Vec<String>, _> = BufReader::new(file).lines().collect();
        Ok(Fired::of(lines.map_err(Error::file("read", path))?))
    }

    fn of(mut lines: Vec<String>) -> Fired {
        lines.sort_unstable();
        Fired { lines }
    }

    /// Number of triggers.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing fired.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Description of the differences; `None` if there are none. A trigger that occurs twice here must occur
    /// twice there.
    pub fn difference(&self, other: &Fired) -> Option<String> {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let (mut mine, mut theirs) = (self.lines.iter().peekable(), other.lines.iter().peekable());
        loop {
            let order = match (mine.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.cmp(b),
            };
            match order {
                Ordering::Less => here.extend(mine.next()),
                Ordering::Greater => there.extend(theirs.next()),
                Ordering::Equal => {
                    mine.next();
                    theirs.next();
                }
            }
        }
        if here.is_empty() && there.is_empty() {
            return None;
        }
        let mut text = format!("{} fired only in the first, {} only in the second", here.len(), there.len());
        for (side, lines) in [("first", here), ("second", there)] {
            lines.iter().take(SHOWN).for_each(|line| text.push_str(&format!("\n  {side}: {line}")));
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(lines: &[&str]) -> Fired {
        Fired::of(lines.iter().map(|l| (*l).to_owned()).collect())
    }

    #[test]
    fn order_does_not_matter_and_repeats_do() {
        assert_eq!(fired(&["b", "a"]).difference(&fired(&["a", "b"])), None);
        let difference = fired(&["a", "a", "c"]).difference(&fired(&["c", "a", "d"]));
        let text = "1 fired only in the first, 1 only in the second\n  first: a\n  second: d";
        assert_eq!(difference.as_deref(), Some(text));
    }
}
