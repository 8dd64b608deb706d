"""What every app builds on: managed rows, tenancy, life cycles, ids, events, errors."""
