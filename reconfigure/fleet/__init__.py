"""The tasks of all tiers as one fleet: what each hears of the others' changes, and what each knows of the others.

One message wakes one task of a tier. That task writes the change into the tier's change log, an item of the fleet
table, which its siblings read every few seconds. Beside it lies one row a task. Everything here is an aid: without
the table each task has its queue and its timer.

    changelog   the log itself, and which addresses somebody who has applied it so far must read again (pure)
    roll        the rows, and who of them is behind, silent or not well (pure)
    table       both in DynamoDB
    member      this task's part: reads the log, records changes, keeps its row, in a thread of its own
    siblings    what its reports have to do with the others
"""
