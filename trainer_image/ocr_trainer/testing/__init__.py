"""Testing a model: which images, what they hold, reading them, and results that outlive their process."""
