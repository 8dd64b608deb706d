"""The name server of this host's containers, on 169.254.169.250: what they ask is answered for each of them."""
