//! The story: what the marketing and the risk team do to the rules while events flow.

use std::time::Duration;

use serde_json::{Value, json};

/// A change of the rules at one instant of the story.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Time since the rules went live.
    pub at: Duration,
    /// Explanation for spectators, in Chinese and in short English.
    pub about: &'static str,
    /// The change.
    pub change: StoryChange,
}

/// A change of one rule.
#[derive(Clone, Debug, PartialEq)]
pub enum StoryChange {
    /// Publishes a new rule: its id and document.
    Publish(&'static str, Value),
    /// Publishes another document under the id of an existing rule.
    Edit(&'static str, Value),
    /// Pauses a rule: it continues to fold and does not fire.
    Pause(&'static str),
    /// Resumes a rule.
    Resume(&'static str),
    /// Retires a rule and drops its state.
    Retire(&'static str),
}

impl StoryChange {
    /// Id of the rule concerned.
    pub fn rule_id(&self) -> &'static str {
        match self {
            StoryChange::Publish(id, _)
            | StoryChange::Edit(id, _)
            | StoryChange::Pause(id)
            | StoryChange::Resume(id)
            | StoryChange::Retire(id) => id,
        }
    }
}

/// The double-eleven promotion, published and edited by the story.
const RAID: &str = "double11-raid";
/// The tightened rule against wrong passwords.
const WATCH: &str = "double11-login-watch";
/// A rule of the fifty that fires too often, paused for a while.
const NOISY: &str = "page-p05-vs-p10";
/// A rule of the fifty that is no longer needed.
const SPENT: &str = "like-no-buy";

/// The acts in order of time; all within the first 50 s.
pub fn story() -> Vec<Act> {
    let act = |at, about, change| Act { at: Duration::from_secs(at), about, change };
    vec![
        act(
            8,
            "运营发布新规则「双十一突击·大额加购送券」，门槛 5000 元 (new rule goes live, no restart)",
            StoryChange::Publish(RAID, raid("双十一突击·大额加购送券", 5000)),
        ),
        act(
            16,
            "触发偏少，门槛降到 2000 元，已累计的金额保留 (threshold lowered, running sums kept)",
            StoryChange::Edit(RAID, raid("双十一突击·大额加购送券（门槛 2000）", 2000)),
        ),
        act(22, "弹窗过于频繁，暂停「活动页偏好」 (noisy rule paused)", StoryChange::Pause(NOISY)),
        act(
            27,
            "风控发布「大促登录值守」：同一 IP 十秒内连错 24 次 (risk rule published)",
            StoryChange::Publish(WATCH, watch("大促登录值守·临时封禁", 24)),
        ),
        act(32, "「活动页偏好」恢复，从暂停处接着算 (paused rule resumed)", StoryChange::Resume(NOISY)),
        act(
            38,
            "下线「点赞两款不下单」，状态随之清除 (rule retired, its state dropped)",
            StoryChange::Retire(SPENT),
        ),
        act(
            43,
            "撞库升温，值守阈值收紧到 16 次 (risk threshold tightened)",
            StoryChange::Edit(WATCH, watch("大促登录值守·临时封禁（收紧）", 16)),
        ),
        act(49, "突击活动结束，规则下线 (raid over, rule retired)", StoryChange::Retire(RAID)),
    ]
}

/// Fires on carts worth `sum`, of users who also viewed items and have not ordered.
fn raid(name: &str, sum: u32) -> Value {
    json!({
        "rule_id": RAID,
        "name": name,
        "conditions": [
            {"id": "amt", "calculator": "stats", "event": {"id": "add_cart"}, "window": {"last": "5m"}, "params": {"of": "amt"}, "met": format!("sum >= {sum}")},
            {"id": "look", "calculator": "count", "event": {"id": "item_view"}, "window": {"last": "2m"}, "met": "value >= 1"},
            {"id": "removed", "calculator": "count", "event": {"id": "del_cart"}, "window": {"last": "5m"}, "met": "value >= 1"},
            {"id": "ordered", "calculator": "count", "event": {"id": "order"}, "window": {"last": "5m"}, "met": "value >= 1"}
        ],
        "when": "amt && look && !removed && !ordered",
        "trigger": {"event": {"id": ["add_cart", "item_view"]}},
        "limit": {"times": 1, "per": "1h"},
        "action": {"channel": "coupon", "template": "double11-200", "text": "双十一突击：{{item}} 限时立减 200"}
    })
}

/// Fires on `fails` wrong passwords from one ip within ten seconds.
fn watch(name: &str, fails: u32) -> Value {
    json!({
        "rule_id": WATCH,
        "name": name,
        "key_by": "ip",
        "conditions": [
            {"id": "fails", "calculator": "count", "event": {"id": "login_failed"}, "window": {"last": "10s"}, "met": format!("value >= {fails}")},
            {"id": "devices", "calculator": "distinct", "event": {"id": "login_failed"}, "window": {"last": "1m"}, "params": {"of": "device_id"}, "met": "value >= 3"},
            {"id": "accounts", "calculator": "distinct", "event": {"id": "login_failed"}, "window": {"last": "1m"}, "params": {"of": "account"}, "met": "value >= 3"},
            {"id": "ok", "calculator": "count", "event": {"id": "login"}, "window": {"last": "1m"}, "met": "value >= 1"}
        ],
        "when": "(fails || (devices && accounts)) && !ok",
        "trigger": {"event": {"id": "login_failed"}},
        "limit": {"times": 1, "per": "1m"},
        "action": {"channel": "risk", "level": "high", "text": "大促值守：同一 IP 连续错密，临时封禁 10 分钟"}
    })
}
