"""Floor 2, the mathematics: every operator declared once, in families."""
