"""The prompts for any model: compact, or full of worked examples."""
