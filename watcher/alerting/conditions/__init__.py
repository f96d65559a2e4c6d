"""What alerts depend on beside checks: maintenance, the network of this machine, certificates, the dead-man call."""
