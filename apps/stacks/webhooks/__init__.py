"""Deploy webhooks: signed calls that scale, upgrade or redeploy one service, and can do nothing else."""
