"""The words of the campaign templates in Chinese: name, subject, text. What customers read; edit them as drafts."""

from __future__ import annotations

from collections.abc import Mapping

_HELLO = "{% if user.name %}{{ user.name }}，{% endif %}您好：\n\n"
_GIFT = "{% if code %}\n\n您的“{{ offer.name }}”券码：{{ code }}{% endif %}"

WORDS_ZH: Mapping[str, tuple[str, str, str]] = {
    "membership": ("会员邀请", "邀您成为会员", _HELLO + "感谢您一直以来的支持。成为会员，专属优惠抢先看。" + _GIFT),
    "points": ("积分", "购物攒积分", _HELLO + "每次下单、参加活动都能获得积分，可在账户中兑换优惠券和礼品。"),
    "vip_care": ("VIP 关怀", "您的专属客服", _HELLO + "我们为尊贵的您安排了专属客服，有任何需要请直接回复。" + _GIFT),
    "recommend": ("个性化推荐", "为您精选", _HELLO + "我们按您的喜好挑选了一些商品，欢迎到您的主页看看。" + _GIFT),
    "news": ("促销资讯", "本周活动", _HELLO + "本周有新的促销活动上线，欢迎选购。" + _GIFT),
    "coupon": (
        "优惠券", "{% if offer %}{{ offer.name }}送给您{% else %}送您一份心意{% endif %}",
        _HELLO + "好久没有收到您的订单了，这份优惠希望您用得上。" + _GIFT,
    ),
    "activity": ("互动活动", "参与有礼", _HELLO + "本周店内有互动活动，一分钟即可参与。" + _GIFT),
    "cross_sell": ("交叉销售", "与您所购更配", _HELLO + "买过同款的顾客也喜欢这些商品，欢迎到您的主页看看。" + _GIFT),
    "win_back": ("召回", "好久不见", _HELLO + "好久不见。如有不满意之处请回复告诉我们，我们会认真处理。" + _GIFT),
    "invite": ("邀请分享", "分享给好友", _HELLO + "感谢您的好评。邀请好友，双方都有礼。" + _GIFT),
    "apology": ("致歉", "向您致歉", _HELLO + "给您带来不便，深表歉意。已有专人跟进并将与您联系，如有补充请直接回复。"),
    "social_activity": ("社交活动", "拼团更优惠", _HELLO + "本周拼团活动进行中，约上好友一起来。" + _GIFT),
    "newcomer": ("新人礼", "感谢您的首单", _HELLO + "感谢您的首次下单，第二单我们准备了一份礼物。" + _GIFT),
    "regional": ("地域商品与活动", "您所在地区的新鲜事", _HELLO + "我们为您所在的地区准备了商品和活动。" + _GIFT),
    "interest": ("兴趣商品与活动", "您喜欢的类目上新了", _HELLO + "您关注的类目有新品上架。" + _GIFT),
    "greeting": (
        "生日问候", "{% if user.name %}{{ user.name }}，{% endif %}生日快乐",
        _HELLO + "生日快乐！一份小礼物送给您。" + _GIFT,
    ),
    "holiday": ("节日问候", "节日快乐", _HELLO + "祝您和家人节日快乐。" + _GIFT),
    "double_11": ("双11", "您的双11专属", _HELLO + "双11明天开始，我们提前为您挑选了这份优惠，先到先得。" + _GIFT),
    "618": ("618", "您的618专属", _HELLO + "618明天开始，我们提前为您挑选了这份优惠，先到先得。" + _GIFT),
    "cart_reminder": ("购物车提醒", "购物车里还有商品", _HELLO + "您加入购物车的商品还在等您。" + _GIFT),
    "due_again": ("复购提醒", "该补货了吗", _HELLO + "按您的购买习惯，差不多该补货了，上次的商品一键可购。" + _GIFT),
    "ask_opinion": ("满意度调查", "您还满意吗", _HELLO + "您的订单已送达几天，使用感受如何？您的反馈对我们很重要。"),
    "welcome": ("欢迎", "欢迎光临", _HELLO + "很高兴认识您，欢迎随便逛逛。" + _GIFT),
    "price_drop": ("降价提醒", "您收藏的商品降价了", _HELLO + "您收藏的商品降价了，欢迎查看。" + _GIFT),
}  # fmt: skip
