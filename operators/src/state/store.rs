//! All keys of a worker.

use hashbrown::HashTable;

use super::RuleState;

/// Where a key lies in a [`Store`]. May come to mean another key once its own was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u32);

/// Everything remembered of one key.
#[derive(Debug, Default)]
pub struct KeyBlock {
    /// Routing hash.
    pub hash: u64,
    /// Which `key_by`, by its number in the catalog.
    pub group: u32,
    /// The key's text.
    pub key: Box<str>,
    /// Highest `now` seen, unix ms.
    pub last_now: i64,
    /// The key's next timer, unix ms; `i64::MAX` if there is none. Never later than the true one.
    pub next_deadline: i64,
    /// The rules it has met, ascending by slot.
    pub rules: Vec<RuleState>,
}

impl KeyBlock {
    /// Takes a rule's state out, to be put back after use.
    pub fn take(&mut self, slot: u32) -> Option<RuleState> {
        self.rules.binary_search_by_key(&slot, |r| r.slot).ok().map(|i| self.rules.remove(i))
    }

    /// Puts a rule's state in.
    pub fn put(&mut self, state: RuleState) {
        match self.rules.binary_search_by_key(&state.slot, |r| r.slot) {
            Ok(i) => self.rules[i] = state,
            Err(i) => self.rules.insert(i, state),
        }
    }

    /// The position of a rule's state.
    pub fn position(&self, slot: u32) -> Option<usize> {
        self.rules.binary_search_by_key(&slot, |r| r.slot).ok()
    }
}

/// All keys of a worker, found by their routing hash.
#[derive(Debug, Default)]
pub struct Store {
    table: HashTable<u32>,
    blocks: Vec<KeyBlock>,
    free: Vec<u32>,
    swept: usize,
}

impl Store {
    /// How many keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The key's block, made if there is none.
    pub fn entry(&mut self, hash: u64, group: u32, key: &str) -> KeyId {
        let Store { table, blocks, free, .. } = self;
        let same = |id: &u32| {
            let block = &blocks[*id as usize];
            block.hash == hash && block.group == group && *block.key == *key
        };
        if let Some(id) = table.find(hash, same) {
            return KeyId(*id);
        }
        let block = KeyBlock {
            hash,
            group,
            key: key.into(),
            last_now: i64::MIN,
            next_deadline: i64::MAX,
            rules: Vec::new(),
        };
        let id = match free.pop() {
            Some(id) => {
                blocks[id as usize] = block;
                id
            }
            None => {
                blocks.push(block);
                (blocks.len() - 1) as u32
            }
        };
        table.insert_unique(hash, id, |id| blocks[*id as usize].hash);
        KeyId(id)
    }

    /// A key's block.
    pub fn block(&self, id: KeyId) -> &KeyBlock {
        &self.blocks[id.0 as usize]
    }

    /// A key's block, to be changed.
    pub fn block_mut(&mut self, id: KeyId) -> &mut KeyBlock {
        &mut self.blocks[id.0 as usize]
    }

    /// All blocks in use.
    pub fn blocks(&self) -> impl Iterator<Item = &KeyBlock> {
        self.table.iter().map(|id| &self.blocks[*id as usize])
    }

    /// The place after the one looked at last, going round and round; a free one has an empty block. `None` if there are none.
    pub fn next_in_turn(&mut self) -> Option<KeyId> {
        if self.blocks.is_empty() {
            return None;
        }
        self.swept = (self.swept + 1) % self.blocks.len();
        Some(KeyId(self.swept as u32))
    }

    /// How many places for keys there are, free ones included.
    pub fn places(&self) -> usize {
        self.blocks.len()
    }

    /// Deletes a key that has no state left and was last seen before `before`.
    pub fn remove_if_idle(&mut self, id: KeyId, before: i64) {
        let block = &mut self.blocks[id.0 as usize];
        if block.rules.is_empty()
            && block.last_now < before
            && let Ok(entry) = self.table.find_entry(block.hash, |i| *i == id.0)
        {
            entry.remove();
            *block = KeyBlock::default();
            self.free.push(id.0);
        }
    }

    /// All keys in use.
    pub fn ids(&self) -> Vec<KeyId> {
        self.table.iter().map(|id| KeyId(*id)).collect()
    }
}
