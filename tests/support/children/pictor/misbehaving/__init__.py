"""A service whose pixel functions misbehave in every way a child must survive."""
