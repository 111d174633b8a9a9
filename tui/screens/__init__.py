"""Screens: they own the bindings and lay out the widgets."""
