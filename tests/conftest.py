"""What all tests share."""

import os

# Tests decide for themselves what a terminal can do.
for name in ("COLORTERM", "SSH_CONNECTION", "TEXTUAL_ANIMATIONS"):
    os.environ.pop(name, None)
os.environ["HF_HUB_OFFLINE"] = "1"
