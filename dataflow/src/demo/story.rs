//! The storyline: what the marketing and the risk team do to the rules while events flow.

use std::time::Duration;

use serde_json::{Value, json};

/// Something that happens to the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When, counted from the moment the rules went live.
    pub at: Duration,
    /// What a spectator is told, in Chinese and in short English.
    pub about: &'static str,
    /// What is done.
    pub what: What,
}

/// What is done to a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A new rule goes live: its id and document.
    Publish(&'static str, Value),
    /// A rule gets another document under the same id.
    Edit(&'static str, Value),
    /// A rule stops firing, and goes on folding.
    Pause(&'static str),
    /// It fires again.
    Resume(&'static str),
    /// It is taken out and its state dropped.
    Retire(&'static str),
}

impl What {
    /// The rule concerned.
    pub fn rule_id(&self) -> &'static str {
        match self {
            What::Publish(id, _)
            | What::Edit(id, _)
            | What::Pause(id)
            | What::Resume(id)
            | What::Retire(id) => id,
        }
    }
}

/// The double-eleven raid, published and edited by the story.
const RAID: &str = "double11-raid";
/// The tightened watch on wrong passwords.
const WATCH: &str = "double11-login-watch";
/// A noisy rule of the fifty, paused for a while.
const NOISY: &str = "page-p05-vs-p10";
/// A rule of the fifty that has served its time.
const SPENT: &str = "like-no-buy";

/// The acts, in the order they happen; all within the first 50 s.
pub fn story() -> Vec<Act> {
    let act = |at, about, what| Act { at: Duration::from_secs(at), about, what };
    vec![
        act(
            8,
            "运营发布新规则「双十一突击·大额加购送券」，门槛 5000 元 (new rule goes live, no restart)",
            What::Publish(RAID, raid("双十一突击·大额加购送券", 5000)),
        ),
        act(
            16,
            "触发偏少，门槛降到 2000 元，已累计的金额保留 (threshold lowered, running sums kept)",
            What::Edit(RAID, raid("双十一突击·大额加购送券（门槛 2000）", 2000)),
        ),
        act(22, "弹窗过于频繁，暂停「活动页偏好」 (noisy rule paused)", What::Pause(NOISY)),
        act(
            27,
            "风控发布「大促登录值守」：同一 IP 十秒内连错 24 次 (risk rule published)",
            What::Publish(WATCH, watch("大促登录值守·临时封禁", 24)),
        ),
        act(32, "「活动页偏好」恢复，从暂停处接着算 (paused rule resumed)", What::Resume(NOISY)),
        act(
            38,
            "下线「点赞两款不下单」，状态随之清除 (rule retired, its state dropped)",
            What::Retire(SPENT),
        ),
        act(
            43,
            "撞库升温，值守阈值收紧到 16 次 (risk threshold tightened)",
            What::Edit(WATCH, watch("大促登录值守·临时封禁（收紧）", 16)),
        ),
        act(49, "突击活动结束，规则下线 (raid over, rule retired)", What::Retire(RAID)),
    ]
}

/// Carts worth a sum, by people who also looked, before they order.
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

/// So many wrong passwords from one ip within ten seconds.
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
