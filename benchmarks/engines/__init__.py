"""One program for each engine: the same chain of steps that do nothing, carried out durably.

Each is started with the Python that its engine is installed for, so it imports nothing of ours.
It is given an empty folder, the length of the chain, and for the rate the number of runs and the
steps of each; it prints JSON: `step_s`, seconds per step of one warm chain, and `rate`, steps per
second of all runs together, or null where that is not measured.
"""
