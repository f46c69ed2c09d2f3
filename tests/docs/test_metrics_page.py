"""docs/metrics.md is what the catalogue says."""

from __future__ import annotations

from tests.docs import metrics_page


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert metrics_page.PAGE.read_text("utf-8") == metrics_page.page(), "python -m tests.docs.metrics_page writes it"
