//! Delta: changes of keyed state between two checkpoints.
//!
//! Changes are absolute texts and deletions, so applying one twice has the effect of applying it once.

use serde::{Deserialize, Serialize};

/// Changes of state, in the order in which they are to be applied. Stored flat, which makes it cheap to build
/// and to write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// State names (see [`state_name`](crate::rule::lineage::state_name)) that the changes refer to.
    names: Vec<String>,
    changes: Vec<Flat>,
    /// Keys and texts, back to back.
    bytes: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flat {
    name: u32,
    key_end: u32,
    text_end: u32,
    deleted: bool,
}

/// Change of one state of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'d> {
    /// The state's name.
    pub name: &'d str,
    /// The key.
    pub key: &'d str,
    /// The state's text; `None` if it is deleted.
    pub text: Option<&'d str>,
}

impl Delta {
    /// Adds a state name; returns its number in this delta.
    pub fn name(&mut self, name: String) -> u32 {
        self.names.push(name);
        (self.names.len() - 1) as u32
    }

    /// Appends a change: `write` appends the text; without it the state is deleted.
    pub fn push(&mut self, name: u32, key: &str, write: Option<impl FnOnce(&mut String)>) {
        self.bytes.push_str(key);
        let key_end = self.bytes.len() as u32;
        let deleted = write.is_none();
        if let Some(write) = write {
            write(&mut self.bytes);
        }
        self.changes.push(Flat { name, key_end, text_end: self.bytes.len() as u32, deleted });
    }

    /// All changes, in their order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.numbered().map(|(_, change)| change)
    }

    /// The changes of each name, as keys and texts, in their order.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, Vec<(&str, Option<&str>)>)> {
        let mut groups = vec![Vec::new(); self.names.len()];
        self.numbered().for_each(|(name, change)| groups[name].push((change.key, change.text)));
        self.names.iter().map(String::as_str).zip(groups)
    }

    /// Changes with the number of their name; inconsistent ones are left out.
    fn numbered(&self) -> impl Iterator<Item = (usize, Change<'_>)> {
        let mut start = 0;
        self.changes.iter().filter_map(move |flat| {
            let key = self.bytes.get(start..flat.key_end as usize);
            let text = self.bytes.get(flat.key_end as usize..flat.text_end as usize);
            start = flat.text_end as usize;
            let name = self.names.get(flat.name as usize)?;
            Some((flat.name as usize, Change { name, key: key?, text: text.filter(|_| !flat.deleted) }))
        })
    }

    /// Approximate size, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.changes.len() * 13
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_their_order() {
        let mut delta = Delta::default();
        let (a, b) = (delta.name("r:a:1".into()), delta.name("r:b:1".into()));
        delta.push(a, "重庆", Some(|text: &mut String| text.push('3')));
        delta.push(b, "", None::<fn(&mut String)>);
        delta.push(a, "k", Some(|_: &mut String| {}));
        let change = |name, key, text| Change { name, key, text };
        assert_eq!(
            delta.changes().collect::<Vec<_>>(),
            [change("r:a:1", "重庆", Some("3")), change("r:b:1", "", None), change("r:a:1", "k", Some(""))]
        );
        let by_name: Vec<_> = delta.by_name().collect();
        assert_eq!(by_name[0], ("r:a:1", vec![("重庆", Some("3")), ("k", Some(""))]));
        assert_eq!(by_name[1], ("r:b:1", vec![("", None)]));
    }
}
