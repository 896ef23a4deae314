"""RabbitMQ as an event source: queues, over AMQP or the management API."""
