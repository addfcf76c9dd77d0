from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Tests are imported by path (importlib mode): the toy shop that several of them share is made importable here.
_spec = importlib.util.spec_from_file_location("checkerboard", Path(__file__).with_name("checkerboard.py"))
assert _spec is not None and _spec.loader is not None
sys.modules.setdefault("checkerboard", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(sys.modules["checkerboard"])
