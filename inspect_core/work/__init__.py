"""Work as picklable jobs, and where they run: worker processes beside the terminal, or here."""
