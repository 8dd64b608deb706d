"""Images built on hosts, from a context that somebody sends or from a git repository."""
