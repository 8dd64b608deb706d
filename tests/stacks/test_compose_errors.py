"""One reading of a compose file tells all errors that it can find, each with its line."""

from __future__ import annotations

import re

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose.error_list import MAX_SHOWN
from apps.stacks.compose.parser import parse

FILE = """\
services:
  web:
    image: nginx
    mem_limit: plenty
  db:
    command: sleep 1
  cache:
    image: redis
    links: [nowhere]
    mem_limit: much
  fine:
    image: alpine
"""


def refusal(text: str) -> Invalid:
    with pytest.raises(Invalid) as raised:
        parse(text)
    return raised.value


def test_every_service_and_every_key_is_told_with_its_line():
    problem = refusal(FILE)
    told = [problem.message, *str(problem.detail).splitlines()]
    assert sorted(int(re.findall(r"line (\d+)", each)[0]) for each in told) == [4, 5, 9, 10]
    assert not any("fine" in each for each in told)


def test_the_first_error_stays_what_the_answer_says():
    problem = refusal(FILE)
    assert problem.field == "dockerCompose"
    assert problem.message.startswith("line 4: web: `mem_limit`")


def test_one_error_has_no_list():
    assert refusal("services:\n  db:\n    command: a\n").detail is None


def test_a_file_of_mistakes_is_answered_with_a_short_list():
    problem = refusal("services:\n" + "".join(f"  s{n}:\n    command: a\n" for n in range(100)))
    told = str(problem.detail).splitlines()
    assert len(told) == MAX_SHOWN + 1
    assert told[-1] == "and 79 more errors"
