"""What is true: validation, the model, quarantine reasons. Pure: nothing here reads, writes or waits."""
