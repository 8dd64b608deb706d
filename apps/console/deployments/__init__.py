"""What runs where, and promotions from one environment to another."""
