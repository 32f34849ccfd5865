"""The engine: models, decoding and the mathematics of uncertainty.

Knows arrays and language models; does not know the page (gradio, plotly) or the store (sqlmodel).
"""
