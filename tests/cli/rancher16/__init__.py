"""A Rancher 1.6 server as far as an import reads it: its rows (`rows.py`) and the HTTP server that gives them out."""
