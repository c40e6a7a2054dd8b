"""Real servers for the tests that need them: one file per server, one table of all."""
