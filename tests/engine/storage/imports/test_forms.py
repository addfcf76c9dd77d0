"""Excel, GB18030, Chinese headers, and mappings that are guessed."""

from __future__ import annotations

import tomllib
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import BadInput
from engine.storage.home import Home
from engine.storage.imports import mapping
from engine.storage.imports.encodings import encoding_of
from engine.storage.imports.guess import guess_mapping, write_guess
from engine.storage.imports.run import ImportRequest, run_import
from engine.storage.imports.sheets import read_sheet
from engine.storage.lake import Lake

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ORDERS = (
    "订单编号,买家会员名,商品ID,宝贝标题,数量,实付金额,付款时间,省份\n"
    "7,张三,p1,牛奶 一升,2,25.80,2025-12-31 08:00:00,浙江\n"
)


def brought_in(folder, path, told):
    home = Home(folder / "home")
    report = run_import(home, ImportRequest(path=path, mapping=told), now=NOW)
    return report, Lake(home)


def workbook(path, *sheets):
    """A workbook of texts, numbers and times, written by hand: (name, rows) a sheet; rows may be XML."""
    kinds = "http://schemas.openxmlformats.org"
    with zipfile.ZipFile(path, "w") as book:
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in enumerate(sheets, 1))
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{kinds}/spreadsheetml/2006/main" xmlns:r="{kinds}/officeDocument/2006/relationships">'
            f"<sheets>{listed}</sheets></workbook>",
        )
        relations = "".join(
            f'<Relationship Id="r{n}" Type="{kinds}/officeDocument/2006/relationships/worksheet"'
            f' Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        relations += (
            f'<Relationship Id="s" Type="{kinds}/officeDocument/2006/relationships/styles" Target="styles.xml"/>'
        )
        book.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{kinds}/spreadsheetml/2006/main"><cellXfs count="2"><xf numFmtId="0"/>'
            '<xf numFmtId="22"/></cellXfs></styleSheet>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{kinds}/package/2006/relationships">{relations}</Relationships>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{kinds}/package/2006/relationships"><Relationship Id="r0"'
            f' Type="{kinds}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
        )
        book.writestr("[Content_Types].xml", f'<Types xmlns="{kinds}/package/2006/content-types"/>')
        for number, (_, rows) in enumerate(sheets, 1):
            lines = rows if isinstance(rows, str) else ""
            for row, cells in enumerate([] if lines else rows, 1):
                told = ""
                for place, cell in enumerate(cells):
                    name = f"{chr(65 + place)}{row}"
                    if isinstance(cell, str):
                        told += f'<c r="{name}" t="inlineStr"><is><t>{cell}</t></is></c>'
                    elif isinstance(cell, datetime):
                        days = (cell - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001 (as Excel has it)
                        told += f'<c r="{name}" s="1"><v>{days!r}</v></c>'
                    elif cell is not None:
                        told += f'<c r="{name}"><v>{cell}</v></c>'
                lines += f'<row r="{row}">{told}</row>'
            book.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{kinds}/spreadsheetml/2006/main"><sheetData>{lines}</sheetData></worksheet>',
            )
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_an_order_export_in_chinese_is_guessed_and_imported_as_it_is(tmp_path, encoding):
    path = tmp_path / "订单.csv"
    path.write_bytes(ORDERS.encode(encoding))
    told = write_guess(path)
    report, lake = brought_in(tmp_path, path, told)
    assert (report.stored, report.quarantined) == (1, 0)
    (event,) = lake.events().to_pylist()
    assert (event["user_id"], event["item_id"], event["order_id"]) == ("张三", "p1", "7")
    assert (event["quantity"], event["amount"], event["currency"], event["type"]) == (2.0, 2580, "CNY", "purchase")
    assert event["time"] == datetime(2025, 12, 31, tzinfo=UTC)
    assert lake.items().to_pylist()[0]["name"] == "牛奶 一升"
    assert lake.users().to_pylist()[0]["region"] == "浙江"


def test_the_columns_of_a_taobao_order_export_are_all_known_but_the_remarks(tmp_path):
    """As the seller's export has them: long numbers protected from spreadsheets, no marks at empty cells, GB18030."""
    path = tmp_path / "ExportOrderList.csv"
    text = (
        "订单编号,买家会员名,买家应付货款,买家实际支付金额,订单创建时间,订单付款时间,宝贝标题,宝贝数量,收货地址\n"
        '"=""4612345678901234567""",小明,30.00,25.80,2025-12-01 10:00:00,2025-12-01 10:00:09,牛奶 一升,2,浙江省杭州市\n'
    )
    path.write_bytes(text.encode("gb18030"))
    told = write_guess(path)
    assert '# item = "..."  # NOT FOUND' in told.read_text()
    told.write_text(told.read_text().replace('# item = "..."', 'item = "宝贝标题"'))
    report, lake = brought_in(tmp_path, path, told)
    assert report.stored == 1
    (event,) = lake.events().to_pylist()
    assert (event["order_id"], event["user_id"], event["item_id"]) == ("4612345678901234567", "小明", "牛奶 一升")
    assert (event["amount"], event["list_amount"], event["quantity"]) == (2580, 3000, 2)
    assert event["time"] == datetime(2025, 12, 1, 2, 0, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"a,b\n1,2\n", "utf-8"),
        (b"", "utf-8"),
        ("a\n" * 700_000 + "名\n").encode("gb18030")
        and (("a\n" * 700_000 + "名字名字\n").encode("gb18030"), "gb18030"),
        ("café\n".encode(), "utf-8"),
        ("用户,时间\n".encode("gb18030"), "gb18030"),
    ],
)
def test_encodings_are_found_out(tmp_path, content, encoding):
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    assert encoding_of(path) == encoding


@pytest.mark.parametrize(
    "content", ["café crème\n".encode("latin-1"), b"\xff\xfea\x00", b"\x80\n", "Müßig, Käse\n".encode("cp1252")]
)
def test_an_encoding_that_is_neither_is_to_be_named(tmp_path, content):
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        encoding_of(path)
    assert refused.value.code == "wrong_encoding"


def test_a_workbook_is_imported_from_its_first_or_its_named_sheet(tmp_path):
    rows = [[], ["customer", "sku", "bought", "qty"], [17850.0, "p1", "2025-01-31", 2], [None, None, None, None]]
    other = [["customer", "sku", "bought"], ["zoë", "p2", "2025-02-01T10:00:00Z"]]
    path = workbook(tmp_path / "orders.xlsx", ("Jan", rows), ("Feb 二月", other))
    told = tmp_path / "map.toml"
    text = '[events]\nuser = "customer"\nitem = "sku"\ntime = "bought"\ntype = "purchase"\n'
    told.write_text(text)
    _, lake = brought_in(tmp_path, path, told)
    assert [each["user_id"] for each in lake.events().to_pylist()] == ["17850"]
    told.write_text(f'[file]\nsheet = "Feb 二月"\n{text}')
    _, lake = brought_in(tmp_path, path, told)
    assert sorted(each["user_id"] for each in lake.events().to_pylist()) == ["17850", "zoë"]


def test_what_is_no_workbook_or_lacks_the_sheet_or_a_name_is_refused(tmp_path):
    path = tmp_path / "no.xlsx"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(BadInput, match="cannot be read as an Excel workbook"):
        read_sheet(path, None)
    path = workbook(tmp_path / "some.xlsx", ("Jan", [["a", None], ["1", "2"]]), ("Empty", []))
    with pytest.raises(BadInput, match="it has Jan, Empty"):
        read_sheet(path, "Feb")
    with pytest.raises(BadInput, match="column 2 has values and no name"):
        read_sheet(path, None)
    with pytest.raises(BadInput, match="holds no rows"):
        read_sheet(path, "Empty")


def test_times_ids_with_zeros_and_empty_cells_of_a_workbook_arrive_as_they_are_shown(tmp_path):
    """Each kind of cell that a sheet of orders has, through a guessed mapping, in the zone of the shop."""
    head = ["订单编号", "会员名", "货号", "数量", "实付金额", "付款时间", "备注"]
    noon = datetime(2025, 7, 1, 12, 30, 15)  # noqa: DTZ001 (Excel knows no zone)
    rows = [
        head,
        ["0071", "00123", 9000001, 2, 25.8, noon, "送礼"],
        ["0072", 8.5, "A-1", 1.0, None, datetime(2025, 7, 2), None],  # noqa: DTZ001
        ["0073", None, "A-1", 1.0, 3, noon, None],
        ["0074", "x", "A-1", "两", 3, noon, None],
        *([f"008{n}", "00123", "A-2", 1, 9.9, noon, None] for n in range(8)),
        [None, None, None, None, None, None, "合计"],
    ]
    path = workbook(tmp_path / "订单.xlsx", ("订单", rows))
    told = write_guess(path, tmp_path / "mine.toml")
    assert '# Not used: ["备注"]' in told.read_text()
    report, lake = brought_in(tmp_path, path, told)
    assert (report.read, report.stored, report.quarantined) == (13, 10, 3)
    first, second, *_ = lake.events().sort_by("order_id").to_pylist()
    assert (first["user_id"], first["item_id"], first["order_id"]) == ("00123", "9000001", "0071")
    assert (first["quantity"], first["amount"], first["time"]) == (
        2.0,
        2580,
        datetime(2025, 7, 1, 4, 30, 15, tzinfo=UTC),
    )
    assert (second["user_id"], second["amount"]) == ("8.5", None)
    assert second["time"] == datetime(2025, 7, 1, 16, tzinfo=UTC)


def test_a_damaged_workbook_is_refused_in_one_line(tmp_path):
    path = workbook(tmp_path / "whole.xlsx", ("Jan", [["a", "b"], *([str(n), n] for n in range(2000))]))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    at = whole.index(b"<sheetData>") + 5_000
    flipped[at : at + 200] = bytes(200)
    cut = workbook(tmp_path / "cut.xlsx", ("Jan", '<row r="1"><c r="A1"><v>1</v')).read_bytes()
    for content in (whole[: len(whole) // 2], bytes(flipped), cut, b"\xd0\xcf\x11\xe0" + bytes(600)):
        path.write_bytes(content)
        with pytest.raises(BadInput) as refused:
            read_sheet(path, None)
        assert refused.value.code == "unreadable_file"
        assert "\n" not in refused.value.message


def test_a_forgotten_cell_in_the_last_corner_of_a_sheet_does_not_end_the_process(tmp_path):
    filler = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 60_000))
    path = workbook(tmp_path / "a.xlsx", ("Jan", filler + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))
    with pytest.raises(BadInput, match="row 1,048,576 and column 16,384") as refused:
        read_sheet(path, None)
    assert refused.value.code == "too_large"
    _, rows = read_sheet(workbook(tmp_path / "b.xlsx", ("Jan", filler)), None)
    assert len(rows) == 59_998


def test_json_lines_in_gb18030_are_reached_by_chinese_keys(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes('{"用户": {"编号": "张三"}, "商品": "p1", "时间": "2025-12-31"}\n'.encode("gb18030"))
    told = tmp_path / "map.toml"
    told.write_text('[events]\nuser = "用户.编号"\nitem = "商品"\ntime = "时间"\ntype = "view"\n', encoding="utf-8")
    report, lake = brought_in(tmp_path, path, told)
    assert report.stored == 1
    assert lake.events().to_pylist()[0]["user_id"] == "张三"


def test_english_columns_delimiters_decimals_and_types_are_guessed(tmp_path):
    path = tmp_path / "log.csv"
    rows = "5;a;31/12/2025 10:00;buy;1,50\n5;a;31/12/2025 10:01;odd;2,00\n"
    path.write_text(f"CustomerID;Stock Code;Invoice Date;Event Type;Amount\n{rows}")
    told = tomllib.loads(guess_mapping(path))
    mapping.check_mapping(told)
    assert told["file"] == {"delimiter": ";", "decimal": ","}
    assert told["events"] == {
        "user": "CustomerID", "item": "Stock Code", "time": "Invoice Date", "time_format": "%d/%m/%Y %H:%M",
        "type_column": "Event Type", "amount": "Amount", "types": {"buy": "purchase"},
    }  # fmt: skip
    assert '"odd" = "..."' in guess_mapping(path)


@pytest.mark.parametrize(
    ("times", "form"),
    [
        (["1735689600"], "epoch"),
        (["1735689600000"], "epoch_ms"),
        (["2025-01-01 10:00"], None),
        (["2025/1/2 10:00"], "%Y/%m/%d %H:%M"),
        (["1/2/2025", "12/31/2025"], "%m/%d/%Y"),
        (["20250131"], "%Y%m%d"),
        (["1/2/2025"] * 19 + ["13/2/2025", "never"], "%d/%m/%Y"),
        (["2025-01-01"] * 9 + ["?"], None),
    ],
)
def test_times_are_guessed_from_their_values(tmp_path, times, form):
    path = tmp_path / "t.csv"
    path.write_text("user_id,item_id,time\n" + "".join(f"u,i,{each}\n" for each in times))
    assert tomllib.loads(guess_mapping(path))["events"].get("time_format") == form


def test_what_is_not_found_is_said_and_nothing_is_overwritten(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("x,y\n1,2\n")
    text = guess_mapping(path)
    assert '# user = "..."  # NOT FOUND' in text
    assert '# time = "..."  # NOT FOUND' in text
    target = write_guess(path)
    target.write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        write_guess(path)
    assert target.read_text() == "mine"
    with pytest.raises(BadInput, match="JSON lines"):
        lines = tmp_path / "a.jsonl"
        lines.write_text("{}")
        guess_mapping(lines)
