"""The words of the campaign templates in English: name, subject, text. What customers read; edit them as drafts."""

from __future__ import annotations

from collections.abc import Mapping

_HELLO = "Hello{% if user.name %} {{ user.name }}{% endif %},\n\n"
_GIFT = "{% if code %}\n\nYour code for {{ offer.name }}: {{ code }}{% endif %}"

WORDS_EN: Mapping[str, tuple[str, str, str]] = {
    "membership": (
        "Membership", "An invitation for our regulars",
        _HELLO + "you are with us often, and we thank you: as a member you see our exclusive offers first." + _GIFT,
    ),
    "points": (
        "Points", "Your orders earn points",
        _HELLO + "every order and every activity earns points. Exchange them for coupons and gifts in your account.",
    ),
    "vip_care": (
        "VIP care", "Somebody of your own at our shop",
        _HELLO + "for our best customers somebody is there in person. Answer this message with whatever you need."
        + _GIFT,
    ),
    "recommend": (
        "Recommendations", "Chosen for you",
        _HELLO + "we put together what fits what you like. Have a look at your page." + _GIFT,
    ),
    "news": (
        "Promotion news", "What is on this week", _HELLO + "new offers are in the shop this week." + _GIFT,
    ),
    "coupon": (
        "Coupon", "{% if offer %}{{ offer.name }} for you{% else %}Something for you{% endif %}",
        _HELLO + "we have not seen an order of yours for a while. Here is a reason for the next one." + _GIFT,
    ),
    "activity": (
        "Activity", "Take part, and win",
        _HELLO + "this week there is something to take part in, in the shop. It takes a minute." + _GIFT,
    ),
    "cross_sell": (
        "Cross-sell", "Goes well with what you have",
        _HELLO + "others who bought what you bought liked these, too. Have a look at your page." + _GIFT,
    ),
    "win_back": (
        "Win back", "We miss you",
        _HELLO + "it has been long. If something was wrong, answer this message, and we will see to it." + _GIFT,
    ),
    "invite": (
        "Invite friends", "Tell your friends",
        _HELLO + "you were content, and we are glad. Invite a friend, and both of you get something." + _GIFT,
    ),
    "apology": (
        "Apology", "We are sorry",
        _HELLO + "something went wrong, and we apologise. Somebody looks at it in person and will write to you."
        " Answer this message if there is anything else we should know.",
    ),
    "social_activity": (
        "Social activity", "Together it is cheaper",
        _HELLO + "bring friends along: our group activity is on this week." + _GIFT,
    ),
    "newcomer": (
        "Newcomer's offer", "Thank you for your first order",
        _HELLO + "thank you for your first order. For the second there is something from us." + _GIFT,
    ),
    "regional": (
        "In your region", "New where you live",
        _HELLO + "there are goods and events for your region in the shop." + _GIFT,
    ),
    "interest": (
        "Your interest", "New among what you like",
        _HELLO + "there is something new among what you like most." + _GIFT,
    ),
    "greeting": (
        "Birthday", "Happy birthday{% if user.name %}, {{ user.name }}{% endif %}",
        _HELLO + "happy birthday! Here is a small gift for your day." + _GIFT,
    ),
    "holiday": (
        "Holiday", "Our best wishes for the holiday",
        _HELLO + "we wish you a good holiday with those you love." + _GIFT,
    ),
    "double_11": (
        "Double 11", "Yours for Double 11",
        _HELLO + "Double 11 begins tomorrow. We chose this for you beforehand, as long as it lasts." + _GIFT,
    ),
    "618": (
        "618", "Yours for 618",
        _HELLO + "618 begins tomorrow. We chose this for you beforehand, as long as it lasts." + _GIFT,
    ),
    "cart_reminder": (
        "Left in the cart", "Still in your cart",
        _HELLO + "what you put into your cart is still there." + _GIFT,
    ),
    "due_again": (
        "Due again", "Time for more?",
        _HELLO + "by your own rhythm it is about time. What you last ordered is one click away." + _GIFT,
    ),
    "ask_opinion": (
        "Ask for an opinion", "How was it?",
        _HELLO + "your order arrived a few days ago. How was it? Two minutes of yours help us and others.",
    ),
    "welcome": ("Welcome", "Welcome", _HELLO + "good to have you here. Have a look around." + _GIFT),
    "price_drop": (
        "Price drop", "Cheaper now",
        _HELLO + "something that you saved became cheaper. Have a look at your list." + _GIFT,
    ),
}  # fmt: skip
