//! Kinds of events.

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
    /// The event id.
    pub(super) const fn id(self) -> &'static str {
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
