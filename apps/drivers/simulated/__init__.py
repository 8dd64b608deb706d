"""An engine in memory that keeps the same contract as the real one."""
