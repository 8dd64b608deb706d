"""What every app stands on: managed rows, tenancy, life cycles, ids, events, errors."""
