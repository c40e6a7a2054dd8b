"""polars: a lazy scan streamed into one Parquet file."""

import os

os.environ["POLARS_MAX_THREADS"] = "2"  # read once, when polars is imported

import polars as pl

from benchmarks.peers.arguments import arguments

if __name__ == "__main__":
    schema, output, files = arguments()
    typed = dict(pl.DataFrame(schema.empty_table()).schema)
    # The reader has no zoned timestamps: the text is read, and parsed by the engine.
    texts = {name for name, kind in typed.items() if isinstance(kind, pl.Datetime)}
    read_as = {name: pl.String() if name in texts else kind for name, kind in typed.items()}
    parsed = [pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC") for name in texts]
    frame = pl.scan_ndjson(files, schema=read_as).with_columns(parsed)
    frame.sink_parquet(output / "part.parquet", compression="zstd", compression_level=1)
