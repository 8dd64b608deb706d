"""What stands before Django: limits on connections, heads and bodies, kept where a request costs almost nothing yet."""
