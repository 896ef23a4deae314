"""What the clients of scalers are built from: TLS, batches, outages, HTTP. Third parties may use it too."""
