"""Results that show themselves: as JSON values, as a small table in a notebook, and their objects as Arrow or pandas.

How is known on the floor of reports, which is asked when something is to be shown, and is not loaded before.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Result:
    """A result of a call."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """What the command's summary says under `--json`, by the same names (docs/json.md): JSON's own types alone."""
        values: dict[str, Any] = asked_of_reports("ndjson", "values_of")(self)
        return values

    def _repr_html_(self) -> str:
        text: str = asked_of_reports("notebook", "result_html")(self)
        return text


class LedgerResult(Result):
    """A result that knows its ledger, and so every object in it, as it is now."""

    __slots__ = ()

    ledger: Path

    def to_arrow(self) -> pyarrow.RecordBatchReader:
        """Every object of the ledger, a row each, as `export` has them (docs/export.md): a stream of batches, so that
        memory does not grow with their number; its `read_all()` makes a table of it, and other libraries take it as it
        is. S3 is not asked.

        Raises `ExtraMissing` without the extra `parquet`, `LedgerMissing`, `LedgerCorrupt`."""
        return asked_of_reports("arrow", "reader_of")(self.ledger)

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a data frame, all of it in memory: about 0.9 GB for a million objects. Raises as `to_arrow`, and
        `ExtraMissing` without pandas."""
        return asked_of_reports("arrow", "frame_of")(self.ledger)


def asked_of_reports(module: str, name: str) -> Callable[[object], Any]:
    """What a module of the floor of reports has for showing things."""
    found: Callable[[object], Any] = getattr(import_module(f"engine.report.{module}"), name)
    return found
