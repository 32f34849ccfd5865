"""Thin wrappers around the pieces that are drawn in the browser."""
