"""Services that `docker compose up` started, scaled where they are."""
