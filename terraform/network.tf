# Clients come through one network load balancer, and are seen with their own addresses. Relays find imap by a private
# name, past the load balancer.

locals {
  # Name of a listener => its tier and port.
  listeners = merge([
    for tier in keys(var.services) : {
      for port in local.ports[tier] : "${tier}-${port}" => { tier = tier, port = port } if !(tier == "imap" && port == 25)
    }
  ]...)

  clients = merge([
    for name, listener in local.listeners : {
      for cidr in var.client_cidrs : "${name}-${cidr}" => { port = listener.port, cidr = cidr }
    }
  ]...)

  relays = { for tier, service in var.services : tier => service if tier != "imap" && contains(keys(var.services), "imap") }
}

resource "aws_lb" "mail" {
  count = local.any_service ? 1 : 0

  name                             = "${var.name}-mail"
  load_balancer_type               = "network"
  internal                         = false
  subnets                          = var.public_subnet_ids
  security_groups                  = [for group in aws_security_group.balancer : group.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = true
  tags                             = var.tags
}

resource "aws_lb_target_group" "tier" {
  for_each = local.listeners

  name        = "${var.name}-${each.key}"
  vpc_id      = var.vpc_id
  port        = each.value.port
  protocol    = "TCP"
  target_type = "ip"
  # sendmail counts connections by client, and guesses at passwords are counted by address.
  preserve_client_ip   = true
  deregistration_delay = 60
  tags                 = merge(var.tags, { Tier = each.value.tier })

  health_check {
    protocol            = "TCP"
    port                = "traffic-port"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "tier" {
  for_each = local.listeners

  load_balancer_arn = aws_lb.mail[0].arn
  port              = each.value.port
  # TLS ends in the daemons: they need STARTTLS, and clients that show certificates.
  protocol = "TCP"
  tags     = merge(var.tags, { Tier = each.value.tier })

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tier[each.key].arn
  }
}

resource "aws_security_group" "balancer" {
  count = local.any_service ? 1 : 0

  name        = "${var.name}-balancer"
  description = "Load balancer of the mail tiers"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = local.clients

  security_group_id = aws_security_group.balancer[0].id
  description       = "Clients"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each = local.listeners

  security_group_id            = aws_security_group.balancer[0].id
  description                  = "To ${each.value.tier}, health checks too"
  referenced_security_group_id = aws_security_group.tier[each.value.tier].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_security_group" "tier" {
  for_each = var.services

  name        = "${var.name}-${each.key}"
  description = "Tasks of ${each.key}"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Tier = each.key })
}

resource "aws_vpc_security_group_ingress_rule" "tier" {
  for_each = local.listeners

  security_group_id            = aws_security_group.tier[each.value.tier].id
  description                  = "What the load balancer lets through"
  referenced_security_group_id = aws_security_group.balancer[0].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "relays" {
  for_each = local.relays

  security_group_id            = aws_security_group.tier["imap"].id
  description                  = "Hosted mail from ${each.key}"
  referenced_security_group_id = aws_security_group.tier[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 25
  to_port                      = 25
}

resource "aws_vpc_security_group_egress_rule" "relays" {
  for_each = local.relays

  security_group_id            = aws_security_group.tier[each.key].id
  description                  = "Hosted mail to imap"
  referenced_security_group_id = aws_security_group.tier["imap"].id
  ip_protocol                  = "tcp"
  from_port                    = 25
  to_port                      = 25
}

# AWS's own services, the registry of the images, and the host of the health checks, which has no fixed address.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = var.services

  security_group_id = aws_security_group.tier[each.key].id
  description       = "AWS and health checks"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# smtp-out sends to the world; the relays' bounces go there too.
resource "aws_vpc_security_group_egress_rule" "smtp" {
  for_each = var.services

  security_group_id = aws_security_group.tier[each.key].id
  description       = "Other mail servers"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 25
  to_port           = 25
}

resource "aws_security_group" "files" {
  count = local.any_service && var.file_system_id == null ? 1 : 0

  name        = "${var.name}-files"
  description = "File system of the mail tiers"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "files" {
  for_each = { for tier, service in var.services : tier => service if var.file_system_id == null }

  security_group_id            = aws_security_group.files[0].id
  description                  = "NFS from ${each.key}"
  referenced_security_group_id = aws_security_group.tier[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

# To any address, since the group of a file system that exists is not known here. Port 2049 leads to nothing else.
resource "aws_vpc_security_group_egress_rule" "files" {
  for_each = var.services

  security_group_id = aws_security_group.tier[each.key].id
  description       = "NFS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 2049
  to_port           = 2049
}

resource "aws_service_discovery_private_dns_namespace" "mail" {
  count = contains(keys(var.services), "imap") ? 1 : 0

  name        = var.private_domain
  description = "Where the relays find imap"
  vpc         = var.vpc_id
  tags        = var.tags
}

resource "aws_service_discovery_service" "imap" {
  count = length(aws_service_discovery_private_dns_namespace.mail)

  name = "imap"
  tags = merge(var.tags, { Tier = "imap" })

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.mail[count.index].id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      # Short: a task that ended must not be looked for.
      ttl = 10
    }
  }

  # ECS says which tasks are healthy, by `reconfigure health`.
  health_check_custom_config {}
}
