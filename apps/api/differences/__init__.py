"""What differs between our v1 schemas and a reference's, and why."""
