//! Content of the generated shop: articles, pages, coupons, channels.

/// An article of the shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// `KEYWORD REST`; users search for the part before the first space.
    pub(super) name: &'static str,
    /// Its category.
    pub(super) cate: &'static str,
    /// Price in halves, so that every sum of prices is exact in a double.
    pub(super) halves: u32,
    /// Whether it is on sale (促销).
    pub(super) on_sale: bool,
}

/// A category: its name, and its articles as (name, price in halves, on sale).
type Category = (&'static str, &'static [(&'static str, u32, bool)]);

/// Categories; a user's interests are two of them.
pub(super) const CATEGORIES: [Category; 10] = [
    (
        "民宿",
        &[
            ("重庆民宿 解放碑江景房", 598, false),
            ("重庆民宿 洪崖洞夜景", 718, true),
            ("重庆民宿 南山温泉小院", 1199, false),
            ("成都民宿 宽窄巷子", 536, false),
            ("大理民宿 洱海海景", 898, true),
            ("厦门民宿 鼓浪屿", 659, false),
        ],
    ),
    (
        "酒店",
        &[
            ("重庆酒店 观音桥", 758, false),
            ("北京酒店 国贸商务房", 1376, false),
            ("三亚酒店 亚龙湾亲子", 2599, true),
            ("上海酒店 外滩", 1998, false),
            ("深圳酒店 会展中心", 999, true),
        ],
    ),
    (
        "男装",
        &[
            ("商务休闲 男士衬衫", 398, true),
            ("商务休闲 西装外套", 1598, false),
            ("商务休闲 直筒长裤", 458, false),
            ("商务休闲 真皮皮鞋", 1199, true),
            ("运动户外 冲锋衣", 998, false),
        ],
    ),
    (
        "箱包",
        &[
            ("女包 真皮单肩", 1599, true),
            ("女包 小方斜挎", 639, false),
            ("双肩包 电脑通勤", 517, true),
            ("行李箱 20寸登机", 758, true),
            ("钱包 头层牛皮", 397, false),
        ],
    ),
    (
        "咖啡",
        &[
            ("雀巢 1+2速溶咖啡", 99, true),
            ("雀巢 小罐速溶咖啡", 179, false),
            ("雀巢 金牌黑咖啡", 139, false),
            ("挂耳咖啡 耶加雪菲", 158, true),
            ("冻干咖啡 12杯装", 129, false),
        ],
    ),
    (
        "母婴",
        &[
            ("婴儿奶粉 三段", 596, false),
            ("纸尿裤 L码箱装", 338, true),
            ("婴儿车 轻便折叠", 1398, true),
            ("儿童绘本 睡前故事", 119, false),
            ("待产包 全套", 459, false),
        ],
    ),
    (
        "数码",
        &[
            ("蓝牙耳机 主动降噪", 998, true),
            ("折叠手机 5G", 13998, false),
            ("平板电脑 11英寸", 5198, false),
            ("智能手表 长续航", 1997, true),
            ("充电宝 快充", 239, true),
        ],
    ),
    (
        "美食",
        &[
            ("重庆火锅 双人套餐", 376, true),
            ("成都火锅 四人套餐", 656, false),
            ("广州早茶 点心拼盘", 256, false),
            ("长沙臭豆腐 礼盒", 79, true),
            ("武汉热干面 十袋装", 65, false),
        ],
    ),
    (
        "门票",
        &[
            ("上海迪士尼 一日票", 950, false),
            ("黄山门票 成人票", 380, false),
            ("九寨沟 旺季票", 380, false),
            ("张家界门票 大环线", 456, true),
            ("丽江古城 玉龙雪山", 200, false),
        ],
    ),
    (
        "机票",
        &[
            ("重庆机票 往返", 1860, true),
            ("三亚机票 往返", 2440, false),
            ("拉萨机票 单程", 2999, false),
            ("大理机票 单程", 1299, true),
        ],
    ),
];

/// Pages as (id, title); `p05` and `p10` are campaigns.
pub(super) const PAGES: [(&str, &str); 20] = [
    ("p01", "首页"),
    ("p02", "今日推荐"),
    ("p03", "重庆民宿专场"),
    ("p04", "周边游攻略"),
    ("p05", "商务休闲专场"),
    ("p06", "雀巢品牌日"),
    ("p07", "我的收藏"),
    ("p08", "购物车"),
    ("p09", "会员中心"),
    ("p10", "箱包促销"),
    ("p11", "母婴生活馆"),
    ("p12", "数码新品"),
    ("p13", "领券中心"),
    ("p14", "酒店特惠"),
    ("p15", "机票低价日历"),
    ("p16", "景点门票"),
    ("p17", "咖啡时光"),
    ("p18", "商务休闲穿搭指南"),
    ("p19", "帮助中心"),
    ("p20", "火锅美食节"),
];

/// Coupons as (code, value in halves).
pub(super) const COUPONS: [(&str, u32); 4] = [("299-20", 40), ("99-5", 10), ("599-60", 120), ("new-10", 20)];

/// Targets of shares.
pub(super) const TARGETS: [&str; 4] = ["wechat", "moments", "weibo", "qq"];

/// Payment methods.
pub(super) const METHODS: [&str; 3] = ["wechat_pay", "alipay", "card"];

/// Channels; chosen by session.
pub(super) const CHANNELS: [&str; 4] = ["app", "mini", "h5", "web"];

/// Operating systems; chosen by device.
pub(super) const SYSTEMS: [&str; 4] = ["android-14", "ios-17.4", "harmony-4", "windows-11"];

/// All articles, ordered by category.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// All articles, category by category.
    pub(super) items: Vec<Item>,
    /// Position of the first article of each category, and one past the last article of all.
    starts: Vec<u32>,
}

impl Catalogue {
    pub(super) fn new() -> Catalogue {
        let mut items = Vec::new();
        let mut starts = vec![0];
        for (cate, articles) in CATEGORIES {
            items.extend(articles.iter().map(|&(name, halves, on_sale)| Item {
                name,
                cate,
                halves,
                on_sale,
            }));
            starts.push(items.len() as u32);
        }
        Catalogue { items, starts }
    }

    /// Position of a category's first article, and the number of its articles.
    pub(super) fn category(&self, category: usize) -> (u32, u32) {
        (self.starts[category], self.starts[category + 1] - self.starts[category])
    }
}

impl Item {
    /// The search term that finds it.
    pub(super) fn keyword(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(keyword, _)| keyword)
    }
}
