# Logs, from which CloudWatch also makes the loop's figures (embedded metric format), and a dashboard of them.

resource "aws_cloudwatch_log_group" "tier" {
  for_each = local.tiers

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  tags              = merge(var.tags, { Tier = each.key })
}

locals {
  # Title => metric, statistic. One line a tier in each.
  figures = {
    "Healthy (worst task)"          = { metric = "Healthy", statistic = "Minimum" }
    "Seconds since success"         = { metric = "LastSuccessAge", statistic = "Maximum" }
    "Seconds a pass takes"          = { metric = "PassDuration", statistic = "Maximum" }
    "Messages waiting"              = { metric = "QueueVisible", statistic = "Maximum" }
    "Messages in flight"            = { metric = "QueueInFlight", statistic = "Maximum" }
    "Dead letters"                  = { metric = "DeadLetters", statistic = "Maximum" }
    "Daemons that do not run"       = { metric = "DaemonsDown", statistic = "Maximum" }
    "Rows and users in quarantine"  = { metric = "Quarantined", statistic = "Maximum" }
    "Held, waiting for an approval" = { metric = "Held", statistic = "Maximum" }
  }

  widgets = [
    for number, title in keys(local.figures) : {
      type   = "metric"
      x      = 8 * (number % 3)
      y      = 6 * floor(number / 3)
      width  = 8
      height = 6
      properties = {
        title  = title
        region = local.region
        view   = "timeSeries"
        period = 60
        stat   = local.figures[title].statistic
        metrics = [
          for tier in local.tiers : [var.metrics_namespace, local.figures[title].metric, "Tier", tier, { label = tier }]
        ]
        yAxis = { left = { min = 0 } }
      }
    }
  ]
}

resource "aws_cloudwatch_dashboard" "tiers" {
  dashboard_name = "${var.name}-tiers"
  dashboard_body = jsonencode({ widgets = local.widgets })
}
