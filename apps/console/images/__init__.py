"""The images of an environment and of its hosts in the console."""
