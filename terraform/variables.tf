# What everybody sets.

variable "cert_domain" {
  description = "Control domain: TLS names, and the name of each tier below it."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}$", var.cert_domain))
    error_message = "cert_domain must be a host name in small letters, such as mail.example.com."
  }
}

variable "user_pool_id" {
  description = "Cognito user pool whose users have mailboxes."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+_[0-9A-Za-z]+$", var.user_pool_id))
    error_message = "user_pool_id must be a pool's id, such as eu-west-1_AbCdEfGhI."
  }
}

variable "user_pool_client_id" {
  description = "App client of the user pool, by which logins are checked."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{1,128}$", var.user_pool_client_id))
    error_message = "user_pool_client_id must be an app client's id: small letters and digits."
  }
}

variable "name" {
  description = "First part of every name that is made here."
  type        = string
  default     = "reconfigure"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.name))
    error_message = "name must be 2 to 15 small letters, digits and hyphens: load balancers' names end at 32 characters."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 40
    error_message = "tags may hold 40 at most: AWS takes 50, and Tier is added here."
  }
}

# Tables.

variable "addresses_table_name" {
  description = "DynamoDB table of addresses, in this account and region."
  type        = string
  default     = "cabal-addresses"

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.addresses_table_name))
    error_message = "addresses_table_name must be a table's name, not its ARN."
  }
}

variable "create_addresses_table" {
  description = "Whether the address table is made here. No: it exists."
  type        = bool
  default     = false
  nullable    = false
}

# Tasks and services.

variable "services" {
  description = <<-EOT
    Tiers that run as ECS services, by name: imap, smtp-in, smtp-out. A tier that is not named gets its queue, parameter
    and policies, and no tasks. `secrets` names each secret (TLS_CA_BUNDLE, TLS_CERT, TLS_KEY, on smtp-out
    DKIM_PRIVATE_KEY, on imap MASTER_PASSWORD if wanted) and where it is: the ARN of an SSM parameter or of a secret of
    Secrets Manager, with a JSON key if need be. `environment` holds further settings. `ecr_repository_arn` is set when
    the image is in ECR.
  EOT
  type = map(object({
    image              = string
    secrets            = map(string)
    ecr_repository_arn = optional(string)
    cpu                = optional(number, 256)
    memory             = optional(number, 512)
    count              = optional(number, 2)
    environment        = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for tier in keys(var.services) : contains(["imap", "smtp-in", "smtp-out"], tier)])
    error_message = "services may name imap, smtp-in and smtp-out."
  }

  validation {
    condition = alltrue([
      for tier, service in var.services : alltrue([
        for needed in concat(["TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY"], tier == "smtp-out" ? ["DKIM_PRIVATE_KEY"] : []) :
        contains(keys(service.secrets), needed)
      ])
    ])
    error_message = "Each service needs the secrets TLS_CA_BUNDLE, TLS_CERT and TLS_KEY, and smtp-out DKIM_PRIVATE_KEY."
  }

  validation {
    condition = alltrue(flatten([
      for service in values(var.services) : [
        for from in values(service.secrets) : can(regex("^arn:[a-z-]+:(ssm:.*:parameter/|secretsmanager:.*:secret:)", from))
      ]
    ]))
    error_message = "A secret is given by the ARN of an SSM parameter or of a secret of Secrets Manager, never by its value."
  }
}

variable "launch_type" {
  description = "EC2: the tasks get what docker/compose.yaml gives them. FARGATE: as much of it as Fargate knows; see README.md."
  type        = string
  default     = "EC2"

  validation {
    condition     = contains(["EC2", "FARGATE"], var.launch_type)
    error_message = "launch_type must be EC2 or FARGATE."
  }
}

variable "cluster_name" {
  description = "ECS cluster that the services run in, with Container Insights on, whose figures the alarm on missing tasks reads. None: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_name == null || can(regex("^[a-zA-Z0-9_-]{1,255}$", var.cluster_name))
    error_message = "cluster_name must be a cluster's name, not its ARN."
  }
}

variable "secrets_kms_key_arns" {
  description = "KMS keys of the customer's own that the secrets are encrypted with."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secrets_kms_key_arns : can(regex("^arn:[a-z-]+:kms:.*:key/", arn))])
    error_message = "secrets_kms_key_arns must hold ARNs of keys, not of aliases."
  }
}

variable "operators_in_tasks" {
  description = "Whether `reconfigure queue` and `notify` may do their work by the task's role, as the runbooks have it. No: give the policies of `operator_policy_arns` to a role of your operators."
  type        = bool
  default     = true
  nullable    = false
}

variable "interval" {
  description = "Seconds between full passes without a message (RECONFIGURE_INTERVAL); the alarm on success waits for two."
  type        = number
  default     = 900

  validation {
    condition     = var.interval >= 1 && var.interval <= 86400
    error_message = "interval must be from 1 to 86400 seconds."
  }
}

# Network and volumes.

variable "vpc_id" {
  description = "VPC of tasks and load balancer; needed where there are services."
  type        = string
  default     = null

  validation {
    condition     = length(var.services) == 0 || var.vpc_id != null
    error_message = "vpc_id is needed where there are services."
  }
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, one an availability zone."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.services) == 0 || length(var.public_subnet_ids) > 0
    error_message = "public_subnet_ids are needed where there are services."
  }
}

variable "private_subnet_ids" {
  description = "Subnets of tasks and file system, one an availability zone, with a way out to AWS and to other mail servers."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.services) == 0 || length(var.private_subnet_ids) > 0
    error_message = "private_subnet_ids are needed where there are services."
  }
}

variable "client_cidrs" {
  description = "Who may connect to the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "client_cidrs must hold networks such as 203.0.113.0/24."
  }
}

variable "private_domain" {
  description = "Private DNS domain that is made in the VPC, in which the relays find imap."
  type        = string
  default     = "reconfigure.internal"

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z0-9-]+$", var.private_domain))
    error_message = "private_domain must be a name with a dot, in small letters."
  }
}

variable "file_system_id" {
  description = "EFS file system for mailboxes and mail queues, which the tasks can reach. None: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.file_system_id == null || can(regex("^fs-[0-9a-f]+$", var.file_system_id))
    error_message = "file_system_id must be a file system's id, such as fs-0123456789abcdef0."
  }
}

# Watching.

variable "alarm_topic_arns" {
  description = "SNS topics that alarms and recoveries are sent to: people, not the topic of changes."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:", arn))])
    error_message = "alarm_topic_arns must hold ARNs of SNS topics."
  }
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the figures that the loop writes into its log (RECONFIGURE_EMF_NAMESPACE)."
  type        = string
  default     = "Reconfigure"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_./-]{0,254}$", var.metrics_namespace)) && !startswith(var.metrics_namespace, "AWS/")
    error_message = "metrics_namespace must be a namespace of your own, such as Reconfigure."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number that CloudWatch Logs knows, such as 30, 90 or 365."
  }
}

# The stream function.

variable "stream_arn" {
  description = "Stream of an address table that is not made here. Set with `stream_package`; a table made here has its own."
  type        = string
  default     = null

  validation {
    condition     = var.stream_arn == null || can(regex("^arn:[a-z-]+:dynamodb:.*/stream/", var.stream_arn))
    error_message = "stream_arn must be the ARN of a table's stream."
  }
}

variable "stream_package" {
  description = "Zip file of reconfigure/notify.py, for a function that tells the topic of every change of the table. None: the admin app does."
  type        = string
  default     = null

  validation {
    condition     = var.stream_package == null || var.create_addresses_table || var.stream_arn != null
    error_message = "With stream_package, set create_addresses_table or stream_arn."
  }
}
