"""Excel, GB18030, Chinese headers, and mappings that are guessed."""

from __future__ import annotations

import tomllib
import zipfile
from datetime import UTC, datetime

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
    """A workbook of texts and numbers, written by hand: (name, rows) a sheet."""
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
            lines = ""
            for row, cells in enumerate(rows, 1):
                told = ""
                for place, cell in enumerate(cells):
                    name = f"{chr(65 + place)}{row}"
                    if isinstance(cell, str):
                        told += f'<c r="{name}" t="inlineStr"><is><t>{cell}</t></is></c>'
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
