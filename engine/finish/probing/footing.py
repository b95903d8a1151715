"""Run in a process of its own: reads the footer of a Parquet file.

A footer is read by machine code that trusts it, so that a damaged one may end the process: then only this one ends.
Its answer is JSON, in the file that it is given second: {"rows": …, "names": […]}, or {"error": …}. `data_bytes`, the
third, is what the file has before its footer. Nothing of our own is imported here: the file is started by its path.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MAGIC_BYTES = 4


def read(path: str, data_bytes: int) -> dict[str, Any]:
    """Rows and columns, or that the columns' data would reach into the footer."""
    from pyarrow.parquet import read_metadata

    metadata = read_metadata(path)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(row_group.num_columns):
            chunk = row_group.column(column)
            begin = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0)
            if chunk.file_path == "" and begin + chunk.total_compressed_size > data_bytes + MAGIC_BYTES:
                return {"error": "its footer tells of more data than there is"}
    return {"rows": metadata.num_rows, "names": [str(name) for name in metadata.schema.to_arrow_schema().names]}


if __name__ == "__main__":
    try:
        said = read(sys.argv[1], int(sys.argv[3]))
    except Exception as error:
        said = {"error": str(error)}
    Path(sys.argv[2]).write_text(json.dumps(said))
