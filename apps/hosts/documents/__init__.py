"""What agents have to know to work without the portal: documents, pushed whenever they change."""
