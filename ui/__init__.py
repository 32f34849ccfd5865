"""The page: use cases, view models and what the browser draws."""
