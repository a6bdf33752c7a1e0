"""Content-addressed objects: stores, uploads, signed links."""
