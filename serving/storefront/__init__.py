"""What storefronts ask for: one file a resource."""
