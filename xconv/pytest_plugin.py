"""A fixture for the tests of ports.

def test_port(xconv_verify):
    xconv_verify(torch_model, keras_model, (2, 3, 32, 32))
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .verify.model import Report


@pytest.fixture
def xconv_verify(record_property: Callable[[str, object], None]) -> "Callable[..., Report]":
    """`xconv.verify` that fails the test unless the verdict is *equivalent*; unproven fails too.

    The failure's text is the report's first page; JUnit files hold verdict and causes as properties of the test.
    """

    def check(*args: Any, **kwargs: Any) -> "Report":
        from .verify import verify

        __tracebackhide__ = True
        report = verify(*args, **kwargs)
        record_property("xconv_verdict", report.verdict.value)
        for divergence in report.divergences:
            record_property("xconv_cause", divergence.cause)
        if report.verdict != "equivalent":
            pytest.fail(report.text(), pytrace=False)
        return report

    return check
