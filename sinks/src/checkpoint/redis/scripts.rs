//! The Lua scripts; each is one atomic step on one key.

use std::sync::LazyLock;

/// A script and the digest by which it is called.
pub(super) struct Script {
    pub(super) code: &'static str,
    pub(super) digest: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Script { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }
}

pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/take.lua")));
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/renew.lua")));
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/release.lua")));
pub(super) static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/commit.lua")));
pub(super) static FOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/fold.lua")));
pub(super) static MARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/mark.lua")));
pub(super) static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/drop.lua")));
