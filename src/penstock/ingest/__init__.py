"""Files to tables, exactly once.

Owns: the configuration of ingestion, plans and seals, decoding.
Promises: a source file's rows are in the table exactly once, whatever dies in between; a line or
file that cannot be read is a dead letter, once.
Does not: read the environment, or install signal handlers.
"""

from penstock.ingest._config import MetricsConfig, PipelineConfig
from penstock.ingest._load import IngestConfig, load_config

__all__ = ["IngestConfig", "MetricsConfig", "PipelineConfig", "load_config"]
