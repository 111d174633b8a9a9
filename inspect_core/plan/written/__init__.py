"""Plans as text: TOML files, PEFT's config, Python, names; and how two plans differ."""
