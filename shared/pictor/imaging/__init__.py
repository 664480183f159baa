"""Pure pixels: arrays and headers in, arrays and numbers out."""
