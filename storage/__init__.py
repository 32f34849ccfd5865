"""The store: one SQLite file with checked arrays.

Knows rows, transactions and packed arrays; does not know models (torch, transformers) or the page (gradio).
"""
