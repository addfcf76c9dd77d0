"""A file or a mapping that cannot be used: one clear line, and nothing is written."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import BadInput
from engine.storage.imports.run import ImportRequest, run_import
from tests.engine.storage.imports.conftest import NOW, PLAIN

HEADER = "user,item,time,quantity,amount\n"
GOOD = "u1,i1,2024-01-01,1,1\n"


def refusal(shop, path, mapping=PLAIN):
    with pytest.raises(BadInput) as caught:
        shop.load(path, mapping)
    assert "\n" not in caught.value.message
    assert shop.untouched()
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.csv", b"", "is empty"),
        ("log.csv", HEADER.encode(), "holds no rows"),
        ("log.jsonl", b"", "is empty"),
        ("log.parquet", b"PAR1 this is no Parquet PAR1", "cannot be read"),
        ("log.parquet", b"user,item\n", "cannot be read"),
        ("log.xls", b"PK", "cannot tell the format from '.xls'"),
        ("log", b"PK", "cannot tell the format from no ending"),
        ("log.csv", (HEADER + GOOD).encode("utf-16"), "encoding"),
        ("log.csv", HEADER.encode() + "ü1,i1,2024-01-01,1,1\n".encode("latin-1"), "encoding"),
        ("log.csv", (HEADER + GOOD * 300_000).encode() + b"\xff,i1,2024-01-01,1,1\n", "encoding"),
        ("log.csv", HEADER.encode() + b"short,\xff\n" + GOOD.encode(), "encoding"),
        ("log.csv", b"user,item,user\n1,2,3\n", "two columns named 'user'"),
        ("log.csv", b"client,item,time,quantity,amount\na,b,2024-01-01,1,1\n", "no column 'user'"),
        ("log.csv", b"users,item,time,quantity,amount\na,b,2024-01-01,1,1\n", "did you mean 'users'"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line(shop, name, content, words):
    assert words in refusal(shop, shop.file(name, content))


def test_a_missing_column_is_named_beside_those_that_are_there(shop):
    message = refusal(shop, shop.file("log.csv", b"client,sku,when\na,b,2024-01-01\n"))
    assert "'user'" in message
    assert "client, sku, when" in message


def test_a_missing_file_a_directory_and_a_forbidden_file_are_refused(shop):
    assert "there is no file" in refusal(shop, shop.folder / "nothing.csv")
    assert "is a directory" in refusal(shop, shop.folder)
    if os.geteuid() != 0:
        file = shop.file("secret.csv", HEADER + GOOD)
        file.chmod(0)
        assert "may not be read" in refusal(shop, file)


def test_a_truncated_parquet_file_is_refused(shop):
    rows = pa.table({"user": ["u"] * 9000, "item": [f"i{n}" for n in range(9000)], "time": ["2024-01-01"] * 9000})
    file = shop.folder / "log.parquet"
    pq.write_table(rows, file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    mapping = '[events]\nuser = "user"\nitem = "item"\ntime = "time"\ntype = "view"\n'
    assert "cannot be read" in refusal(shop, file, mapping)
    # The footer is whole, so that the damage only shows while rows are read.
    file.write_bytes(content[:8] + bytes(len(content) // 2) + content[8 + len(content) // 2 :])
    assert "cannot be read" in refusal(shop, file, mapping)


def test_a_user_column_without_a_single_user_is_refused_with_that_reason(shop):
    file = shop.file("log.csv", HEADER + ",i1,2024-01-01,1,1\n" * 5)
    assert "names no user in any of 5 rows" in refusal(shop, file)


def test_a_file_without_a_mapping_is_told_what_columns_it_has(shop):
    file = shop.file("log.csv", HEADER + GOOD)
    with pytest.raises(BadInput, match="user, item, time"):
        run_import(shop.home, ImportRequest(path=file), now=NOW)
    assert shop.untouched()


def test_an_unknown_preset_is_refused_naming_those_there_are(shop):
    with pytest.raises(BadInput, match="complete-journey, online-retail, segment, taobao"):
        shop.load_preset("instacart")
    with pytest.raises(BadInput, match="needs the file"):
        shop.load_preset("taobao")
    with pytest.raises(BadInput, match="preset or a file"):
        run_import(shop.home, ImportRequest(), now=NOW)


EVENTS = '[events]\nuser = "user"\nitem = "item"\ntime = "time"\n'


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("[events\n", "no TOML"),
        ("[event]\n", "did you mean 'events'"),
        (EVENTS + 'type = "purchase"\nquantty = "quantity"\n', "did you mean 'quantity'"),
        (EVENTS + 'type = "purchas"\n', "did you mean 'purchase'"),
        (EVENTS + 'type_column = "item"\n[events.types]\nbuy = "bought"\n', "unknown event type 'bought'"),
        ('[events]\nitem = "item"\ntime = "time"\ntype = "view"\n', "names no user"),
        ('[events]\nuser = "user"\nitem = "item"\ntype = "view"\n', "names no time"),
        (EVENTS, "either type"),
        (EVENTS + 'type = "view"\ntype_column = "item"\n', "either type"),
        (EVENTS + 'type = "view"\nprice = "amount"\namount = "amount"\n', "either price"),
        (EVENTS + 'type = "view"\nzone = "Mars/Olympus"\n', "no time zone"),
        (EVENTS + 'type = "view"\ntime_format = "dd.mm.yyyy"\n', "no way to write a time"),
        (EVENTS + 'type = "view"\ntime_format = "%Q"\n', "no way to write a time"),
        (EVENTS + 'type = "view"\nproperties = "item"\n', "list of column names"),
        (EVENTS + 'type = "view"\nquantity = 3\n', "the name of a column"),
        (EVENTS + 'type = "view"\namount_unit = "cents"\n', "major, minor"),
        (EVENTS + 'type = "view"\n[file]\nencoding = "klingon"\n', "no encoding 'klingon'"),
        (EVENTS + 'type = "view"\n[file]\ndelimiter = "||"\n', "one character"),
        ("events = 3\n", "must be a table"),
    ],
)
def test_a_faulty_mapping_is_refused_in_one_line(shop, mapping, words):
    assert words in refusal(shop, shop.file("log.csv", HEADER + GOOD), mapping)


def test_numbers_as_times_are_not_guessed(shop):
    pq.write_table(pa.table({"user": ["u"], "item": ["i"], "time": [1_700_000_000]}), shop.folder / "log.parquet")
    assert "epoch" in refusal(shop, shop.folder / "log.parquet", EVENTS + 'type = "view"\n')
