"""Pages of containers, and the launch form that services share."""
