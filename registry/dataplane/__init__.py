"""The data plane: object bytes, uploads and live events, in one asynchronous process beside the web tier."""
