//! Members of 64 crowds among 65,536 consecutive users, sorted by block.
//!
//! Crowds give their members one after the other, and a block wants those of all crowds. Here they meet, in
//! half a megabyte. Only blocks with members are visited or cleared, so sparse crowds cost no more than their
//! members.
//!
//! **Invariant**: a matrix whose block is not marked is all zero.

/// Blocks of an area, as many as a container of a bitmap has.
const BLOCKS: usize = 1024;

/// Bits of one block: a word per crowd, with a bit per user.
type Matrix = [u64; 64];

/// An area of users; begins at a multiple of its length.
pub(super) struct Area {
    /// The users' guids divided by the length of an area.
    number: u64,
    /// Matrices by block.
    matrices: Vec<Matrix>,
    /// A bit per block: whether it has members.
    marked: [u64; BLOCKS / 64],
}

impl Default for Area {
    fn default() -> Self {
        Area { number: 0, matrices: vec![[0; 64]; BLOCKS], marked: [0; BLOCKS / 64] }
    }
}

impl Area {
    /// Moves to the area of a user; no members may be left.
    pub(super) fn begin(&mut self, user: u64) {
        self.number = number(user);
    }

    /// Whether a user is in this area.
    pub(super) fn contains(&self, user: u64) -> bool {
        number(user) == self.number
    }

    /// Flips a user of this area among the members of a crowd (0 to 63).
    pub(super) fn add(&mut self, user: u64, crowd: usize) {
        let block = (user / 64) as usize % BLOCKS;
        self.marked[block / 64] |= 1 << (block % 64);
        self.matrices[block][crowd] ^= 1 << (user % 64);
    }

    /// Visits the matrices of all blocks with members, each with the number of its block, and clears them.
    pub(super) fn drain(&mut self, mut visit: impl FnMut(u64, &mut Matrix)) {
        for (word, marked) in self.marked.iter_mut().enumerate() {
            while *marked != 0 {
                let block = 64 * word + marked.trailing_zeros() as usize;
                let matrix = &mut self.matrices[block];
                visit(self.number * BLOCKS as u64 + block as u64, matrix);
                *matrix = [0; 64];
                *marked &= *marked - 1;
            }
        }
    }
}

/// Number of the area of a user.
fn number(user: u64) -> u64 {
    user / (64 * BLOCKS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_visited_by_block_once() {
        let mut area = Area::default();
        let start = 7 * 65_536;
        area.begin(start + 5);
        assert!(area.contains(start) && area.contains(start + 65_535));
        assert!(!area.contains(start - 1) && !area.contains(start + 65_536));
        for (user, crowd) in [(start, 0), (start + 63, 0), (start + 63, 63), (start + 65_535, 9)] {
            area.add(user, crowd);
        }
        let mut visited = Vec::new();
        area.drain(|block, matrix| visited.push((block, matrix[0], matrix[9], matrix[63])));
        let last = 1 << 63;
        assert_eq!(visited, [(7 * 1024, 1 | last, 0, last), (7 * 1024 + 1023, 0, last, 0)]);
        area.begin(u64::MAX);
        area.add(u64::MAX, 1);
        visited.clear();
        area.drain(|block, matrix| visited.push((block, matrix[0], matrix[1], matrix[9])));
        assert_eq!(visited, [(u64::MAX / 64, 0, last, 0)], "what was drained is gone");
    }
}
