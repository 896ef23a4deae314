"""Labels on a service of Docker Compose that say how it is scaled."""
