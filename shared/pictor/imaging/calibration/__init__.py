"""Masters: what they tell about the detector and how they are applied."""
