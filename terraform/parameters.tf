# Where each tier pings. The loop reads it again while it runs, so another value needs no new task.

resource "aws_ssm_parameter" "heartbeat" {
  for_each = local.tiers

  name        = "/${var.name}/${each.key}/healthcheck-ping-url"
  description = "Ping URL of the check of ${each.key}; a value that is no URL means no pings"
  type        = "SecureString"
  # A ping URL is a secret: who has it can say that all is well. So it is put there by hand and not by this module.
  value = "none"
  tags  = merge(var.tags, { Tier = each.key })

  lifecycle {
    ignore_changes = [value]
  }
}
