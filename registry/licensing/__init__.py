"""Licenses, offers, agreements, entitlements and the gate that weighs them."""
