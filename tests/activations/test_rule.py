"""What counts as an activation: only what can count, and short to print."""

import pytest

from inspect_core.activations.rule import Rule
from inspect_core.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "most"}, {"sign": "+"}, {"k": 0}, {"kind": "over", "threshold": float("nan")},
     {"kind": "over", "threshold": float("inf")}],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError) as caught:
        Rule(**wrong)
    assert "\n" not in str(caught.value)
