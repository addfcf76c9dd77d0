"""Guess: a mapping to correct, from the names of a file's columns and from what stands in them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from engine.errors import BadInput
from engine.storage.imports.sources import CsvForm, form_of, open_source

_SAMPLE = 500  # rows
_MOST = 0.9  # of them, so many have what a column is taken for
#: What columns are called, in English and Chinese; spaces, signs and capitals do not count.
_NAMES: Mapping[str, str] = {
    "events.user": "user userid customer customerid customernumber buyer buyerid member memberid uid client household"
    " householdid visitor 用户 用户id 用户编号 会员 会员名 会员id 会员编号"
    " 买家 买家会员名 买家昵称 客户 客户id 客户编号",
    "events.session": "session sessionid visit visitid anonymousid 会话 会话id",
    "events.item": "item itemid product productid sku stockcode article articleid goods goodsid asin"
    " 商品 商品id 商品编号 宝贝id 宝贝编号 货号 商家编码",
    "events.time": "time timestamp date datetime createdat orderdate invoicedate eventtime purchasedate purchasedat day"
    " 时间 日期 时间戳 付款时间 订单付款时间 支付时间 下单时间 订单创建时间 成交时间 行为时间",
    "events.type_column": "event eventtype eventname type action behavior behaviour behaviortype"
    " 行为 行为类型 事件 操作",
    "events.quantity": "quantity qty count pieces units 数量 购买数量 宝贝数量 商品数量 件数",
    "events.amount": "amount total paid linetotal revenue sales salesvalue amountpaid"
    " 金额 实付金额 实付 买家实际支付金额 总金额 支付金额 成交金额",
    "events.list_amount": "listamount amountbeforediscount 应付金额 买家应付货款 原价金额",
    "events.price": "price unitprice itemprice 单价 价格 商品单价",
    "events.order": "order orderid ordernumber invoice invoiceno basket basketid transaction transactionid"
    " 订单 订单号 订单编号 订单id",
    "events.currency_column": "currency currencycode 币种 货币",
    "events.coupon": "coupon couponcode vouchercode 优惠券 优惠码",
    "items.name": "title itemname productname productitle description 商品名称 商品名 宝贝标题 宝贝名称 商品标题",
    "items.brand": "brand manufacturer 品牌",
    "items.categories": "category categoryname department productcategory categoryid 类目 分类 品类 商品类目 商品分类",
    "users.region": "region city province state country 地区 省份 城市 省",
    "users.gender": "gender sex 性别",
    "users.age_band": "ageband agegroup agerange 年龄段",
    "users.birthday": "birthday birthdate dateofbirth 生日",
}
_TYPES: Mapping[str, str] = {
    "purchase": "purchase buy bought order sale pay transaction 购买 下单 付款 支付 成交",
    "view": "view pv browse pageview detail impressiondetail 浏览 访问 查看",
    "click": "click 点击",
    "cart_add": "cart addtocart addcart basket 加购 加购物车 加入购物车",
    "wishlist_add": "fav favorite favourite wishlist like collect 收藏 喜欢",
    "search": "search query 搜索",
    "return": "return refund returned 退货 退款",
}
_TIMES = (
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y%m%d%H%M%S", "%Y%m%d"),
    *("%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"),
)


def guess_mapping(path: Path, target: Path | None = None) -> str:
    """The text of a mapping for the file, with comments that say what it was guessed from and what is missing.

    `target` is where it will lie: beside the file, under its name with .toml, where none is named.
    Raises BadInput for a file that cannot be read, and for JSON lines, whose keys may be anywhere.
    """
    form = form_of(path)
    if form == "jsonl":
        raise BadInput(f"{path}: columns of JSON lines are not guessed; write the mapping by hand", field="path")
    delimiter = _delimiter(path) if form == "csv" else None
    source = open_source(path, form, CsvForm(delimiter))
    first = next(iter(source.batches()), None)
    values = {
        name: [] if first is None else [str(each) for each in first.column(place).slice(0, _SAMPLE).to_pylist() if each]
        for place, name in enumerate(source.columns)
    }
    return "\n".join(_lines(path, target or beside(path), values, delimiter)) + "\n"


def write_guess(path: Path, target: Path | None = None) -> Path:
    """Put the guess beside the file or where `target` says; its place. What is there is left alone (BadInput)."""
    target = target or beside(path)
    text = guess_mapping(path, target)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise BadInput(f"{target} is there already; move it away, or import with it", field="path") from None
    return target


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.toml")


def _lines(path: Path, target: Path, values: Mapping[str, Sequence[str]], delimiter: str | None) -> Iterable[str]:
    found = _columns(values)
    chinese = any(re.search("[\u4e00-\u9fff]", name) for name in values)
    yield f"# Guessed from the first rows of {json.dumps(path.name, ensure_ascii=False)}. Look it over, then:"
    yield f"#   hawker import {shlex.quote(path.name)} --mapping {shlex.quote(target.name)}"
    unused = [name for name in values if name not in found.values()]
    yield f"# Columns: {json.dumps(list(values), ensure_ascii=False)}"
    yield f"# Not used: {json.dumps(unused, ensure_ascii=False)}" if unused else "# All of them are used."
    file = [f"delimiter = {_quoted(delimiter)}"] if delimiter not in (None, ",") else []
    amounts = values.get(found.get("events.amount", found.get("events.price", "")), ())
    if any(re.search(r",\d{1,2}$", text) for text in amounts):
        file.append('decimal = ","')
    if file:
        yield from ("", "[file]", *file)
    yield from ("", "[events]")
    yield from _people_items_and_times(found, values, chinese=chinese)
    yield from _type(found, values)
    for key in ("quantity", "amount", "list_amount", "price", "order", "currency_column", "coupon"):
        if (name := found.get(f"events.{key}")) and not (key == "price" and "events.amount" in found):
            yield f"{key} = {_quoted(name)}"
    if "events.currency_column" not in found:
        yield 'currency = "CNY"  # guessed from the language' if chinese else '# currency = "EUR"  # which one is it?'
    yield from _types_table(found, values)
    for section in ("items", "users"):
        told = [(key, name) for key, name in found.items() if key.startswith(section)]
        if told:
            yield from ("", f"[{section}]")
        for key, name in told:
            value = f"[{_quoted(name)}]" if key == "items.categories" else _quoted(name)
            yield f"{key.partition('.')[2]} = {value}"


def _people_items_and_times(
    found: Mapping[str, str], values: Mapping[str, Sequence[str]], *, chinese: bool
) -> Iterable[str]:
    people = [key for key in ("user", "session") if f"events.{key}" in found]
    for key in (*(people or ("user",)), "item", "time"):
        name = found.get(f"events.{key}")
        yield f"{key} = {_quoted(name)}" if name else f'# {key} = "..."  # NOT FOUND: name the column'
    if (name := found.get("events.time")) and (form := _time_format(values[name])):
        both = form.startswith("%d/%m") and _time_format(values[name], ("%m/%d" + form[5:],))
        yield f"time_format = {_quoted(form)}" + ("  # day first, or month first?" if both else "")
    yield 'zone = "Asia/Shanghai"  # guessed from the language' if chinese else '# zone = "Europe/Berlin"  # else UTC'


def _type(found: Mapping[str, str], values: Mapping[str, Sequence[str]]) -> Iterable[str]:
    if name := found.get("events.type_column"):
        yield f"type_column = {_quoted(name)}"
        return
    bought = {"events.amount", "events.price", "events.quantity", "events.order"} & set(found)
    yield (
        'type = "purchase"  # no column says what happened'
        if bought
        else 'type = "view"  # no column says what happened'
    )


def _types_table(found: Mapping[str, str], values: Mapping[str, Sequence[str]]) -> Iterable[str]:
    name = found.get("events.type_column")
    if name is None:
        return
    yield from ("", "[events.types]")
    for value in dict.fromkeys(values[name]):
        ours = next((kind for kind, words in _TYPES.items() if _bare(value) in words.split()), None)
        told = f"{_quoted(value)} = {_quoted(ours or '...')}"
        yield told if ours else f"# {told}  # which one is it?"


def _columns(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Our keys and the columns that are called so; the first name of a list is the best."""
    found: dict[str, str] = {}
    for key, listed in _NAMES.items():
        names = listed.split()
        called = {_bare(column): column for column in reversed(list(values)) if column not in found.values()}
        best = next((called[name] for name in names if name in called and _fits(key, values[called[name]])), None)
        if best is not None:
            found[key] = best
    return found


def _fits(key: str, sample: Sequence[str]) -> bool:
    """Whether the values can be what the name says; an empty column fits everything."""
    checks: Mapping[str, Callable[[str], bool]] = {
        "events.quantity": _is_number,
        "events.amount": _is_number,
        "events.price": _is_number,
        "events.list_amount": _is_number,
    }
    if key == "events.time":
        return not sample or _time_format(sample) is not None
    return key not in checks or _mostly(checks[key], sample)


def _mostly(check: Callable[[str], bool], sample: Sequence[str]) -> bool:
    """A shop's file has a few bad cells, which the import sets aside."""
    return sum(map(check, sample)) >= _MOST * len(sample)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.,]+", text.strip()) is not None


def _time_format(sample: Sequence[str], forms: Sequence[str] = _TIMES) -> str | None:
    """The form that most values have: "" for ISO-8601, None for none."""
    texts = [each.strip() for each in sample]
    if forms is _TIMES:
        if texts and _mostly(lambda each: re.fullmatch(r"\d{10}", each) is not None, texts):
            return "epoch"
        if texts and _mostly(lambda each: re.fullmatch(r"\d{13}", each) is not None, texts):
            return "epoch_ms"
        if _mostly(_is_iso, texts):
            return ""
    # Of two that mostly fit, such as day first and month first, the one that fits more.
    having = {form: sum(_has_form(each, form) for each in texts) for form in forms}
    best = max(having, key=lambda form: having[form])
    return best if having[best] >= _MOST * len(texts) else None


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "-" in text


def _has_form(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 (the zone is another key of the mapping)
    except ValueError:
        return False
    return True


def _delimiter(path: Path) -> str:
    with path.open("rb") as file:
        head = file.readline(1 << 20)
    default = b"\t" if path.suffix.lower() == ".tsv" else b","
    best = max((default, b",", b";", b"\t", b"|"), key=head.count)
    return (best if head.count(best) else default).decode()


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _quoted(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)
