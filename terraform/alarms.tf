# Alarms of each tier. They are those of docs/observability/cloudwatch-alarms.yaml, and a test holds both equal; what no
# data means in each, and why, is said there. Below them are the ones that only ECS and the log can give.

locals {
  # Two intervals and a minute.
  success_age = 2 * var.interval + 60
}

resource "aws_cloudwatch_metric_alarm" "silent" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-silent"
  alarm_description   = <<-EOT
    No task of the tier has written any figures for ten minutes: none runs, or its log does not
    arrive. What it does with mail may not be done. See docs/runbooks/02-which-tier-is-silent.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "Healthy"
  dimensions          = { Tier = each.key }
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-unhealthy"
  alarm_description   = <<-EOT
    A task has no live generation, its passes do not end, or a daemon was given up on. Mail through
    it may be refused or deferred. See docs/runbooks/01-heartbeat-missed.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "Healthy"
  dimensions          = { Tier = each.key }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "no_success" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-no-success"
  alarm_description   = <<-EOT
    For two intervals no pass has succeeded in some task, and nobody ordered that. Mail flows by the
    last generation: new addresses get none, revoked ones still do. See
    docs/runbooks/01-heartbeat-missed.md
  EOT
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.success_age
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })

  metric_query {
    id          = "unordered"
    label       = "Age of the last success, but 0 while paused, pinned or held, which have alarms of their own"
    expression  = "IF(paused + pinned + held > 0, 0, age)"
    return_data = true
  }

  metric_query {
    id          = "age"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "LastSuccessAge"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 60
    }
  }

  metric_query {
    id          = "paused"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "Paused"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 60
    }
  }

  metric_query {
    id          = "pinned"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "Pinned"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 60
    }
  }

  metric_query {
    id          = "held"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "Held"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 60
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "passes_slow" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-passes-slow"
  alarm_description   = <<-EOT
    A pass took more than two minutes three times in an hour, mostly because pages of the table or
    the pool are asked for again and again. Changes reach mail late. See
    docs/runbooks/05-dynamodb-throttled-or-denied.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "PassDuration"
  dimensions          = { Tier = each.key }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 12
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 120
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "held" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-held"
  alarm_description   = <<-EOT
    The sources say that many addresses, domains or users are gone; that waits for approval. Nothing
    is lost, and no change is applied either. See docs/runbooks/09-held-generation.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "Held"
  dimensions          = { Tier = each.key }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "pinned_long" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-pinned-long"
  alarm_description   = <<-EOT
    A task has been pinned to an old generation for four hours. What was created since gets no mail,
    what was revoked since still does. See docs/runbooks/10-bad-change.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "Pinned"
  dimensions          = { Tier = each.key }
  statistic           = "Maximum"
  period              = 3600
  evaluation_periods  = 4
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "paused_long" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-paused-long"
  alarm_description   = <<-EOT
    A task has been paused for more than two hours: nothing is applied and no message is taken. The
    pause was long or was prolonged. See docs/runbooks/14-emergency-pause.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "Paused"
  dimensions          = { Tier = each.key }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 25
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "quarantine_jump" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-quarantine-jump"
  alarm_description   = <<-EOT
    Ten or more rows or users are refused that were not an hour ago: something writes what does not
    validate. Their addresses get no mail. See docs/runbooks/10-bad-change.md
  EOT
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 10
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })

  metric_query {
    id          = "more"
    label       = "Refused more than in the hour before"
    expression  = "DIFF(refused)"
    return_data = true
  }

  metric_query {
    id          = "refused"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "Quarantined"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 3600
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "daemons_down" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-daemons-down"
  alarm_description   = <<-EOT
    A mail daemon of some task does not run. Mail is not taken there, or deferred since nothing may
    leave unsigned. See docs/runbooks/13-mail-unsigned-or-deferred.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "DaemonsDown"
  dimensions          = { Tier = each.key }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "queue_growing" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-queue-growing"
  alarm_description   = <<-EOT
    At no look for fifteen minutes was the queue empty, as the loop sees it. New addresses get their
    mail late, by the timer. See docs/runbooks/03-queue-growing.md
  EOT
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })

  metric_query {
    id          = "waiting"
    label       = "Messages that wait, but 0 during a pause, which has an alarm of its own"
    expression  = "IF(paused > 0, 0, visible)"
    return_data = true
  }

  metric_query {
    id          = "visible"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "QueueVisible"
      dimensions  = { Tier = each.key }
      stat        = "Minimum"
      period      = 300
    }
  }

  metric_query {
    id          = "paused"
    return_data = false

    metric {
      namespace   = var.metrics_namespace
      metric_name = "Paused"
      dimensions  = { Tier = each.key }
      stat        = "Maximum"
      period      = 300
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "messages_stuck" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-messages-stuck"
  alarm_description   = <<-EOT
    At no look for half an hour was nothing in flight: some message is received again and again, and
    no pass that it asked for succeeds. See docs/runbooks/04-messages-stuck-in-flight.md
  EOT
  namespace           = var.metrics_namespace
  metric_name         = "QueueInFlight"
  dimensions          = { Tier = each.key }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 6
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-oldest-message"
  alarm_description   = <<-EOT
    SQS itself says that a message is older than half an hour. No pass that began after it has
    succeeded, or nobody receives, or the tier is paused. See docs/runbooks/03-queue-growing.md
  EOT
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.changes[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1800
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-dead-letters"
  alarm_description   = <<-EOT
    Messages lie on the dead-letter queue: nobody could read them, or their passes failed again and
    again. What they announced is applied by the timer. See docs/runbooks/08-dead-letters.md
  EOT
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "table_throttled" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-table-throttled"
  alarm_description   = <<-EOT
    DynamoDB throttles reads of the address table. A page is asked for again; if that does not help
    the pass fails, and changes reach mail late. See
    docs/runbooks/05-dynamodb-throttled-or-denied.md
  EOT
  namespace           = "AWS/DynamoDB"
  metric_name         = "ReadThrottleEvents"
  dimensions          = { TableName = var.addresses_table_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}

resource "aws_cloudwatch_metric_alarm" "tasks_missing" {
  for_each = var.services

  alarm_name          = "${var.name}-${each.key}-tasks-missing"
  alarm_description   = <<-EOT
    Fewer tasks run than the service wants, for five minutes. The others serve on; with none left, mail of the tier
    waits at its senders. See docs/runbooks/02-which-tier-is-silent.md
  EOT
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = local.cluster_name, ServiceName = aws_ecs_service.tier[each.key].name }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = each.value.count
  # No task, no figures: then the alarm silent speaks.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarm_topic_arns
  ok_actions         = var.alarm_topic_arns
  tags               = merge(var.tags, { Tier = each.key })
}

# The heartbeat has no figure of its own in the log, only a line each time that it fails.
resource "aws_cloudwatch_log_metric_filter" "heartbeat" {
  for_each = local.tiers

  name           = "${var.name}-${each.key}-heartbeat-failed"
  log_group_name = aws_cloudwatch_log_group.tier[each.key].name
  pattern        = "{ $.event = \"heartbeat_failed\" }"

  metric_transformation {
    # Not the loop's namespace: what is there has a dimension, and this cannot have a default with one.
    namespace     = "${var.metrics_namespace}/Log"
    name          = "HeartbeatFailed-${each.key}"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  for_each = local.tiers

  alarm_name          = "${var.name}-${each.key}-heartbeat"
  alarm_description   = <<-EOT
    Pings have failed three times in fifteen minutes: the ping URL was rotated, or there is no way to the health checks.
    Mail is not touched, but a silent tier would not be noticed. See docs/runbooks/07-heartbeat-parameter-rotated.md
  EOT
  namespace           = "${var.metrics_namespace}/Log"
  metric_name         = "HeartbeatFailed-${each.key}"
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = merge(var.tags, { Tier = each.key })
}
