"""What is compiled takes the types that it was compiled for, wherever it comes from."""

from __future__ import annotations

import os

import numpy as np
import pytest

from engine.compiled import DOUBLES, REAL, compiled, forget_stale


def scaled(values, factor):
    return values * factor


def test_arrays_that_nobody_may_write_to_are_taken_too():
    values = np.arange(3.0)
    values.flags.writeable = False
    assert compiled(DOUBLES, REAL)(scaled)(values, 2).tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    "values", [np.arange(3), np.arange(3, dtype=np.float32), np.arange(6.0)[::2], np.ones((2, 2)), [1.0], None]
)
def test_what_is_laid_out_otherwise_is_refused_and_not_read_as_something_else(values):
    with pytest.raises(TypeError, match="No matching definition"):
        compiled(DOUBLES, REAL)(scaled)(values, 2.0)


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same():
    room: dict = {}
    exec("def doubled(values):\n    return values + values", room)  # from no file, beside which something could be kept
    assert compiled(DOUBLES)(room["doubled"])(np.ones(2)).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("source", "is_kept"),
    [("from engine.compiled import inner", False), ("# machine code has nothing to do with this", True)],
)
def test_machine_code_goes_when_another_room_of_compiled_functions_is_newer(tmp_path, source, is_kept):
    (tmp_path / "__pycache__").mkdir()
    before, after = tmp_path / "__pycache__" / "caller.before.nbi", tmp_path / "__pycache__" / "caller.after.nbi"
    called = tmp_path / "called.py"
    called.write_text(source)
    for file, made_at in ((before, 100), (called, 200), (after, 300)):
        file.touch()
        os.utime(file, (made_at, made_at))
    forget_stale(tmp_path)
    assert before.exists() == is_kept
    assert after.exists()


def test_without_sources_or_machine_code_nothing_is_stale(tmp_path):
    forget_stale(tmp_path)
    forget_stale(tmp_path / "nowhere")
