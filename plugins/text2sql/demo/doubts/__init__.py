"""What speaks against the demo model's SQL although it ran."""
