divert(-1)
dnl What a client on the internet may do before it has said whom it writes to. Include it after MAILER().
dnl
dnl A client is an IPv4 address: sendmail counts whole addresses and no networks, and there is no listener for IPv6, where
dnl one client has a /64 of them. What is counted are sessions; one that is refused ends with the answer, before any wait.
divert(0)dnl
LOCAL_RULESETS
######################################################################
###  Local_check_relay: how often one client may connect, in a minute, and how many sessions it may have
###
###	sendmail closes its ports to everybody while it serves MaxDaemonChildren: no one client may fill them.
######################################################################
SLocal_check_relay
R$*			$: $(arith l $@ {{ settings.connections_per_client }} $@ $&{client_connections} $)
RTRUE			$#error $@ 4.3.2 $: "421 Too many connections open from this address, close some first"
R$*			$: $(arith l $@ {{ settings.connection_rate }} $@ $&{client_rate} $)
RTRUE			$#error $@ 4.3.2 $: "421 Too many connections from this address, try again later"
