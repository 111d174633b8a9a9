"""View models to lines of the screen: pure functions of values, a palette and a size."""
