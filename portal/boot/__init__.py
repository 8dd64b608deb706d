"""What the all-in-one server does before Django is there: folder, readiness page, broker, migrations."""
