divert(-1)
dnl What a client on the internet may do before it has said whom it writes to. Include it after MAILER().
divert(0)dnl
LOCAL_RULESETS
######################################################################
###  Local_check_relay: how often one client may connect, in a minute
######################################################################
SLocal_check_relay
R$*			$: $(arith l $@ {{ settings.connection_rate }} $@ $&{client_rate} $)
RTRUE			$#error $@ 4.3.2 $: "421 Too many connections from this address, try again later"
