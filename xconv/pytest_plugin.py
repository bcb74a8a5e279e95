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
def xconv_verify(request: pytest.FixtureRequest) -> "Callable[..., Report]":
    """`xconv.verify` that fails the test unless the verdict is *equivalent*; unproven fails too, and so does bad input.

    The failure's text is the report's first page, or the sentence that says what is wrong with the input; JUnit files
    hold verdict and causes as properties of the test.
    """

    def check(*args: Any, **kwargs: Any) -> "Report":
        from .errors import XconvError
        from .verify import verify

        __tracebackhide__ = True
        try:
            report = verify(*args, **kwargs)
        except XconvError as error:
            pytest.fail(f"xconv: {error}", pytrace=False)
        properties = [("xconv_verdict", report.verdict.value), *(("xconv_cause", d.cause) for d in report.divergences)]
        request.node.user_properties.extend(properties)  # as record_property does, which warns of pytest's own default
        if report.verdict != "equivalent":
            pytest.fail(report.text(), pytrace=False)
        return report

    return check
