"""Where a tier's files lie: immutable generations, how one is built, checked, compared, activated and pruned."""
