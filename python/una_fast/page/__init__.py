"""The parts that the pages of this package are made of."""
