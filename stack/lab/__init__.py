"""What runs in the containers around the mail tiers: the AWS double, the name service, the sink for outgoing mail."""
