# One topic tells every tier; each has a queue of its own, so a tier that is down keeps only its own messages waiting.

resource "aws_sns_topic" "changes" {
  name = "${var.name}-changes"
  # Messages name addresses. AWS's own key lets whoever may publish use it, so publishers need no right on a key.
  kms_master_key_id = "alias/aws/sns"
  tags              = var.tags
}

resource "aws_sqs_queue" "dead" {
  for_each = local.tiers

  name = "${var.name}-${each.key}-dead"
  # The longest there is: a dead letter is there to be looked at, after holidays too.
  message_retention_seconds = 1209600
  receive_wait_time_seconds = 20
  sqs_managed_sse_enabled   = true
  tags                      = merge(var.tags, { Tier = each.key })
}

resource "aws_sqs_queue" "changes" {
  for_each = local.tiers

  name = "${var.name}-${each.key}"
  # Four days outlast a long weekend. What is dropped after them was applied by the timer long before.
  message_retention_seconds = 345600
  receive_wait_time_seconds = 20
  # The loop asks for 60 seconds itself and renews them while a pass runs; this is for whoever else receives.
  visibility_timeout_seconds = 60
  # SQS's own keys: with a customer's key, SNS would need a right on that key too.
  sqs_managed_sse_enabled = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = 5
  })
  tags = merge(var.tags, { Tier = each.key })
}

# A resource of its own, since it names the queue that names it.
resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  for_each = local.tiers

  queue_url = aws_sqs_queue.dead[each.key].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.changes[each.key].arn]
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = local.tiers

  statement {
    sid       = "OnlyTheTopicSends"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.changes[each.key].arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.changes.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "changes" {
  for_each = local.tiers

  queue_url = aws_sqs_queue.changes[each.key].id
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

resource "aws_sns_topic_subscription" "changes" {
  for_each = local.tiers

  topic_arn = aws_sns_topic.changes.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.changes[each.key].arn

  # The queue must already let the topic in, or the first messages are lost.
  depends_on = [aws_sqs_queue_policy.changes]
}
