"""Floor 0: raw arrays. Knows neither Tensor nor gradient."""
