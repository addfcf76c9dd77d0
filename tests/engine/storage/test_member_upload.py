"""Uploads of user lists: what is read, and what each bad line is told."""

from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.storage.member_upload import UploadRefused, read_upload

KNOWN = {"u1", "u2", "李雷", "-", "u,3", "-7"}


def read(content, **options):
    content = content.encode() if isinstance(content, str) else content
    return read_upload(content, lambda ids: KNOWN & set(ids), **options)


@pytest.mark.parametrize(
    "content",
    [
        "user_id\nu1\nu2\n",
        "\ufeffuser_id\r\nu1\r\nu2\r\n\r\n",
        "name;USER_ID\nA;u1\nB;u2",
        "user_id\tname\n u1 \tA\n\nu2\tB\n",
        '"user_id"\n"u1"\n"u2"\n',
    ],
)
def test_files_as_spreadsheets_write_them_are_read(content):
    assert read(content).user_ids == ("u1", "u2")


def test_chinese_files_are_read_in_both_encodings():
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        assert read("user_id\n李雷\nu1\n".encode(encoding)).user_ids == ("李雷", "u1")
    with pytest.raises(BadInput, match="UTF-8"):
        read("user_id\nJosé\n".encode("latin-1"))


def test_every_bad_line_is_told_with_its_place_and_a_way_out():
    content = 'user_id\nu1\n=cmd()\nnobody\nu1\n""\n@SUM(A1)\n-2+3\n-7\n-\n' + "x" * 600 + '\n"u,3"\n'
    with pytest.raises(UploadRefused) as refused:
        read(content)
    assert [(each.line, each.code) for each in refused.value.refused] == [
        (3, "formula"),
        (4, "unknown_user"),
        (5, "doubled"),
        (6, "empty"),
        (7, "formula"),
        (8, "formula"),
        (11, "bad_id"),
    ]
    assert (refused.value.position, refused.value.field) == (3, "user_id")
    assert "7 more" not in refused.value.message and "6 more lines" in refused.value.message
    assert all("skip" in each.message for each in refused.value.refused)
    assert "stands in line 2 already" in refused.value.refused[2].message


def test_lines_are_skipped_by_the_reasons_that_are_named_and_no_others():
    content = "user_id\nu1\nnobody\nu1\n=1\n"
    read_all = read(content, skip=["unknown_user", "doubled", "formula"])
    assert (read_all.user_ids, len(read_all.refused)) == (("u1",), 3)
    with pytest.raises(UploadRefused) as refused:
        read(content, skip=["doubled"])
    assert [each.code for each in refused.value.refused] == ["unknown_user", "formula"]
    with pytest.raises(BadInput, match="'all'"):
        read(content, skip=["all"])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "no_header"),
        ("u1\nu2\n", "no_header"),
        ("user_id,user_id\na,b\n", "no_header"),
        ('user_id\n"u1\n', "bad_csv"),
        ('user_id\n"u1"x\n', "bad_csv"),
        ("user_id\n" + '"' + "a" * 200_000 + '"\n', "bad_csv"),
        (b"user_id\n\xff\xfe\x00\x01\n", "wrong_encoding"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(content, code):
    with pytest.raises(BadInput) as refused:
        read(content)
    assert refused.value.code == code
