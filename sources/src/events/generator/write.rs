//! Events as JSON, written by hand: a generator must not be what limits a benchmark.

use super::{
    catalogue::{CHANNELS, COUPONS, Catalogue, Item, METHODS, PAGES, SYSTEMS, TARGETS},
    kind::Kind,
    random::{mix, scale},
};

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

/// Id of an order, `oPARTITION-NUMBER`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderId {
    pub(super) partition: u32,
    pub(super) number: u64,
}

/// Content of an event; each kind uses the fields that concern it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) kind: Kind,
    pub(super) item: u16,
    pub(super) quantity: u8,
    pub(super) order: OrderId,
    /// Random bits for everything else.
    pub(super) bits: u64,
}

/// Random bits of an event, from which all its values are drawn.
#[derive(Clone, Copy)]
struct Bits(u64);

impl Bits {
    /// A number below `bound`, from the 32 bits that begin at bit `from`.
    fn below(self, from: u32, bound: u32) -> u64 {
        u64::from(scale((self.0 >> from) as u32, bound))
    }

    /// An element of `list`, by the 32 bits that begin at bit `from`.
    fn pick<T: Copy>(self, from: u32, list: &[T]) -> T {
        list[self.below(from, list.len() as u32) as usize]
    }
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
        let bits = Bits(activity.bits);
        match activity.kind {
            Kind::PageView => {
                put_page(out, bits.pick(0, &PAGES));
                put_text(out, ",\"refer\":\"", bits.pick(16, &PAGES).0, "\"");
            }
            Kind::PageLeave => {
                put_page(out, bits.pick(0, &PAGES));
                put_field(out, ",\"dur\":", 1 + bits.below(16, 180));
            }
            Kind::Search => {
                put_text(out, ",\"keyword\":\"", self.item(activity).keyword(), "\"");
                put_field(out, ",\"results\":", bits.below(0, 500));
            }
            Kind::ItemView => {
                self.put_item(out, activity);
                put_field(out, ",\"dur\":", 1 + bits.below(0, 180));
            }
            Kind::Favorite | Kind::Unfavorite | Kind::Like => self.put_item(out, activity),
            Kind::Share => {
                self.put_item(out, activity);
                put_text(out, ",\"target\":\"", bits.pick(0, &TARGETS), "\"");
            }
            Kind::Comment => {
                self.put_item(out, activity);
                put_field(out, ",\"score\":", 1 + bits.below(0, 5).max(bits.below(24, 5)));
            }
            Kind::AddCart | Kind::DelCart => self.put_amount(out, activity),
            Kind::Order | Kind::Refund => self.put_purchase(out, activity),
            Kind::Pay => {
                self.put_purchase(out, activity);
                put_text(out, ",\"method\":\"", bits.pick(0, &METHODS), "\"");
            }
            Kind::CouponGet => put_coupon(out, activity.order),
            Kind::CouponUse => {
                put_coupon(out, activity.order);
                put_order(out, activity.order);
            }
            Kind::Login => put_text(out, ",\"method\":\"", bits.pick(0, &["password", "sms"]), "\""),
            Kind::LoginFailed => {
                put_field(out, ",\"reason\":\"wrong_password\",\"account\":\"u", actor.guid);
                out.extend_from_slice(b"\"");
            }
            Kind::Logout => put_field(out, ",\"dur\":", 10 + bits.below(0, 1800)),
            Kind::AdShow | Kind::AdClick => {
                put_field(out, ",\"ad_id\":\"ad", 10 + bits.below(0, 20));
                put_text(out, "\",\"title\":\"", bits.pick(16, &PAGES).1, "\"");
            }
        }
    }

    fn item(&self, activity: &Activity) -> &Item {
        &self.catalogue.items[usize::from(activity.item)]
    }

    fn put_item(&self, out: &mut Vec<u8>, activity: &Activity) {
        out.extend_from_slice(&self.items[usize::from(activity.item)]);
    }

    fn put_amount(&self, out: &mut Vec<u8>, activity: &Activity) {
        self.put_item(out, activity);
        put_field(out, ",\"qty\":", u64::from(activity.quantity));
        out.extend_from_slice(b",\"amt\":");
        put_halves(out, u64::from(self.item(activity).halves) * u64::from(activity.quantity));
    }

    fn put_purchase(&self, out: &mut Vec<u8>, activity: &Activity) {
        put_order(out, activity.order);
        self.put_amount(out, activity);
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

fn put_page(out: &mut Vec<u8>, (id, title): (&str, &str)) {
    put_text(out, ",\"page_id\":\"", id, "\"");
    put_text(out, ",\"title\":\"", title, "\"");
}

fn put_order(out: &mut Vec<u8>, OrderId { partition, number }: OrderId) {
    put_field(out, ",\"order_id\":\"o", u64::from(partition));
    put_field(out, "-", number);
    out.extend_from_slice(b"\"");
}

fn put_coupon(out: &mut Vec<u8>, order: OrderId) {
    let (coupon, halves) = COUPONS[(mix(order.number) & 3) as usize];
    put_text(out, ",\"coupon\":\"", coupon, "\",\"amt\":");
    put_halves(out, u64::from(halves));
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
