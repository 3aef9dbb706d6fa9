"""Results for people: cells in words, tables of a terminal's or a notebook's width."""

__all__: list[str] = []
