"""Repairs responses that violate the rules and that browsers accept, so that the parser accepts them."""
