"""What one account sends: how much it may, how much it has, who is held.

A password that was stolen is used to send to as many as it can before somebody looks. So each account has limits for a
minute and for a day (`limits`), what it sends is counted (`counts`) and kept across a restart (`ledger`), and an
operator can hold an account (`holds`). Asked in the session by the login helper's milter; here is no protocol.

All of it is of this task alone: with two tasks an account may send twice as much.
"""
