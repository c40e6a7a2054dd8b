"""DuckDB: one COPY statement."""

import duckdb

from benchmarks.peers.arguments import arguments
from benchmarks.schema import sql_type

if __name__ == "__main__":
    schema, output, files = arguments()
    columns = ", ".join(f"\"{field.name}\": '{sql_type(field.type)}'" for field in schema)
    names = ", ".join(f"'{file}'" for file in files)
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute("SET preserve_insertion_order = false")
        database.execute(
            f"COPY (SELECT * FROM read_json([{names}], columns = {{{columns}}}, format = 'newline_delimited'))"
            f" TO '{output}/part.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )
