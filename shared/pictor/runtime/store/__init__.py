"""Store of frames and products: one protocol, S3 and file adapters."""
