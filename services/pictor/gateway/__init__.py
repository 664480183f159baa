"""The HTTP gateway and its pages."""
