//! Names met in objects, and the order in which they follow one another.
//!
//! Producers write the members of an object in the same order each time. So the name that followed the last
//! one is expected next, which takes one comparison with the record instead of a search of its end and of its
//! meaning. Events of different kinds have orders of their own.
//!
//! **Invariants**
//! - An expected name is compared with the record in full: a wrong expectation costs time, never a result.
//! - The meaning of a name does not change; names whose meaning has changed are forgotten as a whole.
//! - Memory is bounded, whatever is read: at [`MAX_NAMES`] names all are forgotten, and kinds beyond
//!   [`MAX_ORDERS`] share one order.

use hashbrown::HashMap;

use super::key::Key;

/// Most names remembered.
const MAX_NAMES: usize = 1024;

/// Most orders remembered.
const MAX_ORDERS: usize = 256;

/// Names met, each with its meaning `T`.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// Names with quotes and colon.
    keys: Vec<Box<str>>,
    /// By the position of a key in `keys`.
    meanings: Vec<T>,
    /// Positions in `keys`.
    positions: HashMap<Box<str>, u16>,
    /// An order per kind; the first is for objects of no kind, and for all other kinds.
    orders: Vec<Order<T>>,
    /// Positions in `orders`.
    kinds: HashMap<Box<str>, usize>,
}

/// Names that came last behind each key: behind none at 0, behind that of position `i` at `i + 1`.
#[derive(Clone, Debug)]
struct Order<T>(Vec<Option<Expected<T>>>);

/// A name that is expected somewhere, with everything that reading it takes in one place.
#[derive(Clone, Copy, Debug)]
struct Expected<T> {
    key: Key,
    meaning: T,
    /// Position of the key.
    position: u16,
}

/// A place between two members of an object; at first the beginning of an object of no kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    order: usize,
    /// Entry of the order for the key before this place.
    after: usize,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names {
            keys: Vec::new(),
            meanings: Vec::new(),
            positions: HashMap::new(),
            orders: vec![Order(Vec::new())],
            kinds: HashMap::new(),
        }
    }
}

impl<T: Copy> Names<T> {
    /// The beginning of an object of this kind.
    pub(super) fn beginning(&mut self, kind: &str) -> Place {
        let order = match self.kinds.get(kind) {
            Some(order) => *order,
            None => self.add_order(kind),
        };
        Place { order, after: 0 }
    }

    #[cold]
    fn add_order(&mut self, kind: &str) -> usize {
        if self.orders.len() == MAX_ORDERS {
            return 0;
        }
        self.orders.push(Order(Vec::new()));
        self.kinds.insert(kind.into(), self.orders.len() - 1);
        self.orders.len() - 1
    }

    /// If `rest` begins with the key expected at `place`: moves `place` behind it, and returns its length with
    /// quotes and colon, and its meaning.
    #[inline(always)]
    pub(super) fn expected(&self, place: &mut Place, rest: &[u8]) -> Option<(usize, T)> {
        let next = self.orders.get(place.order)?.0.get(place.after)?.as_ref()?;
        let position = usize::from(next.position);
        if !next.key.begins(rest, || &self.keys[position]) {
            return None;
        }
        place.after = position + 1;
        Some((next.key.len(), next.meaning))
    }

    /// Moves `place` behind `name`, which is expected here from now on. Returns its meaning, from `meaning` if
    /// the name is new.
    #[cold]
    pub(super) fn learn(&mut self, place: &mut Place, name: &str, meaning: impl FnOnce(&str) -> T) -> T {
        let position = match self.positions.get(name) {
            Some(position) => *position,
            None => self.add(place, name, meaning(name)),
        };
        let order = &mut self.orders[place.order].0;
        if order.len() <= place.after {
            order.resize(place.after + 1, None);
        }
        let meaning = self.meanings[usize::from(position)];
        order[place.after] =
            Some(Expected { key: Key::new(&self.keys[usize::from(position)]), meaning, position });
        place.after = usize::from(position) + 1;
        meaning
    }

    /// Adds a name; returns the position of its key.
    fn add(&mut self, place: &mut Place, name: &str, meaning: T) -> u16 {
        if self.keys.len() == MAX_NAMES {
            self.forget();
            place.after = 0;
        }
        let position = self.keys.len() as u16;
        self.keys.push(format!("\"{name}\":").into());
        self.meanings.push(meaning);
        self.positions.insert(name.into(), position);
        position
    }

    /// Forgets all names; kinds keep their (empty) orders, to which places may point.
    fn forget(&mut self) {
        self.keys.clear();
        self.meanings.clear();
        self.positions.clear();
        self.orders.iter_mut().for_each(|order| order.0.clear());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Reads the members of an object of `kind`; returns how many were expected.
    fn read(names: &mut Names<usize>, kind: &str, members: &[&str]) -> usize {
        let mut place = names.beginning(kind);
        let mut expected = 0;
        for name in members {
            let rest = format!("\"{name}\":1");
            match names.expected(&mut place, rest.as_bytes()) {
                Some((len, meaning)) => {
                    expected += 1;
                    assert_eq!((len, meaning), (name.len() + 3, name.len()));
                }
                None => assert_eq!(names.learn(&mut place, name, str::len), name.len()),
            }
        }
        expected
    }

    #[test]
    fn an_order_is_expected_once_it_was_seen_per_kind() {
        let mut names = Names::default();
        let (search, pay) = (["page", "keyword", "os"], ["page", "amount", "os"]);
        assert_eq!(read(&mut names, "search", &search), 0);
        assert_eq!(read(&mut names, "search", &search), 3);
        assert_eq!(read(&mut names, "pay", &pay), 0);
        assert_eq!((read(&mut names, "search", &search), read(&mut names, "pay", &pay)), (3, 3));
        // A member that is missing costs one expectation, and another one when it comes back.
        assert_eq!(read(&mut names, "search", &["page", "os"]), 1);
        assert_eq!(read(&mut names, "search", &search), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut names = Names::default();
        for i in 0..3 * MAX_NAMES {
            let (name, kind) = (format!("name{i}"), format!("kind{i}"));
            read(&mut names, &kind, &["first", &name, "last"]);
            assert!(names.keys.len() <= MAX_NAMES && names.positions.len() == names.keys.len());
            assert!(names.orders.len() <= MAX_ORDERS && names.kinds.len() < MAX_ORDERS);
        }
        assert_eq!(read(&mut names, "kind1", &["first", "last"]), 0);
        assert_eq!(read(&mut names, "kind1", &["first", "last"]), 2);
    }
}
