"""One program per peer: gzipped NDJSON in, Parquet (zstd, level 1) out, two threads."""
