"""Tests, one folder a room; see tests/conftest.py for the tiers (fast, model, browser, faults)."""
