"""YAML and JSON texts of any kind: their values, or one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fprnet.plain_text import parse_json, parse_yaml

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(n + 1)}: &{chr(n + 1)} [*{chr(n)}, *{chr(n)}]\n" for n in range(ord("a"), ord("y"))
)  # each line is twice the one before
WRONG_YAML = {
    "integer": "a: !!int abc",
    "float": "a: !!float abc",
    "month": "a: 2026-99-01",
    "day": "a: 2026-02-31",
    "alias": "a: &a [*a]",
    "laughs": LAUGHS,
    "key": "{[1]: 2, {a: 1}: 3}",
    "depth": "[" * 5000,
    "digits": f"a: {'9' * 5000}",
    "object": "!!python/object/apply:os.system [ls]",
    "binary": "a: !!binary 'é'",
    "base 60": f"a: {':'.join(['59'] * 1000)}.5",
    "tab": "a:\n\t- b",
}


@pytest.mark.parametrize("text", WRONG_YAML.values(), ids=WRONG_YAML)
def test_wrong_yaml_is_one_line(text):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000, '"\ud800"x'])
def test_wrong_json_is_one_line(text):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_json(text)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is ValueError


def test_right_texts_are_their_values():
    assert parse_yaml("a: [1, 2.5, x]") == {"a": [1, 2.5, "x"]}
    assert parse_json('{"a": [1, 2.5, "x"]}') == {"a": [1, 2.5, "x"]}


@given(st.text("[]{}&*!:-, \n'\"0123456789abcxy~<?|>%@#", max_size=40))
def test_any_text_is_parsed_or_refused(text):
    for parse in (parse_yaml, parse_json):
        try:
            parse(text)
        except ValueError as error:
            assert type(error) is ValueError  # noqa: PT017 - whether it is refused is open
