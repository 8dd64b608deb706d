"""Reading the files in volumes: folders as lists, files and folders as downloads."""
