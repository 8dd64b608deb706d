"""The images of hosts: what is there, what may go, and how it gets from one place to another."""
