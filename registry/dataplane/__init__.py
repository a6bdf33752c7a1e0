"""The aiohttp process that serves bytes and live events."""
