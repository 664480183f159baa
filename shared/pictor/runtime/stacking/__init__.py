"""Which group is stacked when, and why not: the one decision of trigger, sweep and people."""
