"""What the files of a catalog say: layout, questions, Go templates; pure."""
