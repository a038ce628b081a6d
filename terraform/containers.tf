# What is in a task. The lines are those of docker/compose.yaml, in ECS's words; decision 15 says why each is there.
#
# Both launch types leave a container the same capabilities. EC2 drops all and adds the needed ones. Fargate adds none
# but SYS_PTRACE, so there the engine's default ones are dropped that are not needed. Fargate also knows no
# dockerSecurityOptions and no memory file systems: empty volumes stand in for /run and /tmp.

locals {
  fargate = var.launch_type == "FARGATE"

  capabilities = {
    imap     = ["CHOWN", "DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"]
    smtp-in  = ["CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]
    smtp-out = ["CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]
  }

  # What an engine gives a container that asks for nothing.
  default_capabilities = [
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
  ]

  # Ports that a tier listens on. Port 25 of imap is for the relays alone and behind no load balancer.
  ports = {
    imap     = [25, 143, 993]
    smtp-in  = [25]
    smtp-out = [465, 587]
  }

  # Every task needs these. The state folder is new in each task, on purpose: it belongs to one process, and two tasks
  # of a tier always run beside each other during a deployment, so it cannot be shared; and ECS gives a service's
  # tasks no volume that the next one finds again. What that costs is in README.md.
  state_volume   = "state"
  memory_volumes = local.fargate ? { run = "/run", tmp = "/tmp" } : {}

  # What the agent of ECS Exec writes to, since the rest of the file system is read-only; README.md says how sure that is.
  exec_volumes = { managed-agents = "/managed-agents", agent-state = "/var/lib/amazon", agent-log = "/var/log/amazon" }

  # By name: empty volumes, new in each task.
  empty_volumes = merge(local.memory_volumes, local.exec_volumes)

  environment = {
    for tier in local.tiers : tier => merge(
      {
        TIER                      = tier
        CERT_DOMAIN               = var.cert_domain
        AWS_REGION                = local.region
        ADDRESSES_TABLE           = var.addresses_table_name
        FLEET_TABLE               = aws_dynamodb_table.fleet.name
        COGNITO_POOL_ID           = var.user_pool_id
        COGNITO_CLIENT_ID         = var.user_pool_client_id
        SQS_QUEUE_URL             = aws_sqs_queue.changes[tier].url
        SQS_DLQ_URL               = aws_sqs_queue.dead[tier].url
        HEALTHCHECK_PING_PARAM    = aws_ssm_parameter.heartbeat[tier].name
        IMAP_INTERNAL_HOST        = "imap.${var.private_domain}"
        RECONFIGURE_INTERVAL      = tostring(var.interval)
        RECONFIGURE_EMF_NAMESPACE = var.metrics_namespace
        RECONFIGURE_LOG_FORMAT    = "json"
      },
      var.operators_in_tasks ? { RECONFIGURE_TOPIC_ARN = aws_sns_topic.changes.arn } : {},
      contains(keys(var.services), tier) ? var.services[tier].environment : {},
    )
  }

  # What the execution role must be able to read. A JSON key after a secret's ARN is no part of the ARN.
  secret_parameters = {
    for tier, service in var.services : tier => [
      for from in values(service.secrets) : from if strcontains(from, ":ssm:")
    ]
  }
  secret_secrets = {
    for tier, service in var.services : tier => distinct([
      for from in values(service.secrets) : join(":", slice(split(":", from), 0, 7)) if strcontains(from, ":secretsmanager:")
    ])
  }

  containers = {
    for tier, service in var.services : tier => merge(
      {
        name                   = tier
        image                  = service.image
        essential              = true
        readonlyRootFilesystem = true
        # The daemons end within nine seconds of SIGTERM; the rest is for mail that is just being taken.
        stopTimeout  = 30
        portMappings = [for port in local.ports[tier] : { containerPort = port, hostPort = port, protocol = "tcp" }]
        environment  = [for name, value in local.environment[tier] : { name = name, value = value }]
        secrets      = [for name, from in service.secrets : { name = name, valueFrom = from }]
        healthCheck = {
          command     = ["CMD", "reconfigure", "health"]
          interval    = 15
          timeout     = 5
          retries     = 3
          startPeriod = 120
        }
        # A connection is a descriptor, and each sendmail opens a dozen maps.
        ulimits = [{ name = "nofile", softLimit = 16384, hardLimit = 16384 }]
        mountPoints = concat(
          [
            { sourceVolume = local.state_volume, containerPath = "/var/lib/reconfigure", readOnly = false },
            { sourceVolume = "mail-queue", containerPath = "/var/spool/mqueue", readOnly = false },
          ],
          tier == "imap" ? [{ sourceVolume = "homes", containerPath = "/home", readOnly = false }] : [],
          [for name, path in local.empty_volumes : { sourceVolume = name, containerPath = path, readOnly = false }],
        )
        linuxParameters = merge(
          {
            capabilities = {
              drop = local.fargate ? [
                for each in local.default_capabilities : each if !contains(local.capabilities[tier], each)
              ] : ["ALL"]
              add = local.fargate ? [] : local.capabilities[tier]
            }
          },
          local.fargate ? {} : {
            tmpfs = [
              { containerPath = "/run", size = 64, mountOptions = ["mode=755"] },
              { containerPath = "/tmp", size = 256, mountOptions = ["mode=1777"] },
            ]
          },
        )
        logConfiguration = {
          logDriver = "awslogs"
          options = {
            awslogs-group         = aws_cloudwatch_log_group.tier[tier].name
            awslogs-region        = local.region
            awslogs-stream-prefix = "task"
            # Mail goes on when CloudWatch Logs does not answer; what does not fit into the buffer is lost.
            mode            = "non-blocking"
            max-buffer-size = "4m"
          }
        }
      },
      local.fargate ? {} : { dockerSecurityOptions = ["no-new-privileges"] },
    )
  }
}
