"""What marketers ask for: one file a resource."""
