"""For tests of what is built on Penstock: conformance suites and generators, shipped to users.

Owns: the suite that every decoder must pass; seeded schemas, rows, and damaged lines.
Promises: equal seeds give equal data.
Does not: import a test framework.
"""

from penstock.testing._decoder_conformance import DecoderConformance
from penstock.testing._line_generator import GeneratedLines, generate
from penstock.testing._line_mutator import generate_damaged, mutate

__all__ = [
    "DecoderConformance",
    "GeneratedLines",
    "generate",
    "generate_damaged",
    "mutate",
]
