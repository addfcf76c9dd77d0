"""Templates of messages: filled with what they are given, and with nothing else."""

import pytest

from engine.errors import BadInput
from serving.message_template import MOST_MESSAGE, MOST_ROUNDS, MOST_TEMPLATE, checked_template, fill


def filled(source, html=False, **values):
    return fill(source, values, field="text", html=html)


def test_a_message_is_filled_in_any_script():
    assert (
        filled("你好 {{ name }}, {{ amount|money }} off", name="Zoë 张", amount=1_234_50) == "你好 Zoë 张, 1,234.50 off"
    )


def test_values_are_escaped_in_html_and_stand_as_they_are_in_text():
    assert filled("<b>{{ name }}</b>", html=True, name="<script>") == "<b>&lt;script&gt;</b>"
    assert filled("{{ name }}", name="<script>") == "<script>"


def test_a_name_that_is_not_given_is_an_error_with_its_line():
    with pytest.raises(BadInput, match=r"text: cannot be filled: line 2: .*nmae"):
        filled("Dear\n{{ nmae }}", name="x")


def test_a_template_with_a_bug_is_refused_with_its_line():
    with pytest.raises(BadInput, match="text: line 3") as refused:
        checked_template("a\nb\n{% if x %}", field="text")
    assert refused.value.position == 3


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__init__.__globals__ }}",
        "{{ cycler.__init__ }}",
        "{{ name.format(name) }}",
        "{{ 'x'.ljust(10 ** 9) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 9999 ** 9999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for a in range(1000000000) %}x{% endfor %}",
        "{{ name|attr('__class__') }}",
        "{{ name|center(1000000000) }}",
        "{{ name|indent(1000000000) }}",
        "{{ name|replace('x', 'xx') }}",
        "{% set a = name ~ name %}{{ a }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ name() }}",
        "{{ 'xxxx' + 'xxxx' }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ 1 / 0 }}",
    ],
)
def test_an_attack_is_refused(attack):
    with pytest.raises(BadInput):
        filled(attack, name="x")


def test_loops_and_conditions_are_for_messages():
    items = [{"name": "tea", "price": 1}, {"name": "x", "price": 0}, {"name": "茶", "price": 2}]
    one = "{{ loop.index }} {{ each.name }}{% if not loop.last %}, {% endif %}"
    assert filled(f"{{% for each in items if each.price %}}{one}{{% endfor %}}", items=items) == "1 tea, 2 茶"


def test_a_message_that_grows_without_end_is_stopped():
    with pytest.raises(BadInput, match=f"over {MOST_MESSAGE:,} characters"):
        filled("{% for a in items %}" + "x" * 10_000 + "{% endfor %}", items=range(1_000))
    with pytest.raises(BadInput, match=f"more than {MOST_ROUNDS:,} times"):
        filled("{% for a in items %}{% for b in items %}{% for c in items %}{% endfor %}{% endfor %}{% endfor %}",
               items=range(1_000))  # fmt: skip


def test_a_template_of_absurd_length_or_depth_is_refused():
    with pytest.raises(BadInput, match=f"over {MOST_TEMPLATE:,} characters"):
        checked_template("x" * (MOST_TEMPLATE + 1), field="text")
    with pytest.raises(BadInput):
        checked_template("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", field="text")
