"""The controller: it owns links, timers and the journal, and decides nothing."""
