"""The pages: HTML rendered here, made live by the scripts in static/."""
