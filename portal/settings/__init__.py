"""Settings by purpose: `base` for every process, `auth` for log-in, `test` for the suite."""
