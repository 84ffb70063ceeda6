//! Events as JSON, written by hand: a generator must not be what limits a benchmark.

use super::{
    catalogue::{CHANNELS, COUPONS, Catalogue, METHODS, PAGES, SYSTEMS, TARGETS},
    random::{mix, scale},
};

/// Kind of an event; its name is the event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    PageView,
    PageLeave,
    Search,
    ItemView,
    Favorite,
    Unfavorite,
    Like,
    Share,
    Comment,
    AddCart,
    DelCart,
    Order,
    Pay,
    Refund,
    CouponGet,
    CouponUse,
    Login,
    LoginFailed,
    Logout,
    AdShow,
    AdClick,
}

impl Kind {
    const fn id(self) -> &'static str {
        match self {
            Kind::PageView => "page_view",
            Kind::PageLeave => "page_leave",
            Kind::Search => "search",
            Kind::ItemView => "item_view",
            Kind::Favorite => "favorite",
            Kind::Unfavorite => "unfavorite",
            Kind::Like => "like",
            Kind::Share => "share",
            Kind::Comment => "comment",
            Kind::AddCart => "add_cart",
            Kind::DelCart => "del_cart",
            Kind::Order => "order",
            Kind::Pay => "pay",
            Kind::Refund => "refund",
            Kind::CouponGet => "coupon_get",
            Kind::CouponUse => "coupon_use",
            Kind::Login => "login",
            Kind::LoginFailed => "login_failed",
            Kind::Logout => "logout",
            Kind::AdShow => "ad_show",
            Kind::AdClick => "ad_click",
        }
    }
}

/// User of an event, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    pub(super) guid: u64,
    pub(super) session: u32,
    /// Whether the event omits the user (a failed login).
    pub(super) anonymous: bool,
    /// Number of the attack, if the event belongs to one.
    pub(super) attack: Option<u64>,
}

/// Content of an event; each kind uses the fields that concern it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) kind: Kind,
    pub(super) item: u16,
    pub(super) quantity: u8,
    /// Partition and number of the order.
    pub(super) order: (u32, u64),
    /// Random bits for everything else.
    pub(super) bits: u64,
}

/// Writes events.
#[derive(Debug)]
pub(super) struct EventWriter {
    catalogue: Catalogue,
    /// `,"item":..` to `,"price":..` of each article.
    items: Vec<Vec<u8>>,
}

impl EventWriter {
    pub(super) fn new(catalogue: Catalogue) -> EventWriter {
        let items = catalogue.items.iter().enumerate().map(|(number, item)| {
            let mut text = format!(
                ",\"item\":\"{}\",\"item_id\":\"i{:04}\",\"cate\":\"{}\",\"on_sale\":{},\"price\":",
                item.name,
                number + 1,
                item.cate,
                item.on_sale
            )
            .into_bytes();
            put_halves(&mut text, u64::from(item.halves));
            text
        });
        EventWriter { items: items.collect(), catalogue }
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Appends one event, without a newline.
    pub(super) fn event(&self, out: &mut Vec<u8>, actor: &Actor, activity: &Activity, time: u64) {
        out.reserve(640);
        let device =
            match actor.attack {
                Some(attack) => mix(attack ^ 0xbad_dead),
                // One user in five has two devices.
                None => mix(actor.guid
                    ^ if actor.guid.is_multiple_of(5) && actor.session % 4 == 3 { 0xd2 } else { 0xd1 }),
            };
        out.extend_from_slice(b"{");
        if !actor.anonymous {
            out.extend_from_slice(b"\"guid\":");
            put_number(out, actor.guid);
            out.extend_from_slice(b",");
        }
        out.extend_from_slice(b"\"device_id\":\"");
        put_hex(out, device);
        out.extend_from_slice(b"\",\"ip\":\"");
        put_ip(out, actor);
        out.extend_from_slice(b"\",\"session_id\":\"s");
        put_number(out, actor.attack.unwrap_or(actor.guid));
        out.extend_from_slice(b"-");
        put_number(out, u64::from(actor.session));
        put_text(out, "\",\"event_id\":\"", activity.kind.id(), "\",\"event_time\":");
        put_number(out, time);
        put_text(out, ",\"properties\":{\"channel\":\"", CHANNELS[(actor.session & 3) as usize], "\"");
        put_text(out, ",\"os\":\"", SYSTEMS[(device & 3) as usize], "\"");
        self.properties(out, actor, activity);
        out.extend_from_slice(b"}}");
    }

    fn properties(&self, out: &mut Vec<u8>, actor: &Actor, activity: &Activity) {
        let random = |turn: u32, bound: u32| scale((activity.bits >> turn) as u32, bound);
        let pick = |turn: u32, bound: usize| random(turn, bound as u32) as usize;
        match activity.kind {
            Kind::PageView => {
                put_page(out, pick(0, PAGES.len()));
                put_text(out, ",\"refer\":\"", PAGES[pick(16, PAGES.len())].0, "\"");
            }
            Kind::PageLeave => {
                put_page(out, pick(0, PAGES.len()));
                put_field(out, ",\"dur\":", u64::from(1 + random(16, 180)));
            }
            Kind::Search => {
                put_text(
                    out,
                    ",\"keyword\":\"",
                    self.catalogue.items[usize::from(activity.item)].keyword(),
                    "\"",
                );
                put_field(out, ",\"results\":", u64::from(random(0, 500)));
            }
            Kind::ItemView => {
                self.put_item(out, activity);
                put_field(out, ",\"dur\":", u64::from(1 + random(0, 180)));
            }
            Kind::Favorite | Kind::Unfavorite | Kind::Like => self.put_item(out, activity),
            Kind::Share => {
                self.put_item(out, activity);
                put_text(out, ",\"target\":\"", TARGETS[pick(0, TARGETS.len())], "\"");
            }
            Kind::Comment => {
                self.put_item(out, activity);
                put_field(out, ",\"score\":", u64::from(1 + random(0, 5).max(random(24, 5))));
            }
            Kind::AddCart | Kind::DelCart => self.put_amount(out, activity),
            Kind::Order | Kind::Refund => {
                put_order(out, activity.order);
                self.put_amount(out, activity);
            }
            Kind::Pay => {
                put_order(out, activity.order);
                self.put_amount(out, activity);
                put_text(out, ",\"method\":\"", METHODS[pick(0, METHODS.len())], "\"");
            }
            Kind::CouponGet | Kind::CouponUse => {
                let (coupon, halves) = COUPONS[(mix(activity.order.1) & 3) as usize];
                put_text(out, ",\"coupon\":\"", coupon, "\",\"amt\":");
                put_halves(out, u64::from(halves));
                if activity.kind == Kind::CouponUse {
                    put_order(out, activity.order);
                }
            }
            Kind::Login => put_text(out, ",\"method\":\"", ["password", "sms"][pick(0, 2)], "\""),
            Kind::LoginFailed => {
                put_field(out, ",\"reason\":\"wrong_password\",\"account\":\"u", actor.guid);
                out.extend_from_slice(b"\"");
            }
            Kind::Logout => put_field(out, ",\"dur\":", u64::from(10 + random(0, 1800))),
            Kind::AdShow | Kind::AdClick => {
                put_field(out, ",\"ad_id\":\"ad", u64::from(10 + random(0, 20)));
                put_text(out, "\",\"title\":\"", PAGES[pick(16, PAGES.len())].1, "\"");
            }
        }
    }

    fn put_item(&self, out: &mut Vec<u8>, activity: &Activity) {
        out.extend_from_slice(&self.items[usize::from(activity.item)]);
    }

    fn put_amount(&self, out: &mut Vec<u8>, activity: &Activity) {
        self.put_item(out, activity);
        put_field(out, ",\"qty\":", u64::from(activity.quantity));
        out.extend_from_slice(b",\"amt\":");
        put_halves(
            out,
            u64::from(self.catalogue.items[usize::from(activity.item)].halves) * u64::from(activity.quantity),
        );
    }
}

fn put_text(out: &mut Vec<u8>, before: &str, text: &str, after: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(after.as_bytes());
}

fn put_field(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    put_number(out, number);
}

fn put_page(out: &mut Vec<u8>, page: usize) {
    let (id, title) = PAGES[page];
    put_text(out, ",\"page_id\":\"", id, "\"");
    put_text(out, ",\"title\":\"", title, "\"");
}

fn put_order(out: &mut Vec<u8>, (partition, number): (u32, u64)) {
    put_field(out, ",\"order_id\":\"o", u64::from(partition));
    put_field(out, "-", number);
    out.extend_from_slice(b"\"");
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn put_halves(out: &mut Vec<u8>, halves: u64) {
    put_number(out, halves / 2);
    out.extend_from_slice(if halves & 1 == 1 { b".5" } else { b".0" });
}

fn put_hex(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 16];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15];
    }
    out.extend_from_slice(&digits);
}

/// Three neighbours share a home address, thousands share one on the road (one session in five), an attack
/// has its own.
fn put_ip(out: &mut Vec<u8>, actor: &Actor) {
    let home = actor.guid / 3;
    let road = mix(actor.guid ^ u64::from(actor.session));
    let parts = match actor.attack {
        Some(attack) => [45, mix(attack) & 255, (mix(attack) >> 8) & 255, 1 + (mix(attack) >> 16) % 254],
        None if actor.session % 5 == 4 => [100, 64 + (road & 15), (road >> 8) & 3, 1 + (road >> 16) % 254],
        None => [10, (home / 65_024) & 255, (home / 254) & 255, 1 + home % 254],
    };
    for (turn, part) in parts.into_iter().enumerate() {
        if turn > 0 {
            out.extend_from_slice(b".");
        }
        put_number(out, part);
    }
}
